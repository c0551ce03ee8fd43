//! What a message may hold: the check of a frame against the tables of its version.

mod tables;

use crate::Version;
use crate::limits::{GROUP_DEPTH_MAX, GROUP_ENTRIES_MAX};
use crate::message::{Field, Message, number};
use crate::{tag, time};
use tables::{FIELDS, GroupDef, HEADER, HEADER_REQUIRED, MESSAGES_42, MESSAGES_44, MessageDef, TRAILER};

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Digits with or without a minus.
    Int,
    /// Digits.
    Count,
    /// Digits with at most one point, with or without a minus; no plus, no exponent.
    Decimal,
    /// One byte.
    Char,
    /// Y or N.
    Boolean,
    /// Anything.
    Text,
    /// Words with one space between them.
    Words,
    Timestamp,
    /// YYYYMMDD.
    Date,
    /// YYYYMM, with or without a day or a week.
    Month,
    /// Bytes whose length the field before gives.
    Data,
}

/// What an application message may hold beside what the tables say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// Nothing: a tag or value the tables do not have is rejected. For a venue, and for the acceptance scripts.
    Strict,
    /// Anything: tags and values the tables do not have go to the application. For a client: a report of a fill must not be
    /// rejected because its venue adds a field. What is there must still be well formed.
    Lenient,
}

/// Why a message is rejected, as SessionRejectReason (373) numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    pub reason: u8,
    /// RefTagID (371).
    pub tag: Option<i32>,
}

pub(crate) mod reason {
    //! SessionRejectReason (373), and its text.
    pub const INVALID_TAG: u8 = 0;
    pub const REQUIRED_MISSING: u8 = 1;
    pub const NOT_FOR_THIS_TYPE: u8 = 2;
    pub const NO_VALUE: u8 = 4;
    pub const VALUE: u8 = 5;
    pub const FORMAT: u8 = 6;
    pub const COMP_ID: u8 = 9;
    pub const SENDING_TIME: u8 = 10;
    pub const MSG_TYPE: u8 = 11;
    pub const REPEATED: u8 = 13;
    pub const ORDER: u8 = 14;
    pub const GROUP_COUNT: u8 = 16;

    /// The words the standard has for a reason.
    pub const fn text(reason: u8) -> &'static str {
        match reason {
            INVALID_TAG => "Invalid tag number",
            REQUIRED_MISSING => "Required tag missing",
            NOT_FOR_THIS_TYPE => "Tag not defined for this message type",
            NO_VALUE => "Tag specified without a value",
            VALUE => "Value is incorrect (out of range) for this tag",
            FORMAT => "Incorrect data format for value",
            COMP_ID => "CompID problem",
            SENDING_TIME => "SendingTime accuracy problem",
            MSG_TYPE => "Invalid MsgType",
            REPEATED => "Tag appears more than once",
            ORDER => "Tag specified out of required order",
            GROUP_COUNT => "Incorrect NumInGroup count for repeating group",
            _ => "Other",
        }
    }
}

impl Fault {
    const fn new(reason: u8, tag: i32) -> Self {
        Self { reason, tag: Some(tag) }
    }
}

/// One bit for each tag below 1,024.
#[derive(Debug, Default, Clone, Copy)]
struct Seen([u64; 16]);

impl Seen {
    /// Marks a tag; false where it was marked before. Tags it has no bit for are never seen.
    fn mark(&mut self, tag: i32) -> bool {
        let Ok(tag) = usize::try_from(tag) else { return true };
        let Some(word) = self.0.get_mut(tag / 64) else { return true };
        let bit = 1 << (tag % 64);
        let fresh = *word & bit == 0;
        *word |= bit;
        fresh
    }

    fn has(&self, tag: u16) -> bool {
        self.0.get(usize::from(tag) / 64).is_some_and(|word| word & (1 << (tag % 64)) != 0)
    }
}

/// The tables of one version.
#[derive(Debug, Clone, Copy)]
pub struct Dictionary {
    version: Version,
    strictness: Strictness,
}

fn small(tag: i32) -> Option<u16> {
    u16::try_from(tag).ok()
}

fn listed(list: &[u16], tag: i32) -> bool {
    small(tag).is_some_and(|tag| list.binary_search(&tag).is_ok())
}

impl Dictionary {
    /// The tables of a version.
    pub const fn new(version: Version, strictness: Strictness) -> Self {
        Self { version, strictness }
    }

    /// Highest tag the standard defines in this version.
    const fn tag_max(self) -> i32 {
        match self.version {
            Version::Fix42 => 446,
            Version::Fix44 => 956,
        }
    }

