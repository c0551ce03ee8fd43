//! What the loop measures of itself for the guard: each reading over the time since the one before.

use super::limits::{HEALTH_NS, TICK_NS};
use tidegate_risk::storm::Input;
use tidegate_wire::pb::orders::v1::{Report, ReportKind};

/// Latencies of one reading; beyond it the slowest stay.
const LATENCIES_MAX: usize = 4_096;

/// Counts since the last reading.
#[derive(Debug, Default)]
pub struct Health {
    read_ns: u64,
    lag_ns: u64,
    latencies: Vec<u64>,
    answers: u64,
    errors: u64,
    faults_read: u64,
}

impl Health {
    /// A tick came, and when the one before did: how much later than it was due.
    pub const fn tick(&mut self, before_ns: u64, now_ns: u64) {
        if before_ns == 0 {
            return;
        }
        let late = now_ns.saturating_sub(before_ns).saturating_sub(TICK_NS);
        if late > self.lag_ns {
            self.lag_ns = late;
        }
    }

    /// An accepted decision took so long from its input to its commit.
    pub fn decided(&mut self, ns: u64) {
        if self.latencies.len() < LATENCIES_MAX {
            self.latencies.push(ns);
        } else if let Some(fastest) = self.latencies.iter_mut().min()
            && ns > *fastest
        {
            *fastest = ns;
        }
    }

    /// What a venue answered: an outcome that is not known counts as an error, a refusal of the order does not.
    pub fn report(&mut self, report: &Report) {
        match ReportKind::try_from(report.kind) {
            Ok(ReportKind::Unknown) => {
                self.answers += 1;
                self.errors += 1;
            }
            Ok(ReportKind::Ack | ReportKind::Reject | ReportKind::Cancelled | ReportKind::CancelReject) => {
                self.answers += 1;
            }
            _ => {}
        }
    }

    /// The readings, once in [`HEALTH_NS`]; none before that.
    pub fn readings(&mut self, now_ns: u64, faults: u64) -> Vec<(Input, i64)> {
        if now_ns.saturating_sub(self.read_ns) < HEALTH_NS {
            return Vec::new();
        }
        self.latencies.sort_unstable();
        let at = (self.latencies.len() * 99).div_ceil(100).saturating_sub(1);
        let p99_ns = self.latencies.get(at).copied().unwrap_or(0);
        let whole = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let readings = vec![
            (Input::LoopLagUs, whole(self.lag_ns / 1_000)),
            (Input::DecisionP99Us, whole(p99_ns / 1_000)),
            (Input::ErrorRateBps, whole(self.errors * 10_000 / self.answers.max(1))),
            (Input::FeedFaults, whole(faults.saturating_sub(self.faults_read))),
        ];
        *self = Self { read_ns: now_ns, faults_read: faults, ..Self::default() };
        readings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(readings: &[(Input, i64)], input: Input) -> i64 {
        readings.iter().find(|(i, _)| *i == input).unwrap().1
    }

    #[test]
    fn each_reading_is_of_the_time_since_the_last() {
        let mut health = Health::default();
        health.tick(0, 5);
        health.tick(1_000, 1_000 + TICK_NS + 7_000);
        health.tick(2_000, 2_000 + TICK_NS);
        for us in 1..=200_u64 {
            health.decided(us * 1_000);
        }
        let report = |kind: ReportKind| Report { kind: kind.into(), ..Report::default() };
        for kind in
            [ReportKind::Ack, ReportKind::Ack, ReportKind::Reject, ReportKind::Unknown, ReportKind::Fill]
        {
            health.report(&report(kind));
        }
        assert!(health.readings(HEALTH_NS - 1, 3).is_empty());
        let first = health.readings(HEALTH_NS, 3);
        assert_eq!(of(&first, Input::LoopLagUs), 7);
        assert_eq!(of(&first, Input::DecisionP99Us), 198);
        assert_eq!(of(&first, Input::ErrorRateBps), 2_500);
        assert_eq!(of(&first, Input::FeedFaults), 3);
        let second = health.readings(2 * HEALTH_NS, 3);
        assert!(second.iter().all(|(_, value)| *value == 0), "{second:?}");
        for ns in 0..=LATENCIES_MAX as u64 {
            health.decided(ns * 1_000);
        }
        assert_eq!(health.latencies.len(), LATENCIES_MAX);
    }
}
