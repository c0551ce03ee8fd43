//! The hash of what a segment holds before its footer, taken beside the writer: while a barrier waits for the disk, a thread
//! hashes what the disk is writing.

use crate::limits::{HASH_PIECE_BYTES, HASH_PIECES_MAX};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

enum Job {
    Piece(Vec<u8>),
    /// The hash up to here is asked for.
    Tell,
}

#[derive(Debug)]
struct Helper {
    jobs: SyncSender<Job>,
    /// Buffers that were taken in, to be filled again.
    spare: Receiver<Vec<u8>>,
    told: Receiver<[u8; 32]>,
}

impl Helper {
    /// Goes on with a hash; `None` where the system has no thread to give.
    fn start(mut hasher: blake3::Hasher) -> Option<Self> {
        let (jobs, due) = sync_channel(HASH_PIECES_MAX);
        let (give, spare) = sync_channel(HASH_PIECES_MAX);
        let (tell, told) = sync_channel(1);
        let work = move || {
            for job in due {
                match job {
                    Job::Piece(mut bytes) => {
                        hasher.update(&bytes);
                        bytes.clear();
                        // Where enough lie there it is given up.
                        let _ = give.try_send(bytes);
                    }
                    Job::Tell => {
                        let _ = tell.send(*hasher.finalize().as_bytes());
                    }
                }
            }
        };
        std::thread::Builder::new().name("wal-hash".into()).spawn(work).ok()?;
        Some(Self { jobs, spare, told })
    }
}

/// A BLAKE3 hash in the making. A thread is started for the first piece and ends with this; what holds less has none.
#[derive(Debug)]
pub(crate) struct Digest {
    /// Of everything before the thread was started.
    hasher: blake3::Hasher,
    /// What was not hashed or handed over yet.
    piece: Vec<u8>,
    helper: Option<Helper>,
}

impl Digest {
    pub fn new(bytes: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(bytes);
        Self { hasher, piece: Vec::new(), helper: None }
    }

    /// Takes `bytes` in and leaves an empty buffer in their place: a large block goes to the thread as it is.
    pub fn take(&mut self, bytes: &mut Vec<u8>) {
        if self.piece.is_empty() {
            std::mem::swap(&mut self.piece, bytes);
        } else {
            self.piece.extend_from_slice(bytes);
        }
        bytes.clear();
        if self.piece.len() < HASH_PIECE_BYTES {
            return;
        }
        if self.helper.is_none() {
            self.helper = Helper::start(self.hasher.clone());
        }
        match &self.helper {
            Some(helper) => {
                let empty = helper.spare.try_recv().unwrap_or_default();
                // A thread that is gone is found out by who asks for the hash.
                let _ = helper.jobs.send(Job::Piece(std::mem::replace(&mut self.piece, empty)));
            }
            None => {
                self.hasher.update(&self.piece);
                self.piece.clear();
            }
        }
    }

    /// The hash of everything so far; may be asked for again. `None` when the thread that had it is gone.
    pub fn finish(&mut self) -> Option<[u8; 32]> {
        let Some(helper) = &self.helper else {
            self.hasher.update(&self.piece);
            self.piece.clear();
            return Some(*self.hasher.finalize().as_bytes());
        };
        helper.jobs.send(Job::Piece(std::mem::take(&mut self.piece))).ok()?;
        helper.jobs.send(Job::Tell).ok()?;
        helper.told.recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_hash_of_the_whole_however_it_was_cut() {
        let all: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for size in [1, 328, 4_096, 65_536, 200_001, 3_000_000] {
            // Bytes one by one: fewer of them do.
            let all = if size == 1 { &all[..200_000] } else { &all[..] };
            let mut digest = Digest::new(&all[..7]);
            for (at, piece) in all[7..].chunks(size).enumerate() {
                let mut bytes = piece.to_vec();
                digest.take(&mut bytes);
                assert!(bytes.is_empty());
                if at == 3 {
                    let so_far = (7 + 4 * size).min(all.len());
                    assert_eq!(digest.finish(), Some(*blake3::hash(&all[..so_far]).as_bytes()), "{size}");
                }
            }
            let whole = Some(*blake3::hash(all).as_bytes());
            assert_eq!((digest.finish(), digest.finish()), (whole, whole), "{size}");
            assert!(digest.helper.is_some(), "the thread had a part in it");
        }
    }

    #[test]
    fn what_holds_less_than_a_piece_has_no_thread() {
        let mut digest = Digest::new(b"head");
        digest.take(&mut vec![1; HASH_PIECE_BYTES - 1]);
        assert!(digest.finish().is_some() && digest.helper.is_none());
    }
}
