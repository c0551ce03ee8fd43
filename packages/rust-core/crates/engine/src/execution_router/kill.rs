//! The router's own kill switch: the last place an order passes, and one that needs nobody else.
//!
//! Held by the gateway over the command link, by a file that anybody who may write the run directory can make, or by a
//! signal. The latch is on disk before anything is done about it; then no NEW is written, and the shell cancels all.

use super::Loop;
use crate::latch::{Held, Latch};
use crate::{Fault, clock};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tidegate_bus::ends::PeerId;
use tidegate_bus::link::{Link, LinkState};
use tidegate_router::Event;
use tidegate_wire::envelope;
use tidegate_wire::pb::common::v1::Source;
use tidegate_wire::pb::control::v1::{ControlAction, ControlEvent};
use tidegate_wire::pb::envelope::v1::{Envelope, envelope::Payload};

/// The latch, the file, and what the gateway has to be told.
#[derive(Debug)]
pub struct KillSwitch {
    latch: Latch,
    file: PathBuf,
    /// Lifts to acknowledge, and whether the kill in force is to be told.
    tell: Vec<ControlEvent>,
    announce: bool,
    /// Cancelling everything has been asked of the shell for the kill of this time.
    asked_ts_ns: Option<i64>,
    /// The shell's last report.
    pub mass_cancel: Value,
}

/// Acknowledgements waiting for the link; the gateway asks again for what is dropped.
const TELL_MAX: usize = 16;

impl KillSwitch {
    pub fn open(latch: &Path, file: &Path, fresh: bool) -> Self {
        Self {
            latch: Latch::open(latch, fresh, clock::epoch_ns()),
            file: file.to_path_buf(),
            tell: Vec::new(),
            announce: false,
            asked_ts_ns: None,
            mass_cancel: Value::Null,
        }
    }

    pub const fn announce(&mut self) {
        self.announce = true;
    }

    /// When the kill in force was, ns since the Unix epoch.
    pub fn held_ts_ns(&self) -> Option<i64> {
        self.latch.held().map(|held| held.ts_ns)
    }

    /// What the shell has cancelled over REST and what the loop has over FIX; confirmed only where each venue is.
    /// `rest` says whether there is a venue of the shell's at all.
    pub fn cancelled(&self, fix: &[Value], rest: bool) -> Value {
        if fix.is_empty() || self.latch.held().is_none() {
            return self.mass_cancel.clone();
        }
        let said = |report: &Value| report["confirmed"] == true;
        let mut all = self.mass_cancel.clone();
        all["confirmed"] = (fix.iter().all(said) && (said(&all) || !rest)).into();
        all["fix"] = fix.into();
        all
    }

    /// Who killed, when and why; null while orders may leave.
    pub fn shown(&self) -> Value {
        self.latch.held().map_or(
            Value::Null,
            |held| json!({ "by": held.by, "reason": held.reason, "tsNs": held.ts_ns.to_string() }),
        )
    }

    /// Whether the file says kill. A path that cannot be looked at says so too: nobody knows what it would say.
    fn file_says(&self) -> Option<String> {
        match self.file.try_exists() {
            Ok(false) => None,
            Ok(true) => Some(format!("the kill file {} is there", self.file.display())),
            Err(error) => {
                Some(format!("the kill file {} cannot be looked for: {error}", self.file.display()))
            }
        }
    }

    fn event(held: &Held) -> ControlEvent {
        ControlEvent {
            action: ControlAction::Kill.into(),
            principal: held.by.clone(),
            reason: held.reason.clone(),
            ts_ns: held.ts_ns,
            ..ControlEvent::default()
        }
    }
}

