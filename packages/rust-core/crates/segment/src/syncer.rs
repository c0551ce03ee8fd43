//! Syncs beside the writer, on a thread that is started for the first.

use crate::limits::SYNCS_MAX;
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;

/// The thread; it ends with this value.
#[derive(Debug)]
pub(crate) struct Syncer {
    due: Option<SyncSender<Arc<OwnedFd>>>,
    done: Receiver<Result<(), Errno>>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    /// `None` where the system has no thread to give.
    pub fn start() -> Option<Self> {
        let (due, files) = sync_channel::<Arc<OwnedFd>>(SYNCS_MAX);
        let (tell, done) = sync_channel(SYNCS_MAX);
        let work = move || {
            for file in files {
                if tell.send(rustix::fs::fdatasync(&*file)).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("sync".into()).spawn(work).ok()?;
        Some(Self { due: Some(due), done, thread: Some(thread) })
    }

    /// Hands a file over; false when the thread is gone.
    pub fn begin(&self, file: &Arc<OwnedFd>) -> bool {
        self.due.as_ref().is_some_and(|due| due.send(Arc::clone(file)).is_ok())
    }

    /// How the oldest sync ended, `None` while it has not.
    pub fn end(&self, wait: bool) -> Result<Option<()>, Errno> {
        let outcome = if wait {
            self.done.recv().map_err(|_| TryRecvError::Disconnected)
        } else {
            self.done.try_recv()
        };
        match outcome {
            Ok(outcome) => outcome.map(Some),
            Err(TryRecvError::Empty) => Ok(None),
            // What it did not tell cannot be counted on.
            Err(TryRecvError::Disconnected) => Err(Errno::IO),
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        drop(self.due.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
