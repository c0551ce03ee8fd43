//! Sequence numbers that a venue gives to all messages of a session, whatever their channel.

/// What the number of a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SequenceOutcome {
    /// The first of the session.
    First,
    Next,
    /// This one or a later one has come: the message has been seen or comes too late, and must not be applied.
    Repeated,
    /// `first..=last` never came. Every book of the session is lost; the message itself is in order.
    Gap {
        first: u64,
        last: u64,
    },
}

/// The numbers of one session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionSequence {
    last: Option<u64>,
}

impl SessionSequence {
    /// A session of which nothing has come.
    pub const fn new() -> Self {
        Self { last: None }
    }

    /// One message, in the order of arrival.
    pub fn on(&mut self, sequence: u64) -> SequenceOutcome {
        let outcome = match self.last {
            None => SequenceOutcome::First,
            Some(last) if sequence <= last => return SequenceOutcome::Repeated,
            Some(last) if sequence - last == 1 => SequenceOutcome::Next,
            Some(last) => SequenceOutcome::Gap { first: last + 1, last: sequence - 1 },
        };
        self.last = Some(sequence);
        outcome
    }

    /// The session is gone; the next one counts anew.
    pub fn disconnect(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b013_holes_and_repeats_of_a_session_are_named() {
        let mut session = SessionSequence::new();
        let all = [5, 6, 6, 9, 7, 10, u64::MAX].map(|n| session.on(n));
        assert_eq!(
            all,
            [
                SequenceOutcome::First,
                SequenceOutcome::Next,
                SequenceOutcome::Repeated,
                SequenceOutcome::Gap { first: 7, last: 8 },
                SequenceOutcome::Repeated,
                SequenceOutcome::Next,
                SequenceOutcome::Gap { first: 11, last: u64::MAX - 1 },
            ]
        );
        session.disconnect();
        assert_eq!(session.on(1), SequenceOutcome::First);
    }
}