    /// The table of a message type.
    fn message(self, msg_type: &[u8]) -> Option<&'static MessageDef> {
        let table = match self.version {
            Version::Fix42 => MESSAGES_42,
            Version::Fix44 => MESSAGES_44,
        };
        table.iter().find(|def| def.msg_type.as_bytes() == msg_type)
    }

    /// Whether the standard has this message type in this version. Those without a table are the application's to refuse.
    fn is_msg_type(self, msg_type: &[u8]) -> bool {
        match (self.version, msg_type) {
            (_, [one]) => match self.version {
                Version::Fix42 => {
                    matches!(one, b'0'..=b'9' | b'A'..=b'H' | b'J'..=b'N' | b'P'..=b'T' | b'V'..=b'Z' | b'a'..=b'm')
                }
                Version::Fix44 => one.is_ascii_alphanumeric(),
            },
            (Version::Fix44, [b'A', b'A'..=b'Z'] | [b'B', b'A'..=b'H']) => true,
            // A venue's own types begin with U.
            (_, [b'U', ..]) => msg_type.len() <= 4,
            _ => self.strictness == Strictness::Lenient && msg_type.len() <= 4,
        }
    }

    /// Holds a message against the tables.
    ///
    /// # Errors
    /// The first thing wrong with it, in the order of the fields.
    pub fn check(self, message: &Message<'_>) -> Result<(), Fault> {
        let fields = message.fields();
        let (head_end, body_end) = Self::sections(fields)?;
        if !self.is_msg_type(message.msg_type()) {
            return Err(Fault { reason: reason::MSG_TYPE, tag: None });
        }
        let def = self.message(message.msg_type());
        let mut seen = Seen::default();
        for field in fields {
            seen.mark(field.tag);
        }
        let required = HEADER_REQUIRED.iter().chain(def.map_or(&[][..], |def| def.required));
        if let Some(missing) = required.into_iter().find(|tag| !seen.has(**tag)) {
            return Err(Fault::new(reason::REQUIRED_MISSING, i32::from(*missing)));
        }
        let mut seen = Seen::default();
        for field in fields[..head_end].iter().chain(&fields[body_end..]) {
            self.check_value(message, *field)?;
            if !seen.mark(field.tag) {
                return Err(Fault::new(reason::REPEATED, field.tag));
            }
        }
        let body = &fields[head_end..body_end];
        match def {
            Some(def) => self.check_body(message, body, def),
            None => body.iter().try_for_each(|field| self.check_value(message, *field)),
        }
    }

    /// Where the header ends and the trailer begins.
    fn sections(fields: &[Field]) -> Result<(usize, usize), Fault> {
        let head_end = fields.iter().position(|field| !listed(HEADER, field.tag)).unwrap_or(fields.len());
        let rest = &fields[head_end..];
        let body_end =
            head_end + rest.iter().position(|field| listed(TRAILER, field.tag)).unwrap_or(rest.len());
        let stray = fields[head_end..body_end].iter().find(|field| listed(HEADER, field.tag));
        let late = fields[body_end..].iter().find(|field| !listed(TRAILER, field.tag));
        match stray.or(late) {
            Some(field) => Err(Fault::new(reason::ORDER, field.tag)),
            None => Ok((head_end, body_end)),
        }
    }

    fn check_body(self, message: &Message<'_>, body: &[Field], def: &MessageDef) -> Result<(), Fault> {
        let mut seen = Seen::default();
        let mut at = 0;
        while let Some(field) = body.get(at) {
            self.check_value(message, *field)?;
            let group = def.groups.iter().find(|group| i32::from(group.count) == field.tag);
            let known = group.is_some() || listed(def.fields, field.tag) || listed16(def.required, field.tag);
            if !known && self.strictness == Strictness::Strict {
                let reason = if (1..=self.tag_max()).contains(&field.tag) {
                    reason::NOT_FOR_THIS_TYPE
                } else {
                    reason::INVALID_TAG
                };
                return Err(Fault::new(reason, field.tag));
            }
            // A tag the tables do not have may belong to a group they do not have.
            if known && !seen.mark(field.tag) {
                return Err(Fault::new(reason::REPEATED, field.tag));
            }
            at += 1;
            if let Some(group) = group {
                at = self.check_group(message, body, at, group, 1)?;
            }
        }
        Ok(())
    }

    /// Checks the entries of a group that begin at `at`; gives where they end.
    fn check_group(
        self,
        message: &Message<'_>,
        body: &[Field],
        mut at: usize,
        group: &GroupDef,
        depth: usize,
    ) -> Result<usize, Fault> {
        let fault = Fault::new(reason::GROUP_COUNT, i32::from(group.count));
        let count =
            body.get(at.wrapping_sub(1)).and_then(|field| number(message.value(*field))).ok_or(fault)?;
        if count > GROUP_ENTRIES_MAX as u64 || depth > GROUP_DEPTH_MAX {
            return Err(fault);
        }
        let mut entries = 0;
        let mut seen = Seen::default();
        while let Some(field) = body.get(at) {
            if field.tag == i32::from(group.first) {
                entries += 1;
                seen = Seen::default();
            } else if entries == 0 {
                break;
            }
            let inner = group.groups.iter().find(|inner| i32::from(inner.count) == field.tag);
            if field.tag != i32::from(group.first) && inner.is_none() && !listed16(group.fields, field.tag) {
                break;
            }
            self.check_value(message, *field)?;
            if !seen.mark(field.tag) {
                return Err(Fault::new(reason::REPEATED, field.tag));
            }
            at += 1;
            if let Some(inner) = inner {
                at = self.check_group(message, body, at, inner, depth + 1)?;
            }
        }
        if entries == count { Ok(at) } else { Err(fault) }
    }

    fn check_value(self, message: &Message<'_>, field: Field) -> Result<(), Fault> {
        let value = message.value(field);
        if value.is_empty() {
            return Err(Fault::new(reason::NO_VALUE, field.tag));
        }
        if field.tag < 1 {
            return Err(Fault::new(reason::INVALID_TAG, field.tag));
        }
        let def = small(field.tag)
            .and_then(|tag| FIELDS.binary_search_by_key(&tag, |def| def.tag).ok())
            .and_then(|at| FIELDS.get(at));
        let Some(def) = def else { return Ok(()) };
        if !is_kind(def.kind, value) {
            return Err(Fault::new(reason::FORMAT, field.tag));
        }
        let session = matches!(field.tag, tag::ENCRYPT_METHOD);
        let one_of = def.values.is_empty() || def.values.iter().any(|one| one.as_bytes() == value);
        if !one_of && (session || self.strictness == Strictness::Strict) {
            return Err(Fault::new(reason::VALUE, field.tag));
        }
        Ok(())
    }
}

