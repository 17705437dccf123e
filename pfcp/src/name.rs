//! Names of networks, made readable without an allocation.

use std::fmt;
use std::ops::Deref;

use arrayvec::ArrayString;

/// What stands inline: a DNN of usual length (TS 23.003, 9.1, allows 100 octets).
const INLINE: usize = 64;

/// A name as text. It is made for each message that names a network; short ones do not allocate.
#[derive(Clone, PartialEq, Eq)]
pub struct Name(Text);

#[derive(Clone, PartialEq, Eq)]
enum Text {
    Short(ArrayString<INLINE>),
    Long(String),
}

impl Name {
    pub(crate) const fn new() -> Self {
        Self(Text::Short(ArrayString::new_const()))
    }

    pub(crate) fn push_str(&mut self, more: &str) {
        match &mut self.0 {
            Text::Short(text) => {
                if text.try_push_str(more).is_err() {
                    self.0 = Text::Long([text.as_str(), more].concat());
                }
            }
            Text::Long(text) => text.push_str(more),
        }
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        let mut name = Self::new();
        name.push_str(text);
        name
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, text: &&str) -> bool {
        **self == **text
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            Text::Short(text) => text,
            Text::Long(text) => text,
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_length_are_what_was_put_together() {
        for length in [0, 1, INLINE - 1, INLINE, INLINE + 1, 300] {
            let text = "x".repeat(length);
            let mut name = Name::from(&*text);
            assert_eq!(&*name, text);
            name.push_str(".y");
            assert_eq!(&*name, format!("{text}.y"));
        }
    }
}
