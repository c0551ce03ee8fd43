//! The faults, by the numbers of the failure model, and how often each was injected.

/// One fault type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Fault {
    F1,
    F2,
    F3,
    F5,
    F6,
    F7,
    F9,
    F10,
    F11,
    F12,
    F13,
    F14,
    F15,
    F16,
    F17,
    F18,
    F19,
    F22,
    F23,
    F24,
    F25,
    F26,
    F27,
    F28,
    F30,
    F39,
    F40,
}

impl Fault {
    /// Every fault the simulator injects.
    pub const ALL: [Self; 27] = [
        Self::F1,
        Self::F2,
        Self::F3,
        Self::F5,
        Self::F6,
        Self::F7,
        Self::F9,
        Self::F10,
        Self::F11,
        Self::F12,
        Self::F13,
        Self::F14,
        Self::F15,
        Self::F16,
        Self::F17,
        Self::F18,
        Self::F19,
        Self::F22,
        Self::F23,
        Self::F24,
        Self::F25,
        Self::F26,
        Self::F27,
        Self::F28,
        Self::F30,
        Self::F39,
        Self::F40,
    ];

    /// Its number, as the failure model has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F1 => "F1",
            Self::F2 => "F2",
            Self::F3 => "F3",
            Self::F5 => "F5",
            Self::F6 => "F6",
            Self::F7 => "F7",
            Self::F9 => "F9",
            Self::F10 => "F10",
            Self::F11 => "F11",
            Self::F12 => "F12",
            Self::F13 => "F13",
            Self::F14 => "F14",
            Self::F15 => "F15",
            Self::F16 => "F16",
            Self::F17 => "F17",
            Self::F18 => "F18",
            Self::F19 => "F19",
            Self::F22 => "F22",
            Self::F23 => "F23",
            Self::F24 => "F24",
            Self::F25 => "F25",
            Self::F26 => "F26",
            Self::F27 => "F27",
            Self::F28 => "F28",
            Self::F30 => "F30",
            Self::F39 => "F39",
            Self::F40 => "F40",
        }
    }

    /// What happens.
    pub const fn text(self) -> &'static str {
        match self {
            Self::F1 => "the gateway dies at one of its steps or disk operations",
            Self::F2 => "the router dies, also between its journal and the wire",
            Self::F3 => "a strategy dies with its orders out",
            Self::F5 => "the power goes: torn and lost sectors on every disk",
            Self::F6 => "a bit of a journal flips",
            Self::F7 => "the journal's disk is full",
            Self::F9 => "a write or sync fails, or stops half-way",
            Self::F10 => "commits of a gateway take 100 to 700 ms",
            Self::F11 => "a wall clock leaps by up to an hour",
            Self::F12 => "a consumer stalls and the window of its link fills",
            Self::F13 => "a frame is lost, doubled or overtaken; a link is cut",
            Self::F14 => "bits of a frame flip",
            Self::F15 => "bytes that are no message, or a message that breaks a rule",
            Self::F16 => "a process stops for longer than its lease and goes on",
            Self::F17 => "the lease store is silent, loses its keys, or a stale replica takes over",
            Self::F18 => "a standby starts on an old copy of its journal",
            Self::F19 => "a gateway of another build starts",
            Self::F22 => "the venue's session ends with orders on their way",
            Self::F23 => "an ack is lost or late, or a query does not see a new order yet",
            Self::F24 => "a fill comes twice, early, late or for more than the order",
            Self::F25 => "the venue undoes a trade",
            Self::F26 => "the venue refuses, is limited, or answers that it does not know",
            Self::F27 => "the feed has a gap or starts anew",
            Self::F28 => "prices that are crossed, zero, absurd or frozen",
            Self::F30 => "a strategy floods the gateway with valid orders",
            Self::F39 => "a kill while one or two of its three ways are broken",
            Self::F40 => "three different faults within one second",
        }
    }
}

/// Injections by fault.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts([u64; Fault::ALL.len()]);

impl Counts {
    /// Notes one injection.
    pub fn add(&mut self, fault: Fault) {
        self.0[fault as usize] += 1;
    }

    /// How often this one was injected.
    pub const fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    /// Adds the counts of another run.
    pub fn merge(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum += more;
        }
    }
}
