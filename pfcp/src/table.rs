//! The macros from which every IE and message of this crate is declared.
//!
//! * [`ies!`]: one line per row of TS 29.244 table 8.1.2-1.
//! * [`group!`]: a grouped IE or a message body, one line per row of its table in clause 7.
//! * `messages!` (in [`crate::message`]): one line per message type.

/// Declares the IEs: `number Name = form(layout) ["clause", "Name in the specification"];`
///
/// | form | what it becomes |
/// |---|---|
/// | `scalar(u32)`, `scalar(u8 & 0x3f)` | a number in a newtype, spare bits masked off; where not all numbers are values, there is a `new` that says which |
/// | `code(u8 & 0x0f { ACCESS = 0 } valid 0..=4)` | the same, some values have names, others may be refused; `; default 1` where zero is |
/// | `flags(u16: 1..=2 { DROP = 5:1 })` | a set of bits, each at `octet:bit` as the page draws it; at least and at most so many octets |
/// | `flags(.. trimmed 2)` | the same, written without zero octets behind the second, as it grew by pairs |
/// | `octets` | a name or container that the codec does not look into |
/// | `layout(1 { total: u64 = 1, .. })` | fields in the order of the wire, see [`layout!`] |
/// | `wrap(T)` | another type in a newtype; `wrap(T; Copy)` where it is small |
/// | `checked(T)` | the same of a [`Checked`](crate::wire::Checked): the type says what must hold |
/// | `custom` | a type written by hand, because its layout is irregular |
/// | `group` | declared with [`group!`] |
/// | `alias(T)` | the layout of `T` under one more number |
///
/// Behind a form, `ruled` says that the type has a [`Check`](crate::wire::Check) in [`crate::rules`],
/// which is not asked when it is read.
macro_rules! ies {
    ($( $no:literal $name:ident = $kind:ident $(($($arg:tt)*))? $($ruled:ident)? [$clause:literal, $text:literal]; )*) => {
        $( ies!(@$kind $no $name $clause $text $(, $($arg)*)?); )*
        $( ies!(@rules $kind $name $($ruled)?); )*

        /// Any IE this crate knows, and the ones it does not.
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[allow(missing_docs, reason = "each variant is documented by its type")]
        #[allow(clippy::large_enum_variant, reason = "a value to look at, not to keep")]
        pub enum AnyIe { $($name(ies!(@type $kind $name $(, $($arg)*)?)),)* Unknown($crate::wire::Unknown) }

        impl AnyIe {
            /// Reads the value of an IE of type `r#type`.
            ///
            /// # Errors
            /// When the value is not a valid encoding of that type.
            pub fn decode(r#type: u16, value: &[u8]) -> Result<Self, $crate::error::IeError> {
                Ok(match r#type {
                    $($no => Self::$name($crate::wire::Ie::decode(value).map_err(|error| error.within(r#type))?),)*
                    _ => Self::Unknown($crate::wire::Unknown { r#type, value: value.into() }),
                })
            }

            /// The IE type.
            pub const fn r#type(&self) -> u16 {
                match self {
                    $(Self::$name(_) => $no,)*
                    Self::Unknown(ie) => ie.r#type,
                }
            }

            /// Whether it keeps all rules of the specification.
            ///
            /// # Errors
            /// The first that it breaks.
            pub fn check(&self) -> Result<(), $crate::error::Breach> {
                match self {
                    $(Self::$name(ie) => $crate::rules::Ruled::check(ie).map_err(|breach| breach.within($no)),)*
                    Self::Unknown(_) => Ok(()),
                }
            }

            /// Appends type, length and value.
            ///
            /// # Errors
            /// When the value is longer than its length can say; then `out` is as before. Its rules
            /// are for [`AnyIe::check`].
            pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), $crate::error::TooLong> {
                $crate::wire::put_alone(out, |out| match self {
                    $(Self::$name(ie) => $crate::wire::put($no, ie, out),)*
                    Self::Unknown(ie) => ie.emit(out),
                })
            }
        }

        impl std::fmt::Display for AnyIe {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $(Self::$name(ie) => $crate::wire::Ie::show(ie, f, 0),)*
                    Self::Unknown(ie) => writeln!(f, "{ie}"),
                }
            }
        }

        /// Every IE: for dumps, and for the coverage page of the documentation.
        pub const CATALOGUE: &[$crate::catalogue::Entry] = &[$(
            $crate::catalogue::Entry {
                r#type: $no, name: $text, clause: $clause, rust: stringify!($name), form: stringify!($kind),
                rows: ies!(@rows $kind $name $(, $($arg)*)?),
            },
        )*];

        #[cfg(feature = "generate")]
        impl AnyIe {
            /// An IE of this type made from octets; unknown ones have no content.
            pub fn generate_type(r#type: u16, source: &mut $crate::generate::Source<'_>) -> Self {
                match r#type {
                    $($no => {
                        let mut ie: ies!(@type $kind $name $(, $($arg)*)?) = $crate::generate::Generate::generate(source);
                        $crate::rules::Ruled::mend(&mut ie);
                        Self::$name(ie)
                    })*
                    _ => Self::Unknown($crate::wire::Unknown { r#type, value: Default::default() }),
                }
            }
        }
    };

    (@rules group $name:ident) => {};
    (@rules alias $name:ident) => {};
    (@rules octets $name:ident) => {
        impl $crate::rules::Ruled for $name {
            const MAY_BE_SILENT: bool = true;
            fn is_silent(&self) -> bool { self.0.is_empty() }
        }
    };
    (@rules $kind:ident $name:ident) => { impl $crate::rules::Ruled for $name {} };
    (@rules $kind:ident $name:ident ruled) => {
        impl $crate::rules::Ruled for $name {
            const HAS_RULES: bool = true;
            #[inline]
            fn check(&self) -> Result<(), $crate::error::Breach> { $crate::rules::holds(self) }
            #[cfg(feature = "generate")]
            fn mend(&mut self) {
                if self.check().is_err() { *self = $crate::wire::Check::least(); }
            }
        }
    };

    (@rows group $name:ident) => { $name::ROWS };
    (@rows alias $name:ident, $target:ident) => { $target::ROWS };
    (@rows $kind:ident $name:ident $($rest:tt)*) => { &[] };

    (@type alias $name:ident, $target:ident) => { $target };
    (@type $kind:ident $name:ident $($rest:tt)*) => { $name };

    // A number under a name of its own.
    (@scalar $no:literal $name:ident $clause:literal $text:literal, $repr:tt $(& $mask:literal)?) => {
        ies!(@number $no $name $clause $text, $repr [$($mask)?] [] []);
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { self.0.fmt(f) }
        }
    };
    // A number of which some values have names; the others are kept unless ruled out.
    (@code $no:literal $name:ident $clause:literal $text:literal,
        $repr:tt $(& $mask:literal)? { $($value:ident = $code:literal),* $(,)? } $(valid $valid:expr)? $(; default $default:literal)?) => {
        ies!(@number $no $name $clause $text, $repr [$($mask)?] [$($valid)?] [$($default)?]);
        impl $name { $(
            #[doc = concat!("Value ", $code, ".")]
            pub const $value: Self = Self($code);
        )* }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self.0 {
                    $($code => f.write_str(stringify!($value)),)*
                    other => other.fmt(f),
                }
            }
        }
    };
    // Every number is a value.
    (@number $no:literal $name:ident $clause:literal $text:literal, $repr:tt [] [] []) => {
        #[doc = concat!($text, " (TS 29.244, ", $clause, ").")]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $repr);
        impl $crate::wire::Wire for $name {
            #[inline]
            fn parse(input: &[u8]) -> $crate::wire::Parsed<'_, Self> {
                let (rest, value) = <$repr as $crate::wire::Wire>::parse(input)?;
                Ok((rest, Self(value)))
            }
            #[inline]
            fn emit(&self, out: &mut Vec<u8>) { $crate::wire::Wire::emit(&self.0, out); }
        }
        impl From<$repr> for $name {
            fn from(value: $repr) -> Self { Self(value) }
        }
        #[cfg(feature = "generate")]
        impl $crate::generate::Generate for $name {
            fn generate(source: &mut $crate::generate::Source<'_>) -> Self {
                Self(<$repr as $crate::generate::Generate>::generate(source))
            }
        }
        ies!(@leaf $no $name $text);
    };
    // Only numbers of a range are values.
    (@number $no:literal $name:ident $clause:literal $text:literal, $repr:tt [$mask:literal] [] []) => {
        ies!(@range $no $name $clause $text, $repr, $mask, 0..=$mask, 0);
    };
    (@number $no:literal $name:ident $clause:literal $text:literal, $repr:tt [$($mask:literal)?] [$valid:expr] [$($default:literal)?]) => {
        ies!(@range $no $name $clause $text, $repr, ies!(@or $repr $($mask)?), $valid, ies!(@default $($default)?));
    };
    (@or $repr:tt) => { <$repr>::MAX };
    (@or $repr:tt $mask:literal) => { $mask };
    (@default) => { 0 };
    (@default $default:literal) => { $default };
    (@range $no:literal $name:ident $clause:literal $text:literal, $repr:tt, $mask:expr, $valid:expr, $default:expr) => {
        #[doc = concat!($text, " (TS 29.244, ", $clause, ").")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "u8")]
        pub struct $name($repr);
        impl $name {
            const VALID: std::ops::RangeInclusive<$repr> = $valid;

            #[doc = concat!("The value of that number, if it is one: `", stringify!($valid), "`.")]
            pub const fn new(number: $repr) -> Option<Self> {
                if *Self::VALID.start() <= number && number <= *Self::VALID.end() {
                    Some(Self(number))
                } else {
                    None
                }
            }
            /// Its number.
            pub const fn get(self) -> $repr { self.0 }
        }
        impl Default for $name {
            fn default() -> Self { Self($default) }
        }
        impl $crate::wire::Wire for $name {
            #[inline]
            fn parse(input: &[u8]) -> $crate::wire::Parsed<'_, Self> {
                let (rest, value) = <$repr as $crate::wire::Wire>::parse(input)?;
                Self::new(value & $mask).map_or_else($crate::wire::refuse, |value| Ok((rest, value)))
            }
            #[inline]
            fn emit(&self, out: &mut Vec<u8>) { $crate::wire::Wire::emit(&self.0, out); }
        }
        impl TryFrom<$repr> for $name {
            type Error = $crate::error::Illegal;
            fn try_from(number: $repr) -> Result<Self, $crate::error::Illegal> {
                Self::new(number).ok_or($crate::error::Illegal(concat!("a number of ", stringify!($valid))))
            }
        }
        #[cfg(feature = "generate")]
        impl $crate::generate::Generate for $name {
            fn generate(source: &mut $crate::generate::Source<'_>) -> Self {
                let value = <$repr as $crate::generate::Generate>::generate(source) & $mask;
                Self(value.clamp(*Self::VALID.start(), *Self::VALID.end()))
            }
        }
        ies!(@leaf $no $name $text);
    };
    // A set of bits. Later releases add octets at the end, so a shorter value is one whose last
    // octets are zero.
    (@flags $no:literal $name:ident $clause:literal $text:literal,
        $repr:tt : $least:literal ..= $most:literal { $($flag:ident = $octet:literal : $bit:literal),* $(,)? } $(trimmed $trim:literal)?) => {
        #[doc = concat!($text, " (TS 29.244, ", $clause, ").")]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $name($repr);
        impl $name {
            $(
                #[doc = concat!("Octet ", $octet, ", bit ", $bit, ".")]
                pub const $flag: Self = Self(1 << (8 * ($most + 4 - $octet) + $bit - 1));
            )*
            /// Every flag and its name.
            pub const FLAGS: &[(Self, &str)] = &[$((Self::$flag, stringify!($flag)),)*];
            const ALL: $repr = 0 $(| Self::$flag.0)*;

            /// No flag set.
            pub const fn empty() -> Self { Self(0) }
            /// Whether no flag is set.
            pub const fn is_empty(self) -> bool { self.0 == 0 }
            /// Whether every flag of `other` is set.
            pub const fn contains(self, other: Self) -> bool { self.0 & other.0 == other.0 }
            /// Whether any flag of `other` is set.
            pub const fn intersects(self, other: Self) -> bool { self.0 & other.0 != 0 }
            /// The flags that are in both.
            #[must_use]
            pub const fn intersection(self, other: Self) -> Self { Self(self.0 & other.0) }
            /// The flags of either.
            #[must_use]
            pub const fn union(self, other: Self) -> Self { Self(self.0 | other.0) }
            /// The flags of this without those of `other`.
            #[must_use]
            pub const fn without(self, other: Self) -> Self { Self(self.0 & !other.0) }
        }
        impl std::ops::BitOr for $name {
            type Output = Self;
            fn bitor(self, other: Self) -> Self { self.union(other) }
        }
        impl std::ops::BitOrAssign for $name {
            fn bitor_assign(&mut self, other: Self) { self.0 |= other.0; }
        }
        impl $crate::wire::Wire for $name {
            #[inline]
            fn parse(input: &[u8]) -> $crate::wire::Parsed<'_, Self> {
                if input.len() < $least {
                    return Err(nom::Err::Error($crate::error::Fault::Length));
                }
                let (octets, _rest) = input.split_at(input.len().min($most));
                let mut bits: $repr = 0;
                for at in 0..$most {
                    bits = ies!(@shift $repr bits) | <$repr>::from(octets.get(at).copied().unwrap_or(0));
                }
                let value = Self(bits & Self::ALL);
                Ok((ies!(@rest value input _rest $most $($trim)?), value))
            }
            #[inline]
            fn emit(&self, out: &mut Vec<u8>) {
                let octets = self.0.to_be_bytes();
                let known = octets.get(octets.len() - $most..).unwrap_or(&[]);
                out.extend_from_slice(ies!(@trim known $($trim)?));
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::flags::show(f, Self::FLAGS.iter().filter(|(flag, _)| self.contains(*flag)).map(|(_, name)| *name))
            }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_seq(Self::FLAGS.iter().filter(|(flag, _)| self.contains(*flag)).map(|(_, name)| *name))
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::flags::from_names(deserializer, Self::FLAGS, Self::union)
            }
        }
        #[cfg(feature = "generate")]
        impl $crate::generate::Generate for $name {
            fn generate(source: &mut $crate::generate::Source<'_>) -> Self {
                Self(<$repr as $crate::generate::Generate>::generate(source) & Self::ALL)
            }
        }
        ies!(@leaf $no $name $text);
    };
    (@shift u8 $bits:ident) => {{ let _ = $bits; 0 }};
    (@shift $repr:tt $bits:ident) => { $bits << 8 };
    // What stands behind the octets that the value is written in.
    (@rest $value:ident $input:ident $rest:ident $most:literal) => { $rest };
    (@rest $value:ident $input:ident $rest:ident $most:literal $least:literal) => {{
        let octets = $value.0.to_be_bytes();
        let known = octets.get(octets.len() - $most..).unwrap_or(&[]);
        $input.get($crate::flags::trim(known, $least).len()..).unwrap_or($rest)
    }};
    (@trim $octets:ident) => { $octets };
    (@trim $octets:ident $least:literal) => { $crate::flags::trim($octets, $least) };
    // Octets that are carried and not looked into.
    (@octets $no:literal $name:ident $clause:literal $text:literal) => {
        #[doc = concat!($text, " (TS 29.244, ", $clause, ").")]
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $crate::wire::Octets);
        impl $crate::wire::Wire for $name {
            #[inline]
            fn parse(input: &[u8]) -> $crate::wire::Parsed<'_, Self> {
                Ok((&[], Self(input.into())))
            }
            #[inline]
            fn emit(&self, out: &mut Vec<u8>) { out.extend_from_slice(&self.0); }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> Self { Self(text.into()) }
        }
        impl From<&[u8]> for $name {
            fn from(octets: &[u8]) -> Self { Self(octets.into()) }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { self.0.fmt(f) }
        }
        #[cfg(feature = "generate")]
        impl $crate::generate::Generate for $name {
            fn generate(source: &mut $crate::generate::Source<'_>) -> Self {
                Self($crate::generate::Generate::generate(source))
            }
        }
        ies!(@leaf $no $name $text);
    };
    (@layout $no:literal $name:ident $clause:literal $text:literal, $($body:tt)*) => {
        layout! {
            #[doc = concat!($text, " (TS 29.244, ", $clause, ").")]
            $name $($body)*
        }
        ies!(@leaf $no $name $text);
    };
    // A type of whose values not all are legal, in a newtype that has the legal ones alone.
    (@checked $no:literal $name:ident $clause:literal $text:literal, $inner:ty $(; $more:ident)?) => {
        ies!(@wrap $no $name $clause $text, $crate::wire::Checked<$inner> $(; $more)?);
        impl $name {
            /// The value, if it is legal.
            pub fn new(value: $inner) -> Option<Self> {
                $crate::wire::Checked::new(value).map(Self)
            }
        }
    };
    // Another type under a name of its own.
    (@wrap $no:literal $name:ident $clause:literal $text:literal, $inner:ty $(; $more:ident)?) => {
        #[doc = concat!($text, " (TS 29.244, ", $clause, ").")]
        #[derive(Clone, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize $(, $more)?)]
        #[serde(transparent)]
        pub struct $name(pub $inner);
        impl $crate::wire::Wire for $name {
            #[inline]
            fn parse(input: &[u8]) -> $crate::wire::Parsed<'_, Self> {
                let (rest, value) = $crate::wire::Wire::parse(input)?;
                Ok((rest, Self(value)))
            }
            #[inline]
            fn emit(&self, out: &mut Vec<u8>) { $crate::wire::Wire::emit(&self.0, out); }
        }
        impl From<$inner> for $name {
            fn from(value: $inner) -> Self { Self(value) }
        }
        impl std::ops::Deref for $name {
            type Target = $inner;
            fn deref(&self) -> &$inner { &self.0 }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { self.0.fmt(f) }
        }
        #[cfg(feature = "generate")]
        impl $crate::generate::Generate for $name {
            fn generate(source: &mut $crate::generate::Source<'_>) -> Self {
                Self($crate::generate::Generate::generate(source))
            }
        }
        ies!(@leaf $no $name $text);
    };
    (@custom $no:literal $name:ident $clause:literal $text:literal) => { ies!(@leaf $no $name $text); };
    (@leaf $no:literal $name:ident $text:literal) => {
        impl $crate::wire::Ie for $name {
            const TYPE: u16 = $no;
            const NAME: &'static str = $text;
            #[inline]
            fn decode(octets: &[u8]) -> Result<Self, $crate::error::IeError> {
                Ok(<Self as $crate::wire::Wire>::parse(octets)?.1)
            }
            #[inline]
            fn encode(&self, out: &mut Vec<u8>) { $crate::wire::Wire::emit(self, out); }
            fn show(&self, f: &mut std::fmt::Formatter<'_>, depth: usize) -> std::fmt::Result {
                $crate::wire::indent(f, depth)?;
                writeln!(f, concat!($text, ": {}"), self)
            }
        }
        impl $crate::in_place::InPlace for $name {
            #[inline]
            fn blank() -> Self { Self::default() }
            #[inline]
            fn decode_into<'a>(&mut self, octets: &'a [u8]) -> Result<&'a [u8], $crate::error::IeError> {
                let (tail, value) = <Self as $crate::wire::Wire>::parse(octets)?;
                *self = value;
                Ok(tail)
            }
            #[inline]
            fn decode_onto<'a>(list: &mut Vec<Self>, octets: &'a [u8]) -> Result<&'a [u8], $crate::error::IeError> {
                let (tail, value) = <Self as $crate::wire::Wire>::parse(octets)?;
                list.push(value);
                Ok(tail)
            }
        }
    };
    (@group $no:literal $name:ident $clause:literal $text:literal) => {
        impl $crate::wire::Ie for $name {
            const TYPE: u16 = $no;
            const NAME: &'static str = $text;
            #[inline]
            fn encode(&self, out: &mut Vec<u8>) { $crate::group::Group::encode_members(self, out); }
            fn show(&self, f: &mut std::fmt::Formatter<'_>, depth: usize) -> std::fmt::Result {
                $crate::wire::indent(f, depth)?;
                writeln!(f, $text)?;
                $crate::group::Group::show_members(self, f, depth + 1)
            }
        }
        impl $crate::in_place::InPlace for $name {
            #[inline]
            fn blank() -> Self { $crate::in_place::Members::blank_members() }
            #[inline]
            fn decode_into<'a>(&mut self, octets: &'a [u8]) -> Result<&'a [u8], $crate::error::IeError> {
                $crate::in_place::Members::decode_members_into(self, octets)?;
                Ok(&[])
            }
        }
    };
    (@alias $no:literal $name:ident $clause:literal $text:literal, $target:ident) => {};
}

