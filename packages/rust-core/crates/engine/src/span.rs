//! Spans of the cluster's traces: what each looks like, and how many a second are told.

use crate::anchor::Anchor;
use serde_json::{Value, json};

const SECOND_NS: u64 = 1_000_000_000;

/// A stage of one trace.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub name: &'static str,
    /// The two halves of the trace id.
    pub trace: (u64, u64),
    pub id: u64,
    /// 0 where there is none.
    pub parent: u64,
    /// Start and end on the monotonic clock.
    pub mono_ns: (u64, u64),
}

impl Span {
    /// The event JavaScript exports, with its times as the anchor tells them. Times are text: a JavaScript number does not hold them.
    pub(crate) fn event(&self, anchor: Anchor, attributes: Value) -> Value {
        let (hi, lo) = self.trace;
        let mut event = json!({
            "type": "span",
            "name": self.name,
            "traceId": format!("{hi:016x}{lo:016x}"),
            "spanId": format!("{:016x}", self.id),
            "startNs": anchor.epoch_ns(self.mono_ns.0).to_string(),
            "endNs": anchor.epoch_ns(self.mono_ns.1).to_string(),
            "attributes": attributes,
        });
        if self.parent != 0 {
            event["parentSpanId"] = format!("{:016x}", self.parent).into();
        }
        event
    }
}

/// Lets so many spans through per second and counts the rest.
#[derive(Debug)]
pub(crate) struct SpanBudget {
    per_second: u32,
    second_ns: u64,
    told: u32,
    not_told: u64,
}

impl SpanBudget {
    pub(crate) const fn new(per_second: u32) -> Self {
        Self { per_second, second_ns: 0, told: 0, not_told: 0 }
    }

    /// Whether one more span may be told at `now` on the monotonic clock.
    pub(crate) fn allows(&mut self, now: u64) -> bool {
        if now.saturating_sub(self.second_ns) >= SECOND_NS {
            (self.second_ns, self.told) = (now, 0);
        }
        if self.told >= self.per_second {
            self.not_told += 1;
            return false;
        }
        self.told += 1;
        true
    }

    pub(crate) const fn not_told(&self) -> u64 {
        self.not_told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_hexadecimal_with_its_times_as_text() {
        let mut span = Span { name: "x", trace: (1, 2), id: 3, parent: 0, mono_ns: (600, 1_000) };
        let anchor = Anchor::now();
        let event = span.event(anchor, json!({ "a": 1 }));
        assert_eq!(event["traceId"], "00000000000000010000000000000002");
        assert_eq!(event["spanId"], "0000000000000003");
        let times = [600, 1_000].map(|mono| json!(anchor.epoch_ns(mono).to_string()));
        assert_eq!([&event["startNs"], &event["endNs"]], [&times[0], &times[1]]);
        assert!(event.get("parentSpanId").is_none());
        span.parent = 255;
        assert_eq!(span.event(anchor, Value::Null)["parentSpanId"], "00000000000000ff");
    }

    #[test]
    fn past_the_budget_spans_are_counted_until_the_next_second() {
        let mut budget = SpanBudget::new(2);
        let told: Vec<bool> = [5, 6, 7, SECOND_NS + 5].map(|now| budget.allows(now)).to_vec();
        assert_eq!((told, budget.not_told()), (vec![true, true, false, true], 1));
    }
}
