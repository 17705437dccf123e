//! A request as a tree of IEs, to be damaged in one place and written again: by the rows of the
//! tables, not by the types that they make.

use pfcp::group::{Presence, Row};

/// An IE with the place for its lies.
#[derive(Clone, Debug, PartialEq)]
pub struct Ie {
    pub r#type: u16,
    pub body: Body,
    /// What the length says beyond the truth.
    pub lie: i32,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    Leaf(Vec<u8>),
    /// IEs, and octets behind them.
    Group(Vec<Ie>, Vec<u8>),
}

/// A request: its type, whether its header has a SEID, and its IEs.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    pub message: u8,
    pub session: bool,
    pub ies: Vec<Ie>,
}

/// Where an IE is: its place in the message, in its group, and so on.
pub type Path = Vec<usize>;

/// The rows of a grouped IE.
pub fn rows(r#type: u16) -> &'static [Row] {
    pfcp::catalogue::entry(r#type).map_or(&[], |entry| entry.rows)
}

fn read(mut octets: &[u8]) -> Option<Vec<Ie>> {
    let mut ies = vec![];
    while !octets.is_empty() {
        let (head, rest) = octets.split_first_chunk::<4>()?;
        let r#type = u16::from_be_bytes([head[0], head[1]]);
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let (value, rest) = rest.split_at_checked(length)?;
        octets = rest;
        let members = if rows(r#type).is_empty() {
            None
        } else {
            read(value)
        };
        let body = match members {
            Some(members) => Body::Group(members, vec![]),
            None => Body::Leaf(value.to_vec()),
        };
        ies.push(Ie {
            r#type,
            body,
            lie: 0,
        });
    }
    Some(ies)
}

impl Ie {
    pub fn leaf(r#type: u16, value: &[u8]) -> Self {
        Self {
            r#type,
            body: Body::Leaf(value.to_vec()),
            lie: 0,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut value = vec![];
        match &self.body {
            Body::Leaf(octets) => value.extend(octets),
            Body::Group(members, behind) => {
                for ie in members {
                    ie.write(&mut value);
                }
                value.extend(behind);
            }
        }
        let length = i32::try_from(value.len()).unwrap() + self.lie;
        out.extend(self.r#type.to_be_bytes());
        out.extend(
            u16::try_from(length.clamp(0, 0xffff))
                .unwrap()
                .to_be_bytes(),
        );
        out.extend(value);
    }

    pub fn members(&self) -> &[Self] {
        match &self.body {
            Body::Leaf(_) => &[],
            Body::Group(members, _) => members,
        }
    }
}

impl Tree {
    /// Reads a datagram that holds one sound message.
    pub fn of(octets: &[u8]) -> Option<Self> {
        let session = octets.first()? & 1 != 0;
        let body = octets.get(if session { 16 } else { 8 }..)?;
        Some(Self {
            message: *octets.get(1)?,
            session,
            ies: read(body)?,
        })
    }

    pub fn write(&self, seid: u64, sequence: u32) -> Vec<u8> {
        let mut body = vec![];
        for ie in &self.ies {
            ie.write(&mut body);
        }
        let [_, a, b, c] = sequence.to_be_bytes();
        let header = if self.session { 12 } else { 4 };
        let length = u16::try_from(body.len() + header).unwrap_or(u16::MAX);
        let mut out = vec![0x20 | u8::from(self.session), self.message];
        out.extend(length.to_be_bytes());
        if self.session {
            out.extend(seid.to_be_bytes());
        }
        out.extend([a, b, c, 0]);
        out.extend(body);
        out
    }

    /// The rows of the message.
    pub fn rows(&self) -> &'static [Row] {
        let message = pfcp::MESSAGES
            .iter()
            .find(|entry| entry.r#type == self.message);
        message.map_or(&[], |entry| entry.rows)
    }

    /// Every IE, those in groups too.
    pub fn paths(&self) -> Vec<Path> {
        fn walk(ies: &[Ie], at: &mut Path, all: &mut Vec<Path>) {
            for (place, ie) in ies.iter().enumerate() {
                at.push(place);
                all.push(at.clone());
                walk(ie.members(), at, all);
                at.pop();
            }
        }
        let mut all = vec![];
        walk(&self.ies, &mut vec![], &mut all);
        all
    }

    pub fn at(&self, path: &[usize]) -> &Ie {
        let (first, rest) = path.split_first().unwrap();
        rest.iter()
            .fold(&self.ies[*first], |ie, place| &ie.members()[*place])
    }

    pub fn at_mut(&mut self, path: &[usize]) -> &mut Ie {
        let (last, parents) = path.split_last().unwrap();
        &mut self.siblings_mut(parents)[*last]
    }

    /// The IEs of the group at `parents`, or of the message.
    pub fn siblings_mut(&mut self, parents: &[usize]) -> &mut Vec<Ie> {
        let mut ies = &mut self.ies;
        for place in parents {
            ies = match &mut ies[*place].body {
                Body::Group(members, _) => members,
                Body::Leaf(_) => unreachable!("a path leads through groups"),
            };
        }
        ies
    }

    /// The row that an IE stands in, if its table has one for it.
    pub fn row(&self, path: &[usize]) -> Option<Row> {
        let (_, parents) = path.split_last()?;
        let table = if parents.is_empty() {
            self.rows()
        } else {
            rows(self.at(parents).r#type)
        };
        let r#type = self.at(path).r#type;
        table.iter().find(|row| row.r#type == r#type).copied()
    }

    /// Whether an IE, or a group around it, is one of those that may be ignored when malformed.
    pub fn is_lenient(&self, path: &[usize]) -> bool {
        (1..=path.len()).any(|length| {
            self.row(&path[..length])
                .is_none_or(|row| row.presence == Presence::Lenient)
        })
    }

    /// The path in the words of the tables.
    pub fn name(&self, path: &[usize]) -> String {
        let names = (1..=path.len()).map(|length| {
            let r#type = self.at(&path[..length]).r#type;
            let entry = pfcp::catalogue::entry(r#type);
            entry.map_or_else(|| r#type.to_string(), |entry| entry.name.to_owned())
        });
        format!(
            "message {}: {}",
            self.message,
            names.collect::<Vec<_>>().join(" > ")
        )
    }
}
