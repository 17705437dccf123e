//! How values are read where they are to stand: large ones are not moved about. Of no use outside:
//! what is half read is no value.

use crate::error::IeError;
use crate::wire::Ie;

/// An IE that is read in place.
pub(crate) trait InPlace: Sized {
    /// What to read over. Its mandatory lists have nothing in them yet.
    fn blank() -> Self;
    /// Reads the value over a blank one. Gives the octets behind those that this release knows of
    /// an extendable IE.
    ///
    /// # Errors
    /// As [`Ie::decode`]; the value is of no use then.
    fn decode_into<'a>(&mut self, octets: &'a [u8]) -> Result<&'a [u8], IeError>;
    /// The same for one more at the end of a list, made where it is to stand. Where this fails
    /// the list is as before.
    ///
    /// # Errors
    /// As [`Ie::decode`].
    #[inline]
    fn decode_onto<'a>(list: &mut Vec<Self>, octets: &'a [u8]) -> Result<&'a [u8], IeError> {
        let length = list.len();
        list.resize_with(length + 1, Self::blank);
        let last = list.last_mut();
        let result = last.map_or(Ok(octets), |last| last.decode_into(octets));
        if result.is_err() {
            list.truncate(length);
        }
        result
    }
}

/// Of its own allocation, where it is large and rare.
impl<T: Ie> InPlace for Box<T> {
    fn blank() -> Self {
        Self::new(T::blank())
    }
    fn decode_into<'a>(&mut self, octets: &'a [u8]) -> Result<&'a [u8], IeError> {
        (**self).decode_into(octets)
    }
}

/// The IEs of a group or message, read in place.
pub(crate) trait Members: Sized {
    /// What to read over.
    fn blank_members() -> Self;
    /// Reads IEs until the end of `octets`, over a blank value.
    ///
    /// # Errors
    /// When an IE is malformed, or a mandatory one is missing; the value is of no use then.
    fn decode_members_into(&mut self, octets: &[u8]) -> Result<(), IeError>;
    /// Whether IEs are there that others ask for.
    ///
    /// # Errors
    /// When one is missing.
    fn check_members(&self) -> Result<(), IeError>;
}
