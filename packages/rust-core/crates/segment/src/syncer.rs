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
        Self::start_with(|file| rustix::fs::fdatasync(file))
    }

    fn start_with(sync: impl Fn(&OwnedFd) -> Result<(), Errno> + Send + 'static) -> Option<Self> {
        let (due, files) = sync_channel::<Arc<OwnedFd>>(SYNCS_MAX);
        let (tell, done) = sync_channel(SYNCS_MAX);
        let work = move || {
            let mut next = files.recv().ok();
            while let Some(file) = next {
                // What was written before a file was handed over is covered by a sync that begins after: one for all that wait.
                let mut covered = 1;
                next = None;
                while let Ok(other) = files.try_recv() {
                    if !Arc::ptr_eq(&file, &other) {
                        next = Some(other);
                        break;
                    }
                    covered += 1;
                }
                let outcome = sync(&file);
                if (0..covered).any(|_| tell.send(outcome).is_err()) {
                    return;
                }
                next = next.or_else(|| files.recv().ok());
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

    fn file() -> Arc<OwnedFd> {
        Arc::new(std::fs::File::open("/dev/null").unwrap().into())
    }

    /// A syncer whose syncs end as the test says, one by one, and tell that they began.
    fn held() -> (Syncer, std::sync::mpsc::Sender<Result<(), Errno>>, std::sync::mpsc::Receiver<()>) {
        let ((say, said), (begins, begun)) = (channel(), channel());
        let said = Mutex::new(said);
        let sync = move |_: &OwnedFd| {
            begins.send(()).unwrap();
            said.lock().unwrap().recv().unwrap()
        };
        (Syncer::start_with(sync).unwrap(), say, begun)
    }

    #[test]
    fn a31_one_sync_covers_all_that_waited_for_it_to_begin_and_nothing_that_came_later() {
        let (syncer, say, begun) = held();
        let file = file();
        assert!(syncer.begin(&file));
        begun.recv().unwrap();
        for _ in 1..SYNCS_MAX {
            assert!(syncer.begin(&file), "it waits for the one that has begun");
        }
        say.send(Ok(())).unwrap();
        assert_eq!(syncer.end(true), Ok(Some(())));
        begun.recv().unwrap();
        assert_eq!(syncer.end(false), Ok(None), "the first sync began before they were handed over");
        say.send(Ok(())).unwrap();
        for _ in 1..SYNCS_MAX {
            assert_eq!(syncer.end(true), Ok(Some(())));
        }
        assert!(begun.try_recv().is_err(), "one for all of them");
    }

    #[test]
    fn a31_a_sync_that_fails_fails_for_all_it_covers_and_another_file_has_its_own() {
        let (syncer, say, begun) = held();
        let (one, other) = (file(), file());
        assert!(syncer.begin(&one));
        begun.recv().unwrap();
        assert!(syncer.begin(&one) && syncer.begin(&one) && syncer.begin(&other));
        say.send(Ok(())).unwrap();
        assert_eq!(syncer.end(true), Ok(Some(())));
        say.send(Err(Errno::IO)).unwrap();
        assert_eq!((syncer.end(true), syncer.end(true)), (Err(Errno::IO), Err(Errno::IO)));
        say.send(Ok(())).unwrap();
        assert_eq!(syncer.end(true), Ok(Some(())), "what another file has is not lost with it");
    }
}