/// As [`listed`], of lists that are in the order of the standard.
fn listed16(list: &[u16], tag: i32) -> bool {
    small(tag).is_some_and(|tag| list.contains(&tag))
}

fn is_kind(kind: Kind, value: &[u8]) -> bool {
    let unsigned =
        |bytes: &[u8]| !bytes.is_empty() && bytes.len() <= 18 && bytes.iter().all(u8::is_ascii_digit);
    match kind {
        Kind::Int => unsigned(value.strip_prefix(b"-").unwrap_or(value)),
        Kind::Count => unsigned(value),
        Kind::Decimal => is_decimal(value.strip_prefix(b"-").unwrap_or(value)),
        Kind::Char => value.len() == 1,
        Kind::Boolean => matches!(value, b"Y" | b"N"),
        Kind::Text | Kind::Data => true,
        Kind::Words => value.split(|byte| *byte == b' ').all(|word| !word.is_empty()),
        Kind::Timestamp => time::parse_timestamp(value).is_some(),
        Kind::Date => time::is_date(value),
        Kind::Month => match value {
            [month @ .., b'w', b'1'..=b'5'] if month.len() == 6 => is_month(month),
            _ if value.len() == 6 => is_month(value),
            _ => time::is_date(value),
        },
    }
}

fn is_month(value: &[u8]) -> bool {
    number(value).is_some_and(|month| (1..=12).contains(&(month % 100)))
}

