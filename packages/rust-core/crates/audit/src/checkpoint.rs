//! Signed statements of how far the trail goes.

use crate::AuditFault;
use crate::format::{Digest, hash};
use crate::limits::CHECKPOINTS_MAX;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use std::fmt;
use tidegate_segment::Storage;

pub(crate) const FILE: &str = "checkpoints";
pub(crate) const BYTES: usize = 168;
const SIGNED_BYTES: usize = BYTES - 64;
const MAGIC: u32 = u32::from_le_bytes(*b"TGCK");
const VERSION: u32 = 1;

/// The private key that signs. Its bytes are shown nowhere.
pub struct SigningKey(Ed25519KeyPair);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

/// The key whose owner signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    fn id(self) -> [u8; 8] {
        let full = hash(&[&self.0]);
        let mut id = [0; 8];
        id.copy_from_slice(&full[..8]);
        id
    }
}

impl SigningKey {
    /// The key of a 32-byte seed (RFC 8032).
    ///
    /// # Errors
    /// A seed of another length.
    pub fn from_seed(seed: &[u8]) -> Result<Self, AuditFault> {
        let key = Ed25519KeyPair::from_seed_unchecked(seed);
        key.map(Self)
            .map_err(|_| AuditFault::Config(format!("a signing key of {} bytes: want 32", seed.len())))
    }

    /// The half that may be shown.
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(bytes)
    }
}

/// How far the trail goes, and its head there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// From 1 without holes.
    pub number: u64,
    /// Records there are.
    pub last_seq: u64,
    /// Ns since the Unix epoch, when it was signed.
    pub ts_utc_ns: i64,
    /// Hash of record `last_seq`.
    pub head: Digest,
    /// SHA-256 of the checkpoint before.
    pub prev: Digest,
}

impl Checkpoint {
    pub(crate) fn sign(&self, key: &SigningKey) -> Vec<u8> {
        let mut out = Vec::with_capacity(BYTES);
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.last_seq.to_le_bytes());
        out.extend_from_slice(&self.ts_utc_ns.to_le_bytes());
        out.extend_from_slice(&self.head);
        out.extend_from_slice(&self.prev);
        out.extend_from_slice(&key.public().id());
        let signature = key.0.sign(&out);
        out.extend_from_slice(signature.as_ref());
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let u64_at = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let digest_at = |at: usize| bytes.get(at..at + 32)?.try_into().ok();
        (bytes.get(..4)? == MAGIC.to_le_bytes() && bytes.get(4..8)? == VERSION.to_le_bytes()).then_some(())?;
        Some(Self {
            number: u64_at(8)?,
            last_seq: u64_at(16)?,
            ts_utc_ns: u64_at(24)?.cast_signed(),
            head: digest_at(32)?,
            prev: digest_at(64)?,
        })
    }
}

/// The checkpoints of one place, as far as they hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Checkpoints {
    pub held: Vec<Checkpoint>,
    /// SHA-256 of the last one.
    pub head: Digest,
    /// What is wrong with the next.
    pub fault: Option<String>,
    /// Bytes of the whole ones.
    pub bytes: u64,
}

/// Reads them and checks their chain and, with a key, their signatures.
pub(crate) fn read<S: Storage>(storage: &S, key: Option<PublicKey>) -> Result<Checkpoints, AuditFault> {
    let mut found = Checkpoints::default();
    if !storage.list()?.iter().any(|name| name == FILE) {
        return Ok(found);
    }
    let len = storage.len(FILE)?.min(CHECKPOINTS_MAX * BYTES as u64);
    let mut bytes = Vec::new();
    storage.read(FILE, 0, len as usize, &mut bytes)?;
    for each in bytes.chunks_exact(BYTES) {
        let number = found.held.len() as u64 + 1;
        let last_seq = found.held.last().map_or(0, |last| last.last_seq);
        let Some(point) = Checkpoint::decode(each) else {
            found.fault = Some(format!("checkpoint {number} is not whole"));
            break;
        };
        if point.number != number || point.prev != found.head || point.last_seq < last_seq {
            found.fault = Some(format!("checkpoint {number} does not follow the one before"));
            break;
        }
        if let Some(key) = key
            && (each[96..104] != key.id()
                || UnparsedPublicKey::new(&ED25519, key.0)
                    .verify(&each[..SIGNED_BYTES], &each[SIGNED_BYTES..])
                    .is_err())
        {
            found.fault = Some(format!("checkpoint {number} is not signed by the key that was given"));
            break;
        }
        found.head = hash(&[each]);
        found.held.push(point);
        found.bytes += BYTES as u64;
    }
    Ok(found)
}
