//! Latencies of a loop, as its statistics tell them.

use crate::Fault;
use crate::limits::LATENCY_NS_MAX;
use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// Latencies since the loop started, to three digits.
#[derive(Debug, Clone)]
pub(crate) struct Latency(Histogram<u64>);

impl Latency {
    pub(crate) fn new() -> Result<Self, Fault> {
        Ok(Self(Histogram::new_with_max(LATENCY_NS_MAX, 3)?))
    }

    /// Takes one latency in ns: below 1 it counts as 1, above the bound as the bound.
    pub(crate) fn record(&mut self, ns: u64) {
        self.0.saturating_record(ns.max(1));
    }

    /// Quantiles in microseconds, and how many latencies they are of.
    pub(crate) fn stats(&self) -> Value {
        let us = |ns: u64| ns as f64 / 1_000.0;
        let at = |quantile| us(self.0.value_at_quantile(quantile));
        json!({
            "p50": at(0.5), "p99": at(0.99), "p999": at(0.999), "max": us(self.0.max()), "count": self.0.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_microseconds_and_nothing_is_lost_at_the_bounds() {
        let mut latency = Latency::new().unwrap();
        assert_eq!(latency.stats()["count"], json!(0));
        for ns in [0, 2_000, 2_000, u64::MAX] {
            latency.record(ns);
        }
        let stats = latency.stats();
        assert_eq!((&stats["count"], &stats["p50"]), (&json!(4), &json!(2.0)));
        assert!(stats["max"].as_f64().unwrap() >= LATENCY_NS_MAX as f64 / 1_000.0);
    }
}
