//! What the loop says about itself.

use super::Shell;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use tidegate_bus::link::LinkState;
use tidegate_units::InstrumentId;
use tidegate_wire::pb::orders::v1::Reason;

/// Text of an amount beyond what a JavaScript number holds exactly.
fn e8(value: i128) -> Value {
    Value::String(value.to_string())
}

pub fn reason_name(number: i32) -> &'static str {
    let name = Reason::try_from(number).unwrap_or(Reason::Unspecified).as_str_name();
    name.strip_prefix("REASON_").unwrap_or(name)
}

impl Shell {
    /// The word for the process table: what it is waiting for, or what it is doing.
    pub fn state_name(&self) -> &'static str {
        let policy = self.core.state().policy_state(0).policy().as_str_name();
        match (self.command.state(), self.core.leads()) {
            (LinkState::Connecting | LinkState::Stale, _) => "NO_ROUTER",
            (_, false) => "NOT_LEADER",
            (_, true) => policy.strip_prefix("POLICY_").unwrap_or(policy),
        }
    }

    pub fn stats(&self) -> Value {
        let (core, state) = (&self.core, self.core.state());
        let counters = core.counters();
        let mut by_reason = state.decisions().clone();
        for (reason, count) in &counters.refused_unkept {
            *by_reason.entry(*reason).or_insert(0) += count;
        }
        let intents: u64 = by_reason.values().sum();
        let replies: Map<String, Value> =
            by_reason.iter().map(|(r, n)| (reason_name(*r).to_string(), (*n).into())).collect();
        let mut orders: BTreeMap<String, u64> = BTreeMap::new();
        let short = |name: &str| name.strip_prefix("ORDER_STATE_").unwrap_or(name).to_string();
        for order in state.orders().filter(|o| !o.terminal()) {
            *orders.entry(short(order.state.as_str_name())).or_insert(0) += 1;
        }
        for (order_state, count) in state.settled_orders() {
            *orders.entry(short(order_state.as_str_name())).or_insert(0) += count;
        }
        let awaiting_fills = state.orders().filter(|o| o.terminal()).count();
        let unknown = state.orders().filter(|o| !o.terminal() && o.unknown()).count();
        let [fills, fills_repeated, fills_unbooked, contradictions] = state.fill_counts();
        let mut frozen: Vec<u32> = state.frozen().map(|id| id.0).collect();
        frozen.sort_unstable();
        let policy = state.policy_state(0);
        let mut stats = json!({
            "events": self.events,
            "lag": self.tail.lag(self.journal.committed_seq()).unwrap_or(0),
            "state": self.state_name(),
            "detail": policy.detail,
            "latency": self.latency.stats(),
            "intents": intents,
            "intentsReceived": counters.intents,
            "intentsWithoutId": counters.intents_without_id,
            "intentsRefusedBytes": self.bad_payloads,
            "replies": replies,
            "repliesRepeated": counters.replies_repeated,
            "orders": orders,
            "liveOrders": state.open_orders(),
            "nonTerminal": state.open_orders(),
            "awaitingFills": awaiting_fills,
            "unknown": unknown,
        });
        let more = json!({
            "commands": state.command_seq(),
            "outbox": self.outbox.len(),
            "pair": self.pair.as_ref().map(super::pair::Pair::stats),
            "replica": self.tail.replica(),
            "reports": counters.reports,
            "reportsRepeated": counters.reports_repeated,
            "reportGaps": counters.report_gaps,
            "fills": fills,
            "fillsRepeated": fills_repeated,
            "fillsUnbooked": fills_unbooked,
            "contradictions": contradictions,
            "positions": self.positions(),
            "cash": self.cash(),
            "policy": { "state": policy.policy().as_str_name().trim_start_matches("POLICY_"), "detail": policy.detail },
            "frozen": frozen,
            "killed": self.latch.held().map(|held| json!({
                "by": held.by, "reason": held.reason, "tsNs": held.ts_ns.to_string(),
                "routerAcknowledged": self.router_latch.acknowledged() })),
            "leads": core.leads(),
            "drained": core.drained(),
            "gatewayEpoch": state.epoch(),
            "linkEpoch": self.epoch,
            "reportSeq": state.report_seq(),
            "journalSeq": state.log_seq(),
            "turnsBehind": self.turns_behind,
            "tier": self.tier,
            "standby": {
                "waitedFor": self.release.replicates(),
                "waiting": self.waiting.len(),
                "leftWithoutIt": self.release.alone(),
            },
            "tailRecords": self.tail.records,
            "strategies": self.intents.peers().filter(|(_, _, l)| l.state() == LinkState::Synced).count(),
            "messagesNotTaken": self.not_taken,
            "mdGaps": self.md_gaps,
            "references": self.references(),
            "spansNotTold": self.spans.not_told(),
            "limitsVersion": core.limits().version,
            "latches": self.latches(),
            "storm": self.storm(),
            "inputsRefused": counters.inputs_refused,
            "instrumentTable": { "version": core.table().version(), "hash": core.table().hash_hex() },
        });
        if let (Some(stats), Value::Object(more)) = (stats.as_object_mut(), more) {
            stats.extend(more);
        }
        stats
    }

    /// Positions of each strategy, money as text in 1e-8 of the quote asset.
    pub fn positions(&self) -> Value {
        let row = |(key, book): (&tidegate_risk::BookKey, &tidegate_risk::Book)| {
            json!({
                "accountId": key.account.0,
                "strategyId": key.strategy.0,
                "instrumentId": key.instrument.0,
                "positionLots": e8(book.position.lots),
                "openCostE8": e8(book.position.open_cost_e8),
                "realisedE8": e8(book.position.realised_e8),
                "tradeCashE8": e8(book.position.trade_cash_e8),
                "buyLeavesLots": e8(book.buy_lots),
                "sellLeavesLots": e8(book.sell_lots),
            })
        };
        self.core.state().books().map(row).collect()
    }

    /// Scopes that are limited, and why.
    fn latches(&self) -> Value {
        let row =
            |(scope, latch, cause): (tidegate_risk::Scope, tidegate_wire::pb::risk::v1::Latch, Reason)| {
                let latch = latch.as_str_name();
                json!({
                    "scope": scope.to_string(),
                    "latch": latch.strip_prefix("LATCH_").unwrap_or(latch),
                    "cause": reason_name(cause.into()),
                })
            };
        self.core.state().risk().all_latches().map(row).collect()
    }

    /// The worst mode over the guards.
    fn storm(&self) -> Value {
        format!("{:?}", self.core.state().risk().storm_worst()).to_uppercase().into()
    }

    /// The limits in force with their version.
    pub fn limits_shown(&self) -> Value {
        let limits = self.core.limits();
        json!({ "ok": true, "version": limits.version, "limits": limits.document() })
    }

    /// What a change of one limit would do; nothing is changed.
    pub fn limit_checked(&self, request: &Value) -> Value {
        let limit = request["limit"].as_str().unwrap_or_default();
        let Some(value) = request["value"].as_i64() else {
            return super::refused("a limit is a whole number");
        };
        let limits = self.core.limits();
        match limits.with_change(self.core.table(), limit, value) {
            Ok(change) => json!({ "ok": true, "limit": limit, "old": change.old, "value": value,
                "loosens": change.loosens, "version": limits.version }),
            Err(fault) => super::refused(&fault.to_string()),
        }
    }

    /// The whole state as one object, with the hash by which two gateways compare themselves.
    pub fn export(&self) -> Value {
        let state = self.core.state();
        let hash: String = state.hash().iter().map(|b| format!("{b:02x}")).collect();
        let orders: Vec<Value> = state
            .orders()
            .map(|o| {
                json!({ "intent": o.id.to_string(), "clientOrderId": o.client_order_id,
                    "accountId": o.key.account.0, "instrumentId": o.key.instrument.0, "venueId": o.venue_id,
                    "side": if o.side == tidegate_units::Side::Buy { "BUY" } else { "SELL" }, "pxTicks": o.px_ticks, "qtyLots": o.qty_lots,
                    "cumLots": o.cum_lots, "reservedLots": o.reserved_lots(),
                    "state": o.state.as_str_name(), "reason": reason_name(o.reason.into()),
                    "cancelWanted": o.cancel_wanted })
            })
            .collect();
        json!({ "ok": true, "journalSeq": state.log_seq(), "stateHash": hash, "orders": orders,
            "limits": self.limits_shown(), "state": self.stats() })
    }

    /// Cash legs by account, venue and asset, fees included, as text in 1e-8 of the asset.
    fn cash(&self) -> Value {
        let row = |(account, venue, asset, amount): (_, _, &str, i128)| {
            let (tidegate_units::AccountId(account), tidegate_units::VenueId(venue)) = (account, venue);
            json!({ "accountId": account, "venueId": venue, "asset": asset, "e8": e8(amount) })
        };
        self.core.state().ledger().iter().map(row).collect()
    }

    fn references(&self) -> Value {
        let now = self.now();
        let row = |row: &tidegate_instruments::Instrument| {
            let px = self.core.reference(InstrumentId(row.id), now).map(|r| row.format_px(r.px_ticks));
            (row.id.to_string(), px.map_or(Value::Null, Value::String))
        };
        Value::Object(self.core.table().iter().map(row).collect())
    }
}