impl Loop<'_> {
    /// Kills: latched first. A kill that is in force already stands as it is.
    pub(super) fn kill(&mut self, by: &str, reason: &str) {
        self.kill_at(by, reason, clock::epoch_ns());
    }

    fn kill_at(&mut self, by: &str, reason: &str, ts_ns: i64) {
        self.kill.announce = true;
        if self.kill.latch.held().is_some() {
            return;
        }
        let by = if by.is_empty() { "unnamed" } else { by };
        if let Err(fault) = self.kill.latch.hold(by, reason, ts_ns) {
            self.hot.log("error", "the kill latch could not be written", json!({ "why": fault.0 }));
        }
        self.hot.log(
            "error",
            "killed",
            json!({
                "by": by, "reason": reason, "tsNs": ts_ns.to_string(),
                "latchedNs": clock::epoch_ns().to_string(),
            }),
        );
    }

    /// The last look before an order's bytes: the latch, and the file, which may have come since.
    pub(super) fn killed_now(&mut self) -> bool {
        if self.kill.latch.held().is_none()
            && let Some(why) = self.kill.file_says()
        {
            self.kill("file", &why);
        }
        self.kill.latch.held().is_some()
    }

    /// Looks at the file, has the core stop and cancel, has everything at the venue cancelled once per kill, and tells the
    /// gateways.
    pub(super) fn watch_kill(&mut self) -> Result<(), Fault> {
        if self.kill.latch.held().is_none()
            && let Some(why) = self.kill.file_says()
        {
            self.kill("file", &why);
        }
        let held_ts_ns = self.kill.latch.held().map(|held| held.ts_ns);
        let latched = held_ts_ns.is_some();
        if latched != self.router.killed() {
            self.apply(Event::Kill { latched })?;
        }
        if held_ts_ns != self.kill.asked_ts_ns {
            self.kill.asked_ts_ns = held_ts_ns;
            let event = if held_ts_ns.is_some() { "mass_cancel_wanted" } else { "mass_cancel_done" };
            let ts = held_ts_ns.unwrap_or(0).to_string();
            self.hot.emit(json!({ "type": event, "killTsNs": ts }));
        }
        self.tell_gateways();
        Ok(())
    }

    /// Every gateway hears it, so that one that follows holds its latch too. One that is not in step hears it when it is.
    fn tell_gateways(&mut self) {
        let in_step =
            |(peer, _, link): (PeerId, &str, &Link)| (link.state() == LinkState::Synced).then_some(peer);
        let peers: Vec<PeerId> = self.link.peers().filter_map(in_step).collect();
        if peers.is_empty() {
            return;
        }
        if std::mem::take(&mut self.kill.announce)
            && let Some(held) = self.kill.latch.held()
        {
            self.kill.tell.push(KillSwitch::event(held));
        }
        let now_ns = clock::epoch_ns();
        for event in std::mem::take(&mut self.kill.tell) {
            let again = event.action() == ControlAction::Kill;
            let envelope = Envelope {
                schema_version: 1,
                source: Source::ExecutionRouter.into(),
                ts_event_ns: now_ns,
                ts_recv_ns: now_ns,
                payload: Some(Payload::ControlEvent(event)),
                ..Envelope::default()
            };
            let bytes = envelope::encode(&envelope);
            for peer in &peers {
                if self.link.send(clock::mono_ns(), *peer, &bytes).is_err() && again {
                    self.kill.announce = true;
                }
            }
        }
    }

    /// What a gateway says: a kill of any of them is latched and acknowledged; a lift is the leader's, whose journal holds
    /// who wanted it, and must name the kill in force.
    pub(super) fn on_control(&mut self, peer: PeerId, event: &ControlEvent) -> Result<(), Fault> {
        match event.action() {
            ControlAction::Kill => {
                self.kill_at(&event.principal, &event.reason, event.ts_ns);
                self.watch_kill()
            }
            ControlAction::Unkill if self.gateways.leads(peer) => self.lift(event.kill_ts_ns),
            // It says so again until it leads.
            ControlAction::Unkill => Ok(()),
            _ => {
                self.bad_payloads += 1;
                Ok(())
            }
        }
    }

    fn lift(&mut self, kill_ts_ns: i64) -> Result<(), Fault> {
        let in_force = self.kill.latch.held().map(|held| held.ts_ns);
        match in_force {
            Some(ts_ns) if ts_ns != kill_ts_ns => self.kill.announce = true,
            Some(_) => {
                if let Err(fault) = self.kill.latch.lift() {
                    self.hot.log("error", "the kill latch could not be lifted", json!({ "why": fault.0 }));
                    return Ok(());
                }
                // A file that is still there is a new kill, and the gateway hears why its lift did not last.
                if let Some(why) = self.kill.file_says() {
                    self.kill("file", &format!("{why}; remove it, then un-kill"));
                } else {
                    self.hot.log("warn", "the kill is lifted", json!({ "killTsNs": kill_ts_ns.to_string() }));
                    self.let_go(kill_ts_ns);
                }
            }
            None => self.let_go(kill_ts_ns),
        }
        self.watch_kill()
    }

    fn let_go(&mut self, kill_ts_ns: i64) {
        if self.kill.tell.len() < TELL_MAX {
            self.kill.tell.push(ControlEvent {
                action: ControlAction::Unkill.into(),
                principal: "execution-router".into(),
                kill_ts_ns,
                ..ControlEvent::default()
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b049_a_kill_is_confirmed_only_where_every_venue_is() {
        let dir = tempfile::tempdir().unwrap();
        let mut kill = KillSwitch::open(&dir.path().join("latch"), &dir.path().join("kill"), true);
        let said = |confirmed: bool| json!({ "confirmed": confirmed });
        assert_eq!(kill.cancelled(&[said(false)], false), Value::Null, "nobody has killed");
        kill.latch.hold("a", "b", 7).unwrap();
        let confirmed =
            |kill: &KillSwitch, fix: &[Value], rest| kill.cancelled(fix, rest)["confirmed"].clone();
        assert_eq!(confirmed(&kill, &[said(true)], false), true);
        assert_eq!(confirmed(&kill, &[said(true), said(false)], false), false);
        assert_eq!(confirmed(&kill, &[said(true)], true), false, "the shell has said nothing");
        kill.mass_cancel = said(true);
        assert_eq!(confirmed(&kill, &[said(true)], true), true);
        assert_eq!(confirmed(&kill, &[said(false)], true), false);
        assert_eq!(kill.cancelled(&[], true), said(true), "without FIX it is the shell's word");
    }
}
