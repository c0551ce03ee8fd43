//! What reading one message came to: records, a named reason for none, or a named refusal.

use std::fmt;

macro_rules! names {
    ($(#[$doc:meta])* $type:ident { $($(#[$each:meta])* $name:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type { $($(#[$each])* $name,)+ }
        impl $type {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];
            /// The name used in counters and reports.
            pub const fn name(self) -> &'static str { match self { $(Self::$name => $text,)+ } }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.name()) }
        }
    };
}

names! {
    /// Why a well-formed message gave no record. None of them is an error.
    Quiet {
        /// An answer to a request, a heartbeat, a greeting.
        Control = "CONTROL",
        /// A channel this feed does not read, such as a second channel of the same book.
        OtherChannel = "OTHER_CHANNEL",
        /// Held back until the book's snapshot comes.
        Buffered = "BUFFERED",
        /// A book change that the snapshot already holds.
        Stale = "STALE",
        /// Repeats what another message has said.
        Repeat = "REPEAT",
        /// Nothing that the event model carries has changed, or the message lists nothing.
        NoChange = "NO_CHANGE",
        /// A change of a level or order that no snapshot or insert has named.
        UnknownLevel = "UNKNOWN_LEVEL",
        /// Of a contract that no contract list has named yet.
        UnknownContract = "UNKNOWN_CONTRACT",
        /// A print the venue marks as no trade of the public market (insurance fund, auto-deleveraging).
        NonMarketTrade = "NON_MARKET_TRADE",
        /// Trades from before the subscription, sent once at its start.
        History = "HISTORY",
        /// An order, account, position or balance event.
        NotMarketData = "NOT_MARKET_DATA",
        /// Market data of a kind that the event model does not carry (statistics of the day, an index, an option's greeks).
        NotCarried = "NOT_CARRIED",
        /// Reference data: instruments, contracts, assets.
        Reference = "REFERENCE",
        /// An error that the venue reports.
        VenueError = "VENUE_ERROR",
    }
}

names! {
    /// Why a message was refused. It gave no record.
    Refusal {
        /// Longer than [`crate::limits::MESSAGE_BYTES_MAX`].
        Oversize = "OVERSIZE",
        /// Nested deeper, or of more values or keys, than the limits.
        TooDeep = "TOO_DEEP",
        /// More levels or orders than the limits.
        TooManyLevels = "TOO_MANY_LEVELS",
        /// More book changes wait for a snapshot than the limits; the oldest were given up.
        TooManyPending = "TOO_MANY_PENDING",
        /// More symbols or ids than the limits.
        TooManySymbols = "TOO_MANY_SYMBOLS",
        /// Not JSON, a key given twice, or a field of another type.
        Malformed = "MALFORMED",
        /// A field that the event needs is absent.
        MissingField = "MISSING_FIELD",
        /// No rule for this kind of message.
        UnknownEvent = "UNKNOWN_EVENT",
        /// A channel number that no subscription named.
        UnknownChannel = "UNKNOWN_CHANNEL",
        /// A price or size that is no decimal text of at most 38 digits.
        BadDecimal = "BAD_DECIMAL",
        /// A time that is negative, after 2100, or no time.
        BadTime = "BAD_TIME",
        /// A side that is neither of the two.
        BadSide = "BAD_SIDE",
        /// A price of zero or below.
        PxZeroOrNeg = "PX_ZERO_OR_NEG",
        /// A size below zero, or a trade of size zero.
        QtyNegOrZero = "QTY_NEG_OR_ZERO",
        /// First update id after the last one, or no whole number.
        BadSequence = "BAD_SEQUENCE",
        /// Does not fit ±(2^53−1) units of the scale asked for.
        Overflow = "OVERFLOW",
    }
}

/// What one message came to.
pub type Outcome = Result<Reading, Refusal>;

/// A message that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// How many records were given out; never 0.
    Records(u32),
    Quiet(Quiet),
}

impl Reading {
    /// The name for reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Records(_) => "RECORDS",
            Self::Quiet(quiet) => quiet.name(),
        }
    }
}