/// Declares a value of several fields: `Name octets { fields }`, in the order of the wire.
///
/// `octets` is how many octets of flags stand in front (0, 1 or 2; named bits are those of the
/// first). `x: T` is always there; `x: T = 2` is an `Option<T>`, there if bit 2 is set;
/// `x = 3` is bit 3 itself. Any combination is legal; where one is not, the layout is that of a
/// type of its own, in a [`Checked`](crate::wire::Checked).
macro_rules! layout {
    ($(#[$meta:meta])* $name:ident $flags:tt { $($(#[$fmeta:meta])* $field:ident $(: $ty:ty)? $(= $bit:literal)?),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $(
            $(#[$fmeta])*
            #[doc = layout!(@doc $field [$($ty)?] [$($bit)?])]
            pub $field: layout!(@type [$($ty)?] [$($bit)?]),
        )* }

        impl $crate::wire::Wire for $name {
            #[inline]
            fn parse(input: &[u8]) -> $crate::wire::Parsed<'_, Self> {
                layout!(@flags $flags rest flags input);
                $( layout!(@parse rest flags $field [$($ty)?] [$($bit)?]); )*
                Ok((rest, Self { $($field),* }))
            }
            fn skip(input: &[u8]) -> $crate::wire::Parsed<'_, ()> {
                layout!(@flags $flags rest flags input);
                $( layout!(@skip rest flags [$($ty)?] [$($bit)?]); )*
                Ok((rest, ()))
            }
            #[inline]
            fn emit(&self, out: &mut Vec<u8>) {
                layout!(@put $flags out (0 $(| layout!(@bit self $field [$($ty)?] [$($bit)?]))*));
                $( layout!(@emit self out $field [$($ty)?] [$($bit)?]); )*
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut list = $crate::flags::List::new(f);
                $( layout!(@show self list $field [$($ty)?] [$($bit)?]); )*
                list.finish()
            }
        }

        #[cfg(feature = "generate")]
        impl $crate::generate::Generate for $name {
            fn generate(source: &mut $crate::generate::Source<'_>) -> Self {
                Self { $($field: $crate::generate::Generate::generate(source)),* }
            }
        }
    };

    (@type [] [$bit:literal]) => { bool };
    (@type [$ty:ty] []) => { $ty };
    (@type [$ty:ty] [$bit:literal]) => { Option<$ty> };
    (@doc $field:ident [] [$bit:literal]) => { concat!("Bit ", $bit, ".") };
    (@doc $field:ident [$ty:ty] [$bit:literal]) => { concat!("There if bit ", $bit, " is set.") };
    (@doc $field:ident [$ty:ty] []) => { "Always there." };
    (@flags 0 $rest:ident $flags:ident $input:ident) => { let $rest = $input; };
    (@flags $octets:literal $rest:ident $flags:ident $input:ident) => {
        // A layout of flags alone, or of spare bits alone, leaves one of the two unused.
        #[allow(unused_variables, reason = "a layout may have no optional field")]
        let ($rest, [$flags, ..]) = <[u8; $octets] as $crate::wire::Wire>::parse($input)?;
    };
    (@parse $rest:ident $flags:ident $field:ident [] [$bit:literal]) => {
        let $field = $flags & (1 << ($bit - 1)) != 0;
    };
    (@parse $rest:ident $flags:ident $field:ident [$ty:ty] []) => {
        let ($rest, $field) = <$ty as $crate::wire::Wire>::parse($rest)?;
    };
    (@parse $rest:ident $flags:ident $field:ident [$ty:ty] [$bit:literal]) => {
        let ($rest, $field) = $crate::flags::optional::<$ty>($rest, $flags & (1 << ($bit - 1)) != 0)?;
    };
    (@skip $rest:ident $flags:ident [] [$bit:literal]) => {};
    (@skip $rest:ident $flags:ident [$ty:ty] []) => {
        let ($rest, ()) = <$ty as $crate::wire::Wire>::skip($rest)?;
    };
    (@skip $rest:ident $flags:ident [$ty:ty] [$bit:literal]) => {
        let ($rest, ()) = if $flags & (1 << ($bit - 1)) == 0 { ($rest, ()) } else { <$ty as $crate::wire::Wire>::skip($rest)? };
    };
    (@put 0 $out:ident $bits:tt) => { let _: u8 = $bits; };
    (@put 1 $out:ident $bits:tt) => { $out.push($bits); };
    (@put 2 $out:ident $bits:tt) => { $out.extend_from_slice(&[$bits, 0]); };
    (@bit $self:ident $field:ident [] [$bit:literal]) => { u8::from($self.$field) << ($bit - 1) };
    (@bit $self:ident $field:ident [$ty:ty] []) => { 0 };
    (@bit $self:ident $field:ident [$ty:ty] [$bit:literal]) => { u8::from($self.$field.is_some()) << ($bit - 1) };
    (@emit $self:ident $out:ident $field:ident [] [$bit:literal]) => {};
    (@emit $self:ident $out:ident $field:ident [$ty:ty] []) => { $crate::wire::Wire::emit(&$self.$field, $out); };
    (@emit $self:ident $out:ident $field:ident [$ty:ty] [$bit:literal]) => {
        if let Some(value) = &$self.$field { $crate::wire::Wire::emit(value, $out); }
    };
    (@show $self:ident $list:ident $field:ident [] [$bit:literal]) => {
        if $self.$field { $list.name(stringify!($field)); }
    };
    (@show $self:ident $list:ident $field:ident [$ty:ty] []) => { $list.entry(stringify!($field), &$self.$field); };
    (@show $self:ident $list:ident $field:ident [$ty:ty] [$bit:literal]) => {
        if let Some(value) = &$self.$field { $list.entry(stringify!($field), value); }
    };
}

