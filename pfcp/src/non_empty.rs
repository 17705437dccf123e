//! Lists of at least one.

use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Serialize};

use crate::error::Illegal;

/// A list of at least one: what a mandatory IE that may repeat is, and what an update sets.
///
/// It is read as a slice. `[a, b].into()` makes one of a list that is written down (an empty array
/// does not compile), [`NonEmpty::new`] of one that may be empty, and the default is of one default
/// value.
///
/// ```
/// # use pfcp::{NonEmpty, PdrId};
/// let ids = NonEmpty::from([PdrId(1), PdrId(2)]);
/// assert_eq!(ids.len(), 2);
/// assert_eq!(NonEmpty::<PdrId>::new([]), None);
/// ```
///
/// ```compile_fail
/// # use pfcp::{NonEmpty, PdrId};
/// let none: NonEmpty<PdrId> = [].into();
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<T>")]
pub struct NonEmpty<T>(Vec<T>);

impl<T> NonEmpty<T> {
    /// The values as they are, unless there are none.
    pub fn new(values: impl IntoIterator<Item = T>) -> Option<Self> {
        let values: Vec<T> = values.into_iter().collect();
        (!values.is_empty()).then_some(Self(values))
    }

    /// Of nothing, to read values into; what is read is checked before anyone sees it.
    pub(crate) const fn blank() -> Self {
        Self(Vec::new())
    }

    /// The list to read values into.
    pub(crate) const fn inner(&mut self) -> &mut Vec<T> {
        &mut self.0
    }

    /// Appends a value.
    pub fn push(&mut self, value: T) {
        self.0.push(value);
    }

    /// Keeps the values for which this holds, unless it holds for none: then all of them stay.
    /// Gives whether there were any to keep.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) -> bool {
        // Each is asked once: who answers otherwise the next time leaves no empty list, either.
        let all = std::mem::take(&mut self.0);
        let (kept, others): (Vec<T>, Vec<T>) = all.into_iter().partition(|value| keep(value));
        let any = !kept.is_empty();
        self.0 = if any { kept } else { others };
        any
    }

    /// The values as a list like any other.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

/// One default value.
impl<T: Default> Default for NonEmpty<T> {
    fn default() -> Self {
        Self(vec![T::default()])
    }
}

impl<T> Deref for NonEmpty<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> DerefMut for NonEmpty<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T, const N: usize> From<[T; N]> for NonEmpty<T> {
    fn from(values: [T; N]) -> Self {
        const { assert!(N > 0, "a list of at least one") }
        Self(values.into())
    }
}

impl<T> TryFrom<Vec<T>> for NonEmpty<T> {
    type Error = Illegal;
    fn try_from(values: Vec<T>) -> Result<Self, Illegal> {
        Self::new(values).ok_or(Illegal("a list of at least one"))
    }
}

impl<T> Extend<T> for NonEmpty<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        self.0.extend(values);
    }
}

impl<T> IntoIterator for NonEmpty<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a NonEmpty<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<'a, T> IntoIterator for &'a mut NonEmpty<T> {
    type Item = &'a mut T;
    type IntoIter = std::slice::IterMut<'a, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter_mut()
    }
}

impl<T: PartialEq, const N: usize> PartialEq<[T; N]> for NonEmpty<T> {
    fn eq(&self, other: &[T; N]) -> bool {
        self.0 == other
    }
}
