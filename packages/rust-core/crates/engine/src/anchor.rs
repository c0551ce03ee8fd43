//! One instant on both clocks.

use crate::clock;

/// Two looks at one clock with the other between them are one instant when they are this close.
const APART_NS_MAX: u64 = 5_000;
const TRIES_MAX: usize = 4;

/// Places stamps of the monotonic clock on the wall clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Anchor {
    mono_ns: u64,
    epoch_ns: i64,
}

impl Anchor {
    /// Reads both clocks, again where the thread was interrupted between them: the closest of a few tries.
    pub(crate) fn now() -> Self {
        let mut best = (u64::MAX, Self { mono_ns: 0, epoch_ns: 0 });
        for _ in 0..TRIES_MAX {
            let (before, epoch_ns, after) = (clock::mono_ns(), clock::epoch_ns(), clock::mono_ns());
            let apart = after.saturating_sub(before);
            if apart < best.0 {
                best = (apart, Self { mono_ns: before + apart / 2, epoch_ns });
            }
            if apart <= APART_NS_MAX {
                break;
            }
        }
        best.1
    }

    /// Nanoseconds since the Unix epoch at a monotonic stamp. Stamps keep their order and their distances.
    pub(crate) const fn epoch_ns(self, mono_ns: u64) -> i64 {
        if mono_ns >= self.mono_ns {
            self.epoch_ns.saturating_add_unsigned(mono_ns - self.mono_ns)
        } else {
            self.epoch_ns.saturating_sub_unsigned(self.mono_ns - mono_ns)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_places_stamps_before_and_after_it_and_never_wraps() {
        let anchor = Anchor { mono_ns: 1_000, epoch_ns: 5_000 };
        let placed = [0, 400, 1_000, 1_600].map(|mono| anchor.epoch_ns(mono));
        assert_eq!(placed, [4_000, 4_400, 5_000, 5_600]);
        assert_eq!(anchor.epoch_ns(u64::MAX), i64::MAX);
        let late = Anchor { mono_ns: u64::MAX, epoch_ns: i64::MIN + 1 };
        assert_eq!(late.epoch_ns(0), i64::MIN);
    }

    #[test]
    fn an_anchor_lies_between_the_looks_around_it() {
        let before = clock::mono_ns();
        let anchor = Anchor::now();
        assert!(before <= anchor.mono_ns && anchor.mono_ns <= clock::mono_ns());
    }
}