/// Declares a grouped IE or a message body: one line per row of its table in clause 7.
///
/// | row | field |
/// |---|---|
/// | `M x: T`, `M x: [T]` | `T`, [`NonEmpty<T>`](crate::NonEmpty) |
/// | `C x: T`, `C x: [T]` | `Option<T>`, `Vec<T>` |
/// | `R x: T`, `R x: [T]` | optional, but what it says decides what happens to packets: the same |
/// | `O x: T`, `O x: [T]` | the same; one that cannot be read is kept as unknown, not refused |
/// | `U x: T`, `U x: [T]` | [`Update<T>`](crate::Update), `Update<NonEmpty<T>>`: length zero removes |
///
/// `C x: {T}` or `R x: {T}` is an `Option<Box<T>>`, where a rare IE would make each group large.
/// `as 79` gives a row another number than the first of its type. `check name` names a function
/// that may refuse the whole; `keeps module` a module of [`crate::rules`] that checks it before it is
/// written.
macro_rules! group {
    ($(#[$meta:meta])* $name:ident { $( $(#[$fmeta:meta])* $p:ident $field:ident : $ty:tt $(as $no:literal)? ),* $(,)? } $(check $check:ident)? $(keeps $rules:ident)?) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            $( $(#[$fmeta])* #[doc = group!(@doc $p $ty)] pub $field: group!(@type $p $ty), )*
            /// IEs that are unknown here, in their order.
            pub unknown: Vec<$crate::wire::Unknown>,
            /// IEs that came with more octets than are known here, as they came.
            pub extended: $crate::wire::Extended,
        }

        impl $name {
            /// The rows of the table.
            pub const ROWS: &[$crate::group::Row] = &[$( $crate::group::Row {
                r#type: group!(@no $ty $($no)?),
                field: stringify!($field),
                presence: group!(@presence $p),
                repeats: group!(@repeats $ty),
            } ),*];
        }

        const _: () = {
            /// The rows while they are gathered from JSON.
            #[derive(Default, serde::Deserialize)]
            #[serde(default, deny_unknown_fields)]
            struct Slots {
                $( $field: group!(@slot $p $ty), )*
                unknown: Vec<$crate::wire::Unknown>,
                extended: $crate::wire::Extended,
            }

            impl Slots {
                fn finish(self) -> Result<$name, $crate::error::IeError> {
                    let whole = $name {
                        $( $field: group!(@take $p self $field $ty $($no)?), )*
                        unknown: self.unknown,
                        extended: self.extended,
                    };
                    $crate::in_place::Members::check_members(&whole)?;
                    Ok(whole)
                }
            }

            impl $crate::in_place::Members for $name {
                #[inline]
                fn blank_members() -> Self {
                    Self {
                        $( $field: group!(@blank $p $ty), )*
                        unknown: Vec::new(),
                        extended: Default::default(),
                    }
                }

                fn decode_members_into(&mut self, octets: &[u8]) -> Result<(), $crate::error::IeError> {
                    // Which mandatory rows have been there; the others' are not used.
                    $( #[allow(unused_mut, unused_variables, reason = "only of mandatory rows")] let mut $field = false; )*
                    let mut rest = octets;
                    while !rest.is_empty() {
                        let (r#type, value, after) = $crate::wire::split(rest)?;
                        rest = after;
                        #[allow(unused_variables, reason = "a group may have no rows")]
                        let raw = $crate::slot::Raw { r#type, value, rest };
                        #[deny(unreachable_patterns)]
                        match r#type {
                            $( group!(@pattern $ty $($no)?) => group!(@fill $p self $field raw $ty), )*
                            _ => self.unknown.push($crate::wire::Unknown { r#type, value: value.into() }),
                        }
                    }
                    $( group!(@there $p self $field $ty $($no)?); )*
                    self.check_members()
                }

                fn check_members(&self) -> Result<(), $crate::error::IeError> {
                    $( $check(self)?; )?
                    Ok(())
                }
            }

            impl $crate::rules::Ruled for $name {
                const HAS_RULES: bool = group!(@keeps $($rules)?)
                    $( || <group!(@type $p $ty) as $crate::slot::Field<group!(@ie $ty)>>::HAS_RULES )*;
                const MAY_BE_SILENT: bool = true $( && group!(@optional $p) )*;

                #[inline]
                fn check(&self) -> Result<(), $crate::error::Breach> {
                    $( if <group!(@type $p $ty) as $crate::slot::Field<group!(@ie $ty)>>::HAS_RULES {
                        $crate::slot::Field::<group!(@ie $ty)>::check(&self.$field, group!(@no $ty $($no)?))?;
                    } )*
                    $( $crate::rules::$rules::check(self)?; )?
                    Ok(())
                }

                fn is_silent(&self) -> bool {
                    Self::MAY_BE_SILENT && self.unknown.is_empty()
                        $( && $crate::slot::Field::<group!(@ie $ty)>::is_absent(&self.$field) )*
                }

                #[cfg(feature = "generate")]
                fn mend(&mut self) {
                    $( $crate::slot::Field::<group!(@ie $ty)>::mend(&mut self.$field); )*
                    $( $crate::rules::$rules::mend(self); )?
                }
            }

            impl $crate::group::Group for $name {
                const ROWS: &'static [$crate::group::Row] = Self::ROWS;

                #[allow(unused_variables, reason = "a group may have no rows")]
                fn encode_members(&self, out: &mut Vec<u8>) {
                    let extended = &self.extended;
                    $( $crate::slot::Field::<group!(@ie $ty)>::emit(&self.$field, group!(@no $ty $($no)?), extended, out); )*
                    self.unknown.iter().for_each(|ie| ie.emit(out));
                }

                #[allow(unused_variables, reason = "a group may have no rows")]
                fn show_members(&self, f: &mut std::fmt::Formatter<'_>, depth: usize) -> std::fmt::Result {
                    $( $crate::slot::Field::<group!(@ie $ty)>::show(&self.$field, f, depth)?; )*
                    for ie in &self.unknown {
                        $crate::wire::indent(f, depth)?;
                        writeln!(f, "{ie}")?;
                    }
                    self.extended.show(f, depth)?;
                    Ok(())
                }
            }

            impl serde::Serialize for $name {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    use serde::ser::SerializeMap as _;
                    let mut map = serializer.serialize_map(None)?;
                    $( if !$crate::slot::Field::<group!(@ie $ty)>::is_absent(&self.$field) {
                        map.serialize_entry(stringify!($field), &self.$field)?;
                    } )*
                    if !self.unknown.is_empty() {
                        map.serialize_entry("unknown", &self.unknown)?;
                    }
                    if !self.extended.is_empty() {
                        map.serialize_entry("extended", &self.extended)?;
                    }
                    map.end()
                }
            }

            impl<'de> serde::Deserialize<'de> for $name {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let slots = <Slots as serde::Deserialize>::deserialize(deserializer)?;
                    slots.finish().map_err(serde::de::Error::custom)
                }
            }

            #[cfg(feature = "generate")]
            impl $crate::generate::Generate for $name {
                #[allow(unused_variables, reason = "a group may have no rows")]
                fn generate(source: &mut $crate::generate::Source<'_>) -> Self {
                    let mut value = Self {
                        $( $field: $crate::generate::Generate::generate(source), )*
                        unknown: Vec::new(),
                        extended: Default::default(),
                    };
                    $crate::rules::Ruled::mend(&mut value);
                    if $crate::in_place::Members::check_members(&value).is_ok() { value } else { Self::default() }
                }
            }
        };

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::group::Group::show_members(self, f, 0)
            }
        }
    };

    (@keeps) => { false };
    (@keeps $rules:ident) => { true };
    (@optional M) => { false };
    (@optional $p:ident) => { true };
    (@ie [$t:ident]) => { $t };
    (@ie {$t:ident}) => { Box<$t> };
    (@ie $t:ident) => { $t };
    (@type M [$t:ident]) => { $crate::non_empty::NonEmpty<$t> };
    (@type M $t:ident) => { $t };
    (@type $p:ident {$t:ident}) => { Option<Box<$t>> };
    (@type U [$t:ident]) => { $crate::slot::Update<$crate::non_empty::NonEmpty<$t>> };
    (@type U $t:ident) => { $crate::slot::Update<$t> };
    (@type $p:ident [$t:ident]) => { Vec<$t> };
    (@type $p:ident $t:ident) => { Option<$t> };
    (@blank M [$t:ident]) => { $crate::non_empty::NonEmpty::blank() };
    (@blank M $t:ident) => { <$t as $crate::in_place::InPlace>::blank() };
    (@blank $p:ident $ty:tt) => { Default::default() };
    (@slot U $ty:tt) => { group!(@type U $ty) };
    (@slot $p:ident $ty:tt) => { group!(@type C $ty) };
    (@no $ty:tt $no:literal) => { $no };
    (@no {$t:ident}) => { <$t as $crate::wire::Ie>::TYPE };
    (@no [$t:ident]) => { <$t as $crate::wire::Ie>::TYPE };
    (@no $t:ident) => { <$t as $crate::wire::Ie>::TYPE };
    (@pattern $ty:tt $no:literal) => { $no };
    (@pattern {$t:ident}) => { <$t as $crate::wire::Ie>::TYPE };
    (@pattern [$t:ident]) => { <$t as $crate::wire::Ie>::TYPE };
    (@pattern $t:ident) => { <$t as $crate::wire::Ie>::TYPE };
    (@fill M $group:ident $field:ident $raw:ident [$t:ident]) => {
        $crate::slot::Slot::<$t>::fill(&mut $group.$field, $raw, &mut $group.extended)?
    };
    (@fill M $group:ident $field:ident $raw:ident $t:ident) => {
        if !$field {
            $raw.decode(0, &mut $group.extended, |octets| <$t as $crate::in_place::InPlace>::decode_into(&mut $group.$field, octets))?;
            $field = true;
        }
    };
    (@fill O $group:ident $field:ident $raw:ident $ty:tt) => {
        $crate::slot::fill_lenient::<group!(@ie $ty)>(&mut $group.$field, $raw, &mut $group.unknown, &mut $group.extended)
    };
    (@fill $p:ident $group:ident $field:ident $raw:ident $ty:tt) => {
        $crate::slot::Slot::<group!(@ie $ty)>::fill(&mut $group.$field, $raw, &mut $group.extended)?
    };
    (@there M $group:ident $field:ident [$t:ident] $($no:literal)?) => {
        if $group.$field.is_empty() {
            return Err($crate::error::Fault::Missing(group!(@no $t $($no)?)).into());
        }
    };
    (@there M $group:ident $field:ident $t:ident $($no:literal)?) => {
        if !$field {
            return Err($crate::error::Fault::Missing(group!(@no $t $($no)?)).into());
        }
    };
    (@there $p:ident $($rest:tt)*) => {};
    (@take M $slots:ident $f:ident [$t:ident] $($no:literal)?) => { $crate::slot::some($slots.$f, group!(@no $t $($no)?))? };
    (@take M $slots:ident $f:ident $t:ident $($no:literal)?) => { $crate::slot::one($slots.$f, group!(@no $t $($no)?))? };
    (@take $p:ident $slots:ident $f:ident $($rest:tt)*) => { $slots.$f };
    (@presence M) => { $crate::group::Presence::Mandatory };
    (@presence C) => { $crate::group::Presence::Conditional };
    (@presence U) => { $crate::group::Presence::Update };
    (@presence R) => { $crate::group::Presence::Optional };
    (@presence O) => { $crate::group::Presence::Lenient };
    (@repeats [$t:ident]) => { true };
    (@repeats {$t:ident}) => { false };
    (@repeats $t:ident) => { false };
    (@doc M $t:tt) => { "Mandatory." };
    (@doc C $t:tt) => { "Conditional." };
    (@doc U $t:tt) => { "Length zero removes." };
    (@doc R $t:tt) => { "Optional." };
    (@doc O $t:tt) => { "Optional; ignored if it cannot be read." };
}
