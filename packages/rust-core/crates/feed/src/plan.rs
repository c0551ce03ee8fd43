//! Which connection carries which stream.

use crate::limits::{SHARDS_MAX, STREAM_NAME_BYTES_MAX, STREAMS_MAX};
use crate::rules::Rules;
use std::fmt;

/// One stream of a venue, as its dialect spells it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stream {
    pub name: String,
    /// Whether the venue counts it against its cap (Alpaca counts trades and quotes, not bars).
    pub counted: bool,
}

impl Stream {
    /// A stream the venue counts.
    pub fn counted(name: impl Into<String>) -> Self {
        Self { name: name.into(), counted: true }
    }
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanFault {
    /// A name that is empty, too long, or has a character no venue uses.
    BadName(String),
    /// The same stream twice.
    Twice(String),
    /// The streams of one instrument do not fit one connection.
    GroupTooLarge { streams: usize, max: usize },
    /// More connections than the venue, or this process, allows.
    TooManyConnections { want: usize, max: usize },
}

impl fmt::Display for PlanFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadName(name) => write!(f, "stream {name:?} is no name a venue takes"),
            Self::Twice(name) => write!(f, "stream {name:?} is wanted twice; name it once"),
            Self::GroupTooLarge { streams, max } => {
                write!(f, "one instrument wants {streams} streams, a connection takes {max}")
            }
            Self::TooManyConnections { want, max } => {
                write!(
                    f,
                    "the streams need {want} connections, the venue allows {max}; feed fewer instruments"
                )
            }
        }
    }
}

impl std::error::Error for PlanFault {}

/// Lays groups of streams (one group an instrument, never torn apart) over connections, in order. Gives for each connection
/// the indices of its groups.
///
/// # Errors
/// See [`PlanFault`]; nothing is left out silently.
pub fn shard(groups: &[Vec<Stream>], rules: &Rules) -> Result<Vec<Vec<usize>>, PlanFault> {
    let max = rules.streams_per_connection as usize;
    let mut names = std::collections::BTreeSet::new();
    let mut shards: Vec<Vec<usize>> = Vec::new();
    let (mut counted, mut total) = (0, 0);
    for (index, group) in groups.iter().enumerate() {
        for stream in group {
            let clean = stream.name.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
            if stream.name.is_empty() || stream.name.len() > STREAM_NAME_BYTES_MAX || !clean {
                return Err(PlanFault::BadName(stream.name.chars().take(STREAM_NAME_BYTES_MAX).collect()));
            }
            if !names.insert(stream.name.as_str()) {
                return Err(PlanFault::Twice(stream.name.clone()));
            }
        }
        let own = group.iter().filter(|s| s.counted).count();
        if own > max || group.len() > STREAMS_MAX {
            return Err(PlanFault::GroupTooLarge { streams: group.len(), max });
        }
        let fits = counted + own <= max && total + group.len() <= STREAMS_MAX;
        match shards.last_mut().filter(|_| fits) {
            Some(last) => last.push(index),
            None => {
                shards.push(vec![index]);
                (counted, total) = (0, 0);
            }
        }
        counted += own;
        total += group.len();
    }
    let most = SHARDS_MAX.min(rules.connections_max as usize);
    if shards.len() > most {
        return Err(PlanFault::TooManyConnections { want: shards.len(), max: most });
    }
    Ok(shards)
}
