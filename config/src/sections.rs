//! What turns the declaration of a section into its type, its reader and its part of the reference.

macro_rules! default_of {
    (required) => {
        None
    };
    ($text:literal) => {
        Some($text)
    };
}

macro_rules! read {
    ($reader:ident, $node:ident, $path:ident, $spec:expr, $Type:ty) => {
        $reader.field::<$Type>($node, $path, $spec)
    };
    ($reader:ident, $node:ident, $path:ident, $spec:expr, $Type:ty, $min:literal) => {
        $reader.number::<$Type>($node, $path, $spec)
    };
}

macro_rules! expected {
    ($Type:ty) => {
        <$Type as $crate::reader::Read>::expected()
    };
    ($Type:ty, $min:literal, $max:literal) => {{
        let (min, max): (u64, u64) = ($min, $max);
        format!("a number from {min} to {max}")
    }};
}

macro_rules! shape {
    ($Type:ty) => {
        <$Type as $crate::reader::Read>::shape()
    };
    ($Type:ty, $min:literal, $max:literal) => {
        $crate::json_schema::number($min, $max)
    };
}

macro_rules! keys_below {
    ($Type:ty, $path:expr, $keys:expr) => {
        <$Type as $crate::reader::Read>::keys($path, $keys)
    };
    ($Type:ty, $path:expr, $keys:expr, $min:literal) => {};
}

macro_rules! is_live {
    () => {
        false
    };
    (live) => {
        true
    };
}

macro_rules! merge {
    ($merge:ident, $old:expr, $new:expr, $path:expr $(, $min:literal)?; live) => {
        $merge.live($old, $new, $path)
    };
    ($merge:ident, $old:expr, $new:expr, $path:expr;) => {
        $crate::reader::Read::merge($old, $new, $path, $merge)
    };
    ($merge:ident, $old:expr, $new:expr, $path:expr, $min:literal;) => {
        $merge.fixed($old, $new, $path)
    };
}

macro_rules! sections {
    ($(
        $(#[doc = $about:literal])+
        pub struct $Name:ident {
            $(
                $(#[doc = $help:literal])+
                $key:ident: $Type:ty = $default:tt $(in $min:literal..=$max:literal)? $(, $live:ident)?;
            )+
        }
    )+) => {$(
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $Name {
            $( $(#[doc = $help])+ pub $key: $Type, )+
        }

        impl $crate::reader::Read for $Name {
            const LEAF: bool = false;

            fn expected() -> String {
                concat!("a section with the keys ", $(stringify!($key), " "),+).trim_end().to_owned()
            }

            fn shape() -> serde_json::Value {
                let mut section = $crate::json_schema::Section::default();
                $(
                    section.key(
                        stringify!($key),
                        $crate::sections::shape!($Type $(, $min, $max)?),
                        $crate::sections::default_of!($default),
                        concat!($($help),+),
                    );
                )+
                section.finish()
            }

            fn read(node: &$crate::tree::Node, path: &str, reader: &mut $crate::reader::Reader<'_>) -> Option<Self> {
                reader.section(node, path, &[$(stringify!($key)),+])?;
                $(
                    let spec = $crate::reader::Spec {
                        name: stringify!($key),
                        default: $crate::sections::default_of!($default),
                        range: None $(.or(Some(($min, $max))))?,
                    };
                    let $key = $crate::sections::read!(reader, node, path, spec, $Type $(, $min)?);
                )+
                Some(Self { $( $key: $key?, )+ })
            }

            fn merge(old: &Self, new: &Self, path: &str, merge: &mut $crate::reload::Merge) -> Self {
                Self {$(
                    $key: {
                        let path = $crate::reader::join(path, stringify!($key));
                        $crate::sections::merge!(merge, &old.$key, &new.$key, &path $(, $min)?; $($live)?)
                    },
                )+}
            }

            fn keys(prefix: &str, keys: &mut Vec<$crate::reference::Key>) {
                $(
                    let path = crate::reader::join(prefix, stringify!($key));
                    keys.push($crate::reference::Key {
                        path: path.clone(),
                        expected: $crate::sections::expected!($Type $(, $min, $max)?),
                        default: $crate::sections::default_of!($default),
                        help: concat!($($help),+).trim().to_owned(),
                        is_live: $crate::sections::is_live!($($live)?),
                    });
                    $crate::sections::keys_below!($Type, &path, keys $(, $min)?);
                )+
            }
        }
    )+};
}

pub(crate) use {default_of, expected, is_live, keys_below, merge, read, sections, shape};
