//! The gateway's approval of a new order: a token that binds the whole command to the limits it was decided under and to
//! a time, made with a key that only the gateway and the router have. Without it the router sends nothing, so that no
//! process that reaches the command link, and no change on the way, makes an order.
//!
//! Token, in hex: version 1 (1 byte) · limits version (4) · expiry in ns since the Unix epoch (8), both little-endian ·
//! keyed BLAKE3 over a domain, those fields and every field of the command (32).

use crate::limits::APPROVAL_LEN;
use crate::pb::orders::v1::{Command, Reason};
use data_encoding::HEXLOWER_PERMISSIVE;
use prost::Message;
use std::fmt;

const VERSION: u8 = 1;
const HEAD_LEN: usize = 13;
const DOMAIN: &[u8] = b"tidegate approval v1";

/// The shared key. It shows itself nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct ApprovalKey([u8; 32]);

impl ApprovalKey {
    /// A key of 32 bytes from a file or a random source.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    fn mac(&self, head: &[u8], command: &Command) -> blake3::Hash {
        let bare = Command { approval: String::new(), ..command.clone() };
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(DOMAIN).update(head).update(&bare.encode_to_vec());
        hasher.finalize()
    }
}

impl fmt::Debug for ApprovalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApprovalKey(…)")
    }
}

/// Makes approvals.
#[derive(Debug, Clone)]
pub struct Approver(ApprovalKey);

impl Approver {
    pub const fn new(key: ApprovalKey) -> Self {
        Self(key)
    }

    /// The token of a command that is otherwise complete.
    pub fn approve(&self, command: &Command, limits_version: u32, expires_ns: i64) -> String {
        let mut token = vec![VERSION];
        token.extend_from_slice(&limits_version.to_le_bytes());
        token.extend_from_slice(&expires_ns.to_le_bytes());
        let mac = self.0.mac(&token, command);
        token.extend_from_slice(mac.as_bytes());
        HEXLOWER_PERMISSIVE.encode(&token)
    }
}

/// Checks approvals, each once.
#[derive(Debug, Clone)]
pub struct Verifier {
    key: ApprovalKey,
    /// The newest command approved: (epoch, sequence). Sequences rise, so that what is not newer was used.
    newest: (u32, u64),
    limits_version: u32,
}

impl Verifier {
    /// A verifier that has seen commands up to one, as a restart knows them.
    pub const fn new(key: ApprovalKey, newest: (u32, u64)) -> Self {
        Self { key, newest, limits_version: 0 }
    }

    /// Counts a command as used, as a restart finds it in the journal.
    pub fn seen(&mut self, epoch: u32, command_seq: u64) {
        self.newest = self.newest.max((epoch, command_seq));
    }

