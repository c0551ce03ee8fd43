//! The whole life of one intent, out of the journal and on a thread of its own: the loop does not wait for a disk.

use super::stats::reason_name;
use super::{JOURNAL, RECOVER_CHUNK, refused};
use crate::Call;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tidegate_journal::Reader;
use tidegate_journal::cpu::keep_to;
use tidegate_units::{IntentId, StrategyId};
use tidegate_wire::envelope;
use tidegate_wire::pb::common::v1::IntentId as WireId;
use tidegate_wire::pb::control::v1::ControlEvent;
use tidegate_wire::pb::envelope::v1::{Envelope, envelope::Payload};
use tidegate_wire::pb::orders::v1::Reason;

/// Steps of one life that are told; the rest is counted.
pub const STEPS_MAX: usize = 256;

/// Answers one call in its own thread; a second one while the first still reads is refused.
///
/// `cpus`   where the loop keeps one for itself, the others
pub fn start(call: Call, dir: PathBuf, busy: &Arc<AtomicBool>, cpus: Option<Vec<usize>>) {
    let Some(wanted) = call.request["intent"].as_str().and_then(Wanted::parse) else {
        call.answer(refused(
            "an intent is STRATEGY/SESSION/SEQ, 32 hexadecimal digits, or a client order id of 25 characters",
        ));
        return;
    };
    if busy.swap(true, Ordering::AcqRel) {
        call.answer(refused("another life is being read; try again"));
        return;
    }
    let end = Arc::clone(busy);
    std::thread::spawn(move || {
        // A thread begins where its parent keeps to; one that cannot leave is slow to the loop and no less right.
        let _ = cpus.map(|cpus| keep_to(&cpus));
        let answer = life(&dir, &wanted).unwrap_or_else(|why| refused(&why));
        end.store(false, Ordering::Release);
        call.answer(answer);
    });
}

/// How an intent is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    Intent(IntentId),
    ClientOrder(String),
}

impl Wanted {
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return u128::from_str_radix(text, 16).ok().map(|id| Self::Intent(IntentId(id)));
        }
        if text.len() == 25 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'v').contains(&b)) {
            return Some(Self::ClientOrder(text.into()));
        }
        let mut parts = text.split('/');
        let strategy = parts.next()?.parse().ok()?;
        let id =
            IntentId::new(StrategyId(strategy), parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        parts.next().is_none().then_some(Self::Intent(id))
    }
}

fn id_of(id: Option<&WireId>) -> IntentId {
    id.map_or(IntentId(0), |id| IntentId::from_halves(id.hi, id.lo))
}

struct Life {
    wanted: Wanted,
    /// Known once a record of a client order id has named it.
    id: Option<IntentId>,
    steps: Vec<Value>,
    more: usize,
    /// The last act of an operator before the record at hand.
    control: Option<(u64, ControlEvent)>,
    refused: Option<Value>,
}

impl Life {
    fn concerns(&mut self, id: Option<&WireId>, client_order_id: &str) -> bool {
        let id = id_of(id);
        if self.id.is_none()
            && let Wanted::ClientOrder(wanted) = &self.wanted
            && wanted == client_order_id
            && id.0 != 0
        {
            self.id = Some(id);
        }
        id.0 != 0 && self.id == Some(id)
            || matches!(&self.wanted, Wanted::ClientOrder(wanted) if wanted == client_order_id)
    }

