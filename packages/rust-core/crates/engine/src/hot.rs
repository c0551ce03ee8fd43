//! A hot thread and the narrow door JavaScript has to it.

use crate::limits::{CALLS_MAX, EVENTS_MAX};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// The world failed the loop in a way it cannot go on from: what, where and the remedy in one line.
#[derive(Debug, Clone)]
pub struct Fault(pub String);

impl<E: std::error::Error> From<E> for Fault {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// What a loop tells JavaScript: `{"type": "...", ...}`.
pub type Event = Value;

/// A line of the log, as JavaScript is told it.
pub(crate) fn log_event(level: &str, msg: &str, fields: Value) -> Event {
    let mut event = json!({ "type": "log", "level": level, "msg": msg });
    if let (Some(event), Value::Object(fields)) = (event.as_object_mut(), fields) {
        event.extend(fields);
    }
    event
}

/// One control request with its bulk body; answered exactly once, by the loop or by its end.
#[derive(Debug)]
pub struct Call {
    pub request: Value,
    pub body: Vec<u8>,
    reply: SyncSender<Value>,
}

impl Call {
    /// Answers the caller. A caller that has gone is no error.
    pub fn answer(self, value: Value) {
        let _ = self.reply.try_send(value);
    }
}

#[derive(Debug, Default)]
struct EventQueue {
    queue: Mutex<VecDeque<Event>>,
    ready: Condvar,
    dropped: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The loop's end of the door.
#[derive(Debug)]
pub struct Hot {
    calls: Receiver<Call>,
    events: Arc<EventQueue>,
    stats: Arc<Mutex<Value>>,
    stop: Arc<AtomicBool>,
    wake: Arc<OwnedFd>,
}

impl Hot {
    /// Whether the loop should drain and return.
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// A descriptor that becomes readable on a call or a stop.
    fn wake_fd(&self) -> RawFd {
        self.wake.as_raw_fd()
    }

    /// The waiting calls; also clears the wake descriptor.
    pub fn calls(&self) -> impl Iterator<Item = Call> + '_ {
        let mut buf = [0_u8; 8];
        let _ = rustix::io::read(self.wake_borrowed(), &mut buf);
        self.calls.try_iter()
    }

