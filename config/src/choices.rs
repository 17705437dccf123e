//! Enums of which the file names a variant by a word.

use crate::{Problem, similar};

/// Declares an enum of which each variant has one word in the file.
macro_rules! choices {
    ($(
        $(#[doc = $about:literal])+
        pub enum $Name:ident ($expected:literal) {
            $( $(#[doc = $help:literal])+ $Variant:ident = $word:literal, )+
        }
    )+) => {$(
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $Name {
            $( $(#[doc = $help])+ $Variant, )+
        }

        impl $Name {
            /// The word for it in the file.
            pub fn word(self) -> &'static str {
                match self {
                    $( Self::$Variant => $word, )+
                }
            }
        }

        impl $crate::reader::Scalar for $Name {
            const EXPECTED: &'static str = $expected;

            fn shape() -> serde_json::Value {
                serde_json::json!({ "enum": [$($word),+] })
            }

            fn parse(
                text: &str,
                _: $crate::reader::Environment<'_>,
            ) -> Result<Self, $crate::Problem> {
                match text {
                    $( $word => Ok(Self::$Variant), )+
                    _ => Err($crate::choices::no_such_word(text, $expected, &[$($word),+])),
                }
            }
        }

        impl std::fmt::Display for $Name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }
    )+};
}
pub(crate) use choices;

pub(crate) fn no_such_word(found: &str, expected: &str, words: &[&'static str]) -> Problem {
    Problem::Invalid {
        found: found.to_owned(),
        expected: expected.to_owned(),
        similar: similar::nearest(found, words.iter().copied()).map(str::to_owned),
    }
}