    fn take(&mut self, record: &Envelope) {
        let Some(payload) = &record.payload else { return };
        let step = match payload {
            Payload::Intent(m) => {
                let mine = self.concerns(m.intent_id.as_ref(), "");
                let target = self.id.is_some_and(|id| id == id_of(m.target_intent_id.as_ref()));
                (mine || target).then(|| {
                    json!({ "what": if mine { "intent" } else { "cancel intent" }, "kind": m.kind().as_str_name(),
                        "intent": id_of(m.intent_id.as_ref()).to_string(), "instrument": m.instrument_id,
                        "account": m.account_id, "side": m.side().as_str_name(), "pxTicks": m.px_ticks,
                        "qtyLots": m.qty_lots })
                })
            }
            Payload::IntentReply(m) => {
                let mine = self.concerns(m.intent_id.as_ref(), &m.client_order_id);
                mine.then(|| {
                    let step = json!({ "what": "decision", "decision": m.decision().as_str_name(),
                        "reason": reason_name(m.reason), "clientOrderId": m.client_order_id,
                        "referencePxTicks": m.reference_px_ticks, "acceptedQtyLots": m.accepted_qty_lots });
                    if m.reason() != Reason::Ok {
                        self.refused = Some(self.why(m.reason()));
                    }
                    step
                })
            }
            Payload::Command(m) => self.concerns(m.intent_id.as_ref(), &m.client_order_id).then(|| {
                json!({ "what": "command", "kind": m.kind().as_str_name(), "commandSeq": m.command_seq,
                    "epoch": m.gateway_epoch, "clientOrderId": m.client_order_id, "generation": m.generation })
            }),
            Payload::Report(m) => self.concerns(m.intent_id.as_ref(), &m.client_order_id).then(|| {
                json!({ "what": "report", "kind": m.kind().as_str_name(), "reportSeq": m.report_seq,
                    "reason": reason_name(m.reason), "cumQtyLots": m.cum_qty_lots, "lastQtyLots": m.last_qty_lots,
                    "lastPxTicks": m.last_px_ticks, "venueOrderId": m.venue_order_id, "execId": m.exec_id,
                    "text": m.venue_text })
            }),
            Payload::OrderUpdate(m) => self.concerns(m.intent_id.as_ref(), &m.client_order_id).then(|| {
                json!({ "what": "state", "state": m.state().as_str_name(), "reason": reason_name(m.reason),
                    "cumQtyLots": m.cum_qty_lots, "leavesQtyLots": m.leaves_qty_lots })
            }),
            Payload::Fill(m) => self.concerns(m.intent_id.as_ref(), &m.client_order_id).then(|| {
                json!({ "what": "fill", "execId": m.exec_id, "pxTicks": m.px_ticks, "qtyLots": m.qty_lots,
                    "positionLots": m.position_lots })
            }),
            Payload::ControlEvent(event) => {
                self.control = Some((record.log_seq, event.clone()));
                None
            }
            _ => None,
        };
        let Some(mut step) = step else { return };
        if self.steps.len() >= STEPS_MAX {
            self.more += 1;
            return;
        }
        step["seq"] = record.log_seq.into();
        step["tsNs"] = record.ts_recv_ns.to_string().into();
        self.steps.push(step);
    }

    /// Why it was refused: the reason, what it means and what to do, and the operator's act that stood before it.
    fn why(&self, reason: Reason) -> Value {
        let row = tidegate_wire::reasons::REASONS.iter().find(|row| row.reason == reason);
        let mut why = json!({ "reason": reason_name(reason.into()), "meaning": row.map(|r| r.meaning),
            "remedy": row.map(|r| r.remedy) });
        if matches!(reason, Reason::Killed | Reason::Halt | Reason::StrategyQuarantined)
            && let Some((seq, event)) = &self.control
        {
            why["lastAct"] = json!({ "seq": seq, "action": event.action().as_str_name(),
                "principal": event.principal, "reason": event.reason });
        }
        why
    }
}

/// Reads the journal from its start; a life that nothing is known of is an answer too.
pub fn life(dir: &Path, wanted: &Wanted) -> Result<Value, String> {
    let mut reader = Reader::open(dir, JOURNAL).map_err(|e| e.to_string())?;
    let id = if let Wanted::Intent(id) = wanted { Some(*id) } else { None };
    let mut life = Life { wanted: wanted.clone(), id, steps: vec![], more: 0, control: None, refused: None };
    let mut after = 0;
    loop {
        let read = reader
            .read_from(after, RECOVER_CHUNK, |record| {
                after = record.seq;
                if let Ok(envelope) = envelope::decode(record.payload) {
                    life.take(&envelope);
                }
            })
            .map_err(|e| e.to_string())?;
        if read == 0 {
            break;
        }
    }
    let mut answer = Map::new();
    answer.insert("ok".into(), true.into());
    answer.insert("intent".into(), life.id.map_or(Value::Null, |id| id.to_string().into()));
    answer.insert("refused".into(), life.refused.unwrap_or(Value::Null));
    answer.insert("steps".into(), life.steps.into());
    answer.insert("stepsNotTold".into(), life.more.into());
    answer.insert("journalRead".into(), after.into());
    Ok(answer.into())
}