    fn wake_borrowed(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// Tells JavaScript something. Never waits; past the bound the oldest event goes and is counted.
    pub fn emit(&self, event: Event) {
        let mut queue = lock(&self.events.queue);
        if queue.len() >= EVENTS_MAX {
            queue.pop_front();
            self.events.dropped.fetch_add(1, Ordering::Relaxed);
        }
        queue.push_back(event);
        self.events.ready.notify_one();
    }

    /// Tells one line of the log; the fields go beside its level and message.
    pub fn log(&self, level: &str, msg: &str, fields: Value) {
        self.emit(log_event(level, msg, fields));
    }

    /// Waits until one of `items`, a call or a stop is there: at most `wait_ms`, not at all where the loop is `busy`.
    ///
    /// # Errors
    /// The system refuses the wait; an interrupted one is none.
    pub fn wait(&self, mut items: Vec<zmq::PollItem<'_>>, busy: bool, wait_ms: i64) -> Result<(), Fault> {
        items.push(zmq::PollItem::from_fd(self.wake_fd(), zmq::POLLIN));
        match zmq::poll(&mut items, if busy { 0 } else { wait_ms }) {
            Ok(_) | Err(zmq::Error::EINTR) => Ok(()),
            Err(error) => Err(Fault(format!("cannot wait for the loop's sockets: {error}"))),
        }
    }

    /// Publishes a fresh statistics object; a few times a second, not per event.
    pub fn set_stats(&self, stats: Value) {
        *lock(&self.stats) = stats;
    }
}

/// JavaScript's end of the door.
#[derive(Debug)]
pub struct Handle {
    calls: SyncSender<Call>,
    events: Arc<EventQueue>,
    stats: Arc<Mutex<Value>>,
    stop: Arc<AtomicBool>,
    wake: Arc<OwnedFd>,
    ended: Arc<Mutex<Option<Result<(), Fault>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Handle {
    fn wake(&self) {
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    /// Sends one control request and waits for its answer.
    ///
    /// # Errors
    /// The loop has ended, its queue of calls is full, or it did not answer in time.
    pub fn call(&self, request: Value, body: Vec<u8>, timeout: Duration) -> Result<Value, Fault> {
        let (reply, answer) = sync_channel(1);
        match self.calls.try_send(Call { request, body, reply }) {
            Ok(()) => self.wake(),
            Err(TrySendError::Full(_)) => {
                return Err(Fault("the loop has too many calls waiting; try again".into()));
            }
            Err(TrySendError::Disconnected(_)) => return Err(Fault(self.end_text())),
        }
        answer
            .recv_timeout(timeout)
            .map_err(|_| Fault(format!("no answer from the loop in {timeout:?}; {}", self.end_text())))
    }

    fn end_text(&self) -> String {
        match &*lock(&self.ended) {
            None => "the loop is running".into(),
            Some(Ok(())) => "the loop has stopped".into(),
            Some(Err(fault)) => format!("the loop has failed: {}", fault.0),
        }
    }

    /// Takes the events there are, waiting up to `timeout` for the first.
    pub fn take_events(&self, timeout: Duration) -> Vec<Event> {
        let mut queue = lock(&self.events.queue);
        if queue.is_empty() {
            queue = self.events.ready.wait_timeout(queue, timeout).unwrap_or_else(PoisonError::into_inner).0;
        }
        queue.drain(..).collect()
    }

    /// The last statistics, with `alive`, `fault` and `events_dropped` of the thread itself.
    pub fn stats(&self) -> Value {
        let mut stats = lock(&self.stats).clone();
        if !stats.is_object() {
            stats = Value::Object(serde_json::Map::new());
        }
        let ended = lock(&self.ended).clone();
        stats["alive"] = Value::Bool(ended.is_none());
        stats["fault"] = match ended {
            Some(Err(Fault(text))) => Value::String(text),
            _ => Value::Null,
        };
        stats["events_dropped"] = self.events.dropped.load(Ordering::Relaxed).into();
        stats
    }

    /// Asks the loop to drain, waits for it, and says how it ended.
    ///
    /// # Errors
    /// The fault the loop ended with.
    pub fn stop(&self) -> Result<(), Fault> {
        self.stop.store(true, Ordering::Release);
        self.wake();
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
        lock(&self.ended).clone().unwrap_or(Ok(()))
    }
}

/// Starts a hot loop on its own named thread. A panic in it ends it with a fault; nothing crosses to the caller.
///
/// # Errors
/// The system refuses a thread or an event descriptor.
pub fn spawn<F>(name: &str, body: F) -> Result<Handle, Fault>
where
    F: FnOnce(Hot) -> Result<(), Fault> + Send + 'static,
{
    let wake = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
    let (calls, receiver) = sync_channel(CALLS_MAX);
    let events = Arc::new(EventQueue::default());
    let stats = Arc::new(Mutex::new(Value::Null));
    let stop = Arc::new(AtomicBool::new(false));
    let ended = Arc::new(Mutex::new(None));
    let hot = Hot {
        calls: receiver,
        events: Arc::clone(&events),
        stats: Arc::clone(&stats),
        stop: Arc::clone(&stop),
        wake: Arc::clone(&wake),
    };
    let end = Arc::clone(&ended);
    let queue = Arc::clone(&events);
    let thread = std::thread::Builder::new().name(name.into()).spawn(move || {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| body(hot)));
        let result = result.unwrap_or_else(|payload| {
            let text = payload
                .downcast_ref::<&str>()
                .map(|s| (*s).to_string())
                .or_else(|| payload.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "unknown panic".into());
            Err(Fault(format!("bug: {text}")))
        });
        *lock(&end) = Some(result);
        queue.ready.notify_all();
    })?;
    Ok(Handle { calls, events, stats, stop, wake, ended, thread: Mutex::new(Some(thread)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo(hot: Hot) -> Result<(), Fault> {
        while !hot.stopping() {
            for call in hot.calls() {
                let value = json!({ "echo": call.request, "len": call.body.len() });
                call.answer(value);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    #[test]
    fn a_call_is_answered_and_a_stop_joins() {
        let handle = spawn("echo", echo).unwrap();
        let answer = handle.call(json!({"op": "x"}), vec![1, 2], Duration::from_secs(5)).unwrap();
        assert_eq!(answer, json!({"echo": {"op": "x"}, "len": 2}));
        handle.stop().unwrap();
        assert_eq!(handle.stats()["alive"], json!(false));
        assert!(handle.call(json!({}), vec![], Duration::from_millis(10)).is_err());
    }

    #[test]
    fn a_panic_is_a_fault_with_its_text() {
        let handle = spawn("boom", |_| -> Result<(), Fault> { panic!("broken {}", 1) }).unwrap();
        assert!(handle.stop().unwrap_err().0.contains("broken 1"));
        assert!(handle.stats()["fault"].as_str().unwrap().contains("bug: broken 1"));
    }

    #[test]
    fn events_are_bounded_and_the_loss_is_counted() {
        let handle = spawn("many", |hot| {
            for n in 0..EVENTS_MAX + 3 {
                hot.emit(json!(n));
            }
            Ok(())
        })
        .unwrap();
        handle.stop().unwrap();
        let events = handle.take_events(Duration::ZERO);
        assert_eq!(events.len(), EVENTS_MAX);
        assert_eq!(events[0], json!(3));
        assert_eq!(handle.stats()["events_dropped"], json!(3));
    }
}
