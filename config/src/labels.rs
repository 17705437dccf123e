//! The types of single values that are about rules.

use std::fmt;

use crate::Problem;
use crate::reader::{Environment, Scalar};
use crate::types::{invalid, is_visible};

/// A name that SMFs use: of an application, of a predefined rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(String);

impl Label {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scalar for Label {
    const EXPECTED: &'static str = "a name of 1 to 100 visible characters";

    fn shape() -> serde_json::Value {
        crate::json_schema::name("^[!-~]{1,100}$")
    }

    fn parse(text: &str, _: Environment<'_>) -> Result<Self, Problem> {
        if is_visible(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(invalid(text, Self::EXPECTED))
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text of a flow description (TS 29.212, 5.4.2). Here it is only looked at for being one:
/// whoever compiles it says what is wrong with it ([`Loaded::mistake`](crate::Loaded::mistake)).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowText(String);

impl FlowText {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scalar for FlowText {
    const EXPECTED: &'static str =
        "a flow description such as \"permit out 17 from 192.0.2.0/24 443 to assigned\"";

    fn shape() -> serde_json::Value {
        crate::json_schema::pattern("^permit out ")
    }

    fn parse(text: &str, _: Environment<'_>) -> Result<Self, Problem> {
        if text.starts_with("permit out ") {
            Ok(Self(text.to_owned()))
        } else {
            Err(invalid(text, Self::EXPECTED))
        }
    }
}

/// The number of a predefined FAR, QER or URR: its id on N4 without the highest bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleNumber(u32);

impl RuleNumber {
    const MAX: u32 = 0x7fff_ffff;

    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl Scalar for RuleNumber {
    const EXPECTED: &'static str = "a number from 1 to 2147483647";

    fn shape() -> serde_json::Value {
        crate::json_schema::number(1, Self::MAX.into())
    }

    fn parse(text: &str, environment: Environment<'_>) -> Result<Self, Problem> {
        let number = u64::parse(text, environment).map_err(|_| invalid(text, Self::EXPECTED))?;
        match u32::try_from(number) {
            Ok(id @ 1..=Self::MAX) => Ok(Self(id)),
            _ => Err(Problem::OutOfRange {
                found: number,
                min: 1,
                max: Self::MAX.into(),
            }),
        }
    }
}

impl fmt::Display for RuleNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A network slice (S-NSSAI; TS 23.003, 28.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slice {
    /// Slice/Service Type.
    pub sst: u8,
    /// Slice Differentiator, 24 bits.
    pub sd: Option<u32>,
}

impl Slice {
    /// The Slice Differentiator that is none.
    const SD_NONE: u32 = 0xff_ffff;

    fn read(text: &str) -> Option<Self> {
        let (sst, sd) = match text.split_once('-') {
            Some((sst, sd)) => (sst, Some(sd)),
            None => (text, None),
        };
        let sd = match sd {
            Some(digits) if digits.len() == 6 => Some(u32::from_str_radix(digits, 16).ok()?),
            Some(_) => return None,
            None => None,
        };
        Some(Self {
            sst: sst.parse().ok()?,
            sd: sd.filter(|sd| *sd != Self::SD_NONE),
        })
    }
}

impl Scalar for Slice {
    const EXPECTED: &'static str =
        "a slice such as 1 or 1-00a1b2: SST from 0 to 255, and SD as six hexadecimal digits";

    fn parse(text: &str, _: Environment<'_>) -> Result<Self, Problem> {
        Self::read(text).ok_or_else(|| invalid(text, Self::EXPECTED))
    }
}

impl fmt::Display for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.sst)?;
        self.sd.map_or(Ok(()), |sd| write!(f, "-{sd:06x}"))
    }
}