    /// Takes the approval of a new order, or says why it is none.
    ///
    /// # Errors
    /// `APPROVAL_MISSING`, `APPROVAL_ALTERED` (another command, another key, no token), `APPROVAL_EXPIRED` (its time has
    /// passed, or newer limits are in force), `APPROVAL_REPLAYED`. Nothing is remembered of a refused one.
    pub fn verify(&mut self, command: &Command, now_ns: i64) -> Result<(), Reason> {
        if command.approval.is_empty() {
            return Err(Reason::ApprovalMissing);
        }
        let token = HEXLOWER_PERMISSIVE.decode(command.approval.as_bytes());
        let token = token.ok().filter(|t| t.len() * 2 == APPROVAL_LEN && t.first() == Some(&VERSION));
        let token = token.ok_or(Reason::ApprovalAltered)?;
        let (head, mac) = token.split_at(HEAD_LEN);
        let mut told = [0_u8; 32];
        told.copy_from_slice(mac);
        // The comparison of two hashes takes the same time wherever they differ.
        if self.key.mac(head, command) != blake3::Hash::from_bytes(told) {
            return Err(Reason::ApprovalAltered);
        }
        let mut version = [0_u8; 4];
        version.copy_from_slice(&head[1..5]);
        let mut expires = [0_u8; 8];
        expires.copy_from_slice(&head[5..13]);
        let version = u32::from_le_bytes(version);
        if now_ns > i64::from_le_bytes(expires) || version < self.limits_version {
            return Err(Reason::ApprovalExpired);
        }
        let this = (command.gateway_epoch, command.command_seq);
        if this <= self.newest {
            return Err(Reason::ApprovalReplayed);
        }
        (self.newest, self.limits_version) = (this, version);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::common::v1::IntentId;

    const KEY: ApprovalKey = ApprovalKey::new([7; 32]);

    fn approved(seq: u64, expires_ns: i64) -> Command {
        let command = Command {
            command_seq: seq,
            gateway_epoch: 3,
            holder: 9,
            kind: 1,
            intent_id: Some(IntentId { hi: 1, lo: 2 }),
            client_order_id: "c".into(),
            instrument_id: 1,
            venue_id: 1,
            account_id: 1,
            side: 1,
            order_type: 1,
            tif: 1,
            px_ticks: 600_000,
            qty_lots: 5,
            ..Command::default()
        };
        let approval = Approver::new(KEY).approve(&command, 4, expires_ns);
        Command { approval, ..command }
    }

    #[test]
    fn b051_a_token_is_good_once_until_its_last_nanosecond() {
        let mut verifier = Verifier::new(KEY, (0, 0));
        assert_eq!(approved(1, 100).approval.len(), APPROVAL_LEN);
        assert_eq!(verifier.verify(&approved(1, 100), 101), Err(Reason::ApprovalExpired));
        assert_eq!(verifier.verify(&approved(1, 100), 100), Ok(()));
        assert_eq!(verifier.verify(&approved(1, 100), 100), Err(Reason::ApprovalReplayed));
        assert_eq!(verifier.verify(&approved(2, 101), 100), Ok(()));
        assert_eq!(verifier.verify(&approved(1, 200), 100), Err(Reason::ApprovalReplayed));
        // A restart knows what was sent.
        assert_eq!(Verifier::new(KEY, (3, 2)).verify(&approved(2, 101), 100), Err(Reason::ApprovalReplayed));
    }

    #[test]
    fn b051_every_field_that_changes_makes_it_another_order() {
        let base = approved(1, 100);
        let changes: &[fn(&mut Command)] = &[
            |c| c.command_seq += 1,
            |c| c.gateway_epoch += 1,
            |c| c.holder += 1,
            |c| c.kind = 2,
            |c| c.intent_id = Some(IntentId { hi: 1, lo: 3 }),
            |c| c.client_order_id = "d".into(),
            |c| c.generation += 1,
            |c| c.instrument_id += 1,
            |c| c.venue_id += 1,
            |c| c.account_id += 1,
            |c| c.side = 2,
            |c| c.order_type = 2,
            |c| c.tif = 2,
            |c| c.px_ticks += 1,
            |c| c.qty_lots += 1,
            |c| c.ttl_ns += 1,
            |c| c.strategy_version += 1,
            |c| c.trader_id += 1,
            |c| c.desk_id += 1,
            |c| c.client_id += 1,
            |c| c.command_mono_ns += 1,
            |c| c.approval.replace_range(89..90, if c.approval.ends_with('0') { "1" } else { "0" }),
            |c| c.approval.replace_range(2..4, "ff"),
            |c| c.approval.replace_range(0..2, "02"),
            |c| c.approval.replace_range(0..2, "zz"),
            |c| c.approval.truncate(88),
        ];
        for (n, change) in changes.iter().enumerate() {
            let mut altered = base.clone();
            change(&mut altered);
            let refused = Verifier::new(KEY, (0, 0)).verify(&altered, 100);
            assert_eq!(refused, Err(Reason::ApprovalAltered), "change {n}");
        }
        let other = Verifier::new(ApprovalKey::new([8; 32]), (0, 0)).verify(&base, 100);
        assert_eq!(other, Err(Reason::ApprovalAltered));
        let bare = Command { approval: String::new(), ..base };
        assert_eq!(Verifier::new(KEY, (0, 0)).verify(&bare, 100), Err(Reason::ApprovalMissing));
    }

    #[test]
    fn b051_limits_that_are_not_in_force_any_more_approve_nothing() {
        let mut verifier = Verifier::new(KEY, (0, 0));
        let newer = Command { command_seq: 1, ..approved(1, 100) };
        let newer = Command {
            approval: Approver::new(KEY).approve(
                &Command { approval: String::new(), ..newer.clone() },
                5,
                100,
            ),
            ..newer
        };
        assert_eq!(verifier.verify(&newer, 100), Ok(()));
        assert_eq!(verifier.verify(&approved(2, 100), 100), Err(Reason::ApprovalExpired));
        assert_eq!(format!("{KEY:?}"), "ApprovalKey(…)");
    }
}
