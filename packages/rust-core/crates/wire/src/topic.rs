//! Names of streams and links, spelled once.

use std::fmt;

/// A kind of market-data stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MdKind {
    Top,
    Depth,
    Trade,
    Status,
}

impl MdKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Top, Self::Depth, Self::Trade, Self::Status];

    /// As it stands in a topic.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Top => "top",
            Self::Depth => "depth",
            Self::Trade => "trade",
            Self::Status => "status",
        }
    }
}

impl fmt::Display for MdKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The topic of one market-data stream: `md.<venue>.<instrument>.<kind>.`
///
/// The closing dot keeps a subscription to instrument 1 from taking instrument 10 as well: subscriptions are prefixes.
pub fn md_topic(venue_id: u32, instrument_id: u32, kind: MdKind) -> String {
    format!("md.{venue_id}.{instrument_id}.{kind}.")
}

/// The parts of a market-data topic, or `None` when it is not exactly what [`md_topic`] writes.
pub fn parse_md_topic(topic: &str) -> Option<(u32, u32, MdKind)> {
    let mut parts = topic.strip_prefix("md.")?.strip_suffix('.')?.split('.');
    let (venue, instrument, kind) = (parts.next()?, parts.next()?, parts.next()?);
    let kind = MdKind::ALL.into_iter().find(|k| k.name() == kind)?;
    let parsed = (venue.parse().ok()?, instrument.parse().ok()?, kind);
    // "md.01.+1.top." parses as numbers too; the round trip refuses every second spelling.
    (md_topic(parsed.0, parsed.1, parsed.2) == topic).then_some(parsed)
}

/// The id a frame carries for a stream's topic or a link's name: its crc32c.
pub fn link_id(topic: &str) -> u32 {
    crc32c::crc32c(topic.as_bytes())
}

/// The name of the link between the server of `link` ("intent", "command", "tail") and the client `identity`.
pub fn link_name(link: &str, identity: &str) -> String {
    format!("{link}/{identity}")
}