fn is_decimal(value: &[u8]) -> bool {
    let mut points = 0;
    let mut digits = 0;
    for byte in value {
        match byte {
            b'.' => points += 1,
            b'0'..=b'9' => digits += 1,
            _ => return false,
        }
    }
    points <= 1 && digits >= 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::checksum;

    fn framed(version: &str, fields: &str) -> Vec<u8> {
        let body = fields.replace('|', "\u{1}");
        let mut raw = format!("8={version}\u{1}9={}\u{1}{body}", body.len()).into_bytes();
        let sum = checksum(&raw);
        raw.extend_from_slice(format!("10={sum:03}\u{1}").as_bytes());
        raw
    }

    fn check(strictness: Strictness, fields: &str) -> Result<(), (u8, Option<i32>)> {
        let raw = framed("FIX.4.4", fields);
        let mut room = Vec::new();
        let message = Message::parse(&raw, &mut room).unwrap();
        Dictionary::new(Version::Fix44, strictness).check(&message).map_err(|fault| (fault.reason, fault.tag))
    }

    const HEAD: &str = "34=2|49=A|52=20240101-00:00:00|56=B|";
    const ORDER: &str = "11=x|54=1|55=I|60=20240101-00:00:00|40=2|44=1.5|38=10|";

    #[test]
    fn the_tables_are_in_order_and_whole() {
        let sorted = |list: &[u16]| list.windows(2).all(|pair| pair[0] < pair[1]);
        assert!(FIELDS.windows(2).all(|pair| pair[0].tag < pair[1].tag));
        assert!(sorted(HEADER) && sorted(TRAILER));
        for def in MESSAGES_42.iter().chain(MESSAGES_44) {
            assert!(sorted(def.fields), "{}", def.msg_type);
            let groups = def.groups.iter().flat_map(|group| [group.count, group.first]);
            for tag in def.fields.iter().chain(def.required).copied().chain(groups) {
                assert!(FIELDS.iter().any(|field| field.tag == tag), "{}: {tag} has no kind", def.msg_type);
            }
            for tag in def.required {
                assert!(!def.fields.contains(tag), "{}: {tag} stands twice", def.msg_type);
            }
        }
    }

    #[test]
    fn groups_are_read_by_their_first_field_and_counted() {
        let of = |parties: &str| check(Strictness::Strict, &format!("35=D|{HEAD}{ORDER}{parties}"));
        let one = "448=a|447=D|452=1|";
        let nested = "448=b|447=D|452=3|802=2|523=s|803=1|523=t|803=2|";
        assert_eq!(of(&format!("453=2|{one}{nested}58=x|")), Ok(()));
        assert_eq!(of(&format!("453=3|{one}{nested}")), Err((16, Some(453))));
        assert_eq!(of(&format!("453=1|{one}{one}")), Err((16, Some(453))));
        assert_eq!(of("453=1|447=D|448=a|"), Err((16, Some(453))), "the first field leads each entry");
        assert_eq!(of(&format!("453=1|{}", nested.replace("802=2", "802=3"))), Err((16, Some(802))));
        assert_eq!(of("453=1|448=a|447=D|447=D|"), Err((13, Some(447))));
        assert_eq!(of("453=0|58=x|"), Ok(()));
        assert_eq!(of("453=257|"), Err((16, Some(453))));
    }

    #[test]
    fn a_client_takes_what_its_tables_do_not_have_and_a_venue_rejects_it() {
        let report = format!("35=8|{HEAD}37=o|17=e|150=F|39=2|55=I|54=1|151=0|14=1|6=1|");
        for (extra, refused) in
            [("25035=1|", (0, Some(25035))), ("900=x|", (2, Some(900))), ("103=12345|", (5, Some(103)))]
        {
            let fields = format!("{report}{extra}");
            assert_eq!(check(Strictness::Lenient, &fields), Ok(()), "{extra}");
            assert_eq!(check(Strictness::Strict, &fields), Err(refused), "{extra}");
        }
        for (extra, refused) in
            [("32=1e3|", (6, Some(32))), ("58=|", (4, Some(58))), ("31=1|31=1|", (13, Some(31)))]
        {
            assert_eq!(check(Strictness::Lenient, &format!("{report}{extra}")), Err(refused), "{extra}");
        }
    }

    #[test]
    fn values_are_written_as_their_kind_says() {
        for (good, bad, kind) in [
            (&["0", "-7", "007"][..], &["+1", "1.0", "", "-", "x", "1234567890123456789"][..], Kind::Int),
            (&["0", "12"], &["-1", "", "1 "], Kind::Count),
            (
                &["1", "-1.5", ".5", "5.", "002000.00"],
                &["+1", "1e3", ".", "1.2.3", "", "1,5", "NaN"],
                Kind::Decimal,
            ),
            (&["Y", "N"], &["y", "", "YES", "1"], Kind::Boolean),
            (&["202401", "20240131", "202412w5"], &["202413", "2024", "20240132", "202401w6"], Kind::Month),
            (&["1 2", "A"], &["1  2", " 1", ""], Kind::Words),
            (&["1"], &["12", ""], Kind::Char),
        ] {
            for text in good {
                assert!(is_kind(kind, text.as_bytes()), "{kind:?} {text}");
            }
            for text in bad {
                assert!(!is_kind(kind, text.as_bytes()), "{kind:?} {text}");
            }
        }
    }
}
