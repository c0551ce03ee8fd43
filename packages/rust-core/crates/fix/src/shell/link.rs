//! Sessions over TCP: one thread, one poll.

use crate::acceptor::{Acceptor, Unattached};
use crate::limits::{READ_BYTES, SESSIONS_MAX, STAGED_BYTES_MAX};
use crate::session::{Application, Close, Instant, Session};
use crate::store::Store;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Longest wait of the poll, in ns: how late a driver is asked when nothing else happens.
const POLL_NS_MAX: u64 = 20_000_000;
/// How long a connection may stay without a Logon, in ns.
const ATTACH_WAIT_NS: u64 = 10_000_000_000;
/// How long each address is tried.
const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// Connections without a session.
const UNATTACHED_MAX: usize = 16;

/// The clocks of this machine.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: std::time::Instant,
}

impl Default for Clock {
    fn default() -> Self {
        Self { origin: std::time::Instant::now() }
    }
}

impl Clock {
    /// Now. The monotonic part begins at 1 s, so that no wait is before it.
    pub fn now(&self) -> Instant {
        let ns = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Instant { wall: ns(wall).cast_signed(), mono: ns(self.origin.elapsed()) + 1_000_000_000 }
    }
}

/// Whether a driver goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Go {
    On,
    /// Drop the connection now, without a Logout. What is staged is kept by the store and not written.
    Drop,
    /// End the loop; an open session should be logged out before.
    Stop,
}

/// An application that also acts on its own.
pub trait Driver<S>: Application {
    /// Called after everything received was taken, and at least every 20 ms. What was received must have had its lasting effect
    /// when this returns: the session then confirms it.
    fn drive(&mut self, session: &mut Session<S>, now: Instant) -> Go;
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The session said so.
    Session(Close),
    /// The peer closed.
    Peer,
    /// The driver dropped it.
    Dropped,
    /// The driver stopped.
    Stopped,
    /// The socket failed, or the peer does not read: more than [`STAGED_BYTES_MAX`] bytes wait for it.
    Socket(ErrorKind),
}

/// One socket and what could not be written to it yet.
#[derive(Debug)]
struct Link {
    stream: TcpStream,
    out: Vec<u8>,
    inbound: Vec<u8>,
}

impl Link {
    fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, out: Vec::new(), inbound: vec![0; READ_BYTES] })
    }

    /// Reads what is there, once. None: nothing; 0: the peer closed.
    fn read(&mut self) -> io::Result<Option<usize>> {
        match self.stream.read(&mut self.inbound) {
            Ok(count) => Ok(Some(count)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes what the socket takes.
    fn write(&mut self) -> io::Result<()> {
        while !self.out.is_empty() {
            match self.stream.write(&self.out) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.out.drain(..count);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.out.len() > STAGED_BYTES_MAX { Err(ErrorKind::OutOfMemory.into()) } else { Ok(()) }
    }

    /// Lets one session do everything it can now. `first` are bytes that were read before it was known.
    fn turn<S: Store>(
        &mut self,
        session: &mut Session<S>,
        driver: &mut dyn Driver<S>,
        first: &[u8],
        clock: Clock,
    ) -> Option<End> {
        let mut ended = None;
        if first.is_empty() {
            match self.read() {
                Ok(None) => {}
                Ok(Some(0)) => ended = Some(End::Peer),
                Ok(Some(count)) => session.receive(&self.inbound[..count], clock.now(), driver),
                Err(error) => ended = Some(End::Socket(error.kind())),
            }
        } else {
            session.receive(first, clock.now(), driver);
        }
        session.tick(clock.now(), driver);
        let go = driver.drive(session, clock.now());
        session.confirm();
        let flushed = session.flush(&mut self.out);
        if ended.is_none()
            && go != Go::Drop
            && let Err(error) = self.write()
        {
            ended = Some(End::Socket(error.kind()));
        }
        if let Some(close) = session.closing() {
            ended = Some(End::Session(close));
        } else if flushed.is_err() {
            ended = Some(End::Session(Close::Store));
        }
        match go {
            Go::On => {}
            Go::Drop => ended = ended.or(Some(End::Dropped)),
            Go::Stop => ended = ended.or(Some(End::Stopped)),
        }
        if ended.is_some() {
            let _ = self.stream.shutdown(Shutdown::Both);
            session.disconnected(clock.now());
            let _ = session.flush(&mut Vec::new());
        }
        ended
    }

    fn poll_flags(&self) -> PollFlags {
        if self.out.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT }
    }
}

fn wait(fds: &mut [PollFd<'_>], now: Instant, timer: Option<u64>) -> io::Result<()> {
    let left = timer.map_or(POLL_NS_MAX, |timer| timer.saturating_sub(now.mono).min(POLL_NS_MAX));
    let timeout = Timespec { tv_sec: 0, tv_nsec: left.cast_signed() };
    match poll(fds, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Connects an initiator's session and runs it until the connection ends.
///
/// # Errors
/// The connection cannot be made, or the poll fails.
pub fn dial<S: Store>(
    address: impl ToSocketAddrs,
    session: &mut Session<S>,
    driver: &mut dyn Driver<S>,
    clock: Clock,
) -> io::Result<End> {
    let mut stream = Err(ErrorKind::AddrNotAvailable.into());
    for address in address.to_socket_addrs()? {
        stream = TcpStream::connect_timeout(&address, CONNECT_WAIT);
        if stream.is_ok() {
            break;
        }
    }
    let mut link = Link::new(stream?)?;
    session.connect(clock.now());
    loop {
        if let Some(end) = link.turn(session, driver, &[], clock) {
            return Ok(end);
        }
        let flags = link.poll_flags();
        wait(&mut [PollFd::new(&link.stream, flags)], clock.now(), session.next_timer())?;
    }
}

/// Runs the sessions of an acceptor until the driver stops, or `ended`, which hears how each connection ended, says so.
///
/// # Errors
/// The listener or the poll fails.
pub fn listen<S: Store>(
    listener: &TcpListener,
    acceptor: &mut Acceptor<S>,
    driver: &mut dyn Driver<S>,
    clock: Clock,
    ended: &mut dyn FnMut(usize, End) -> Go,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut waiting: Vec<(Link, Vec<u8>, u64)> = Vec::new();
    let mut links: Vec<(Link, usize)> = Vec::new();
    loop {
        match listener.accept() {
            Ok((stream, _)) if waiting.len() < UNATTACHED_MAX && links.len() < SESSIONS_MAX => {
                waiting.push((Link::new(stream)?, Vec::new(), clock.now().mono));
            }
            Ok((stream, _)) => drop(stream),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
        let mut at = 0;
        while let Some((link, bytes, since)) = waiting.get_mut(at) {
            let now = clock.now();
            let closed = match link.read() {
                Ok(Some(0)) | Err(_) => true,
                Ok(Some(count)) => {
                    bytes.extend_from_slice(&link.inbound[..count]);
                    false
                }
                Ok(None) => false,
            };
            match acceptor.attach(bytes, now) {
                Ok(session) => {
                    let (mut link, bytes, _) = waiting.swap_remove(at);
                    let Some(target) = acceptor.session(session) else { continue };
                    match link.turn(target, driver, &bytes, clock) {
                        Some(end) if ended(session, end) == Go::Stop => return Ok(()),
                        Some(_) => {}
                        None => links.push((link, session)),
                    }
                }
                Err(Unattached::More) if !closed && now.mono.saturating_sub(*since) < ATTACH_WAIT_NS => {
                    at += 1
                }
                Err(_) => {
                    waiting.swap_remove(at);
                }
            }
        }
        let mut timer: Option<u64> = None;
        let mut stopped = false;
        let mut at = 0;
        while let Some((link, session)) = links.get_mut(at) {
            let place = *session;
            let Some(target) = acceptor.session(place) else { break };
            match link.turn(target, driver, &[], clock) {
                Some(end) => {
                    links.swap_remove(at);
                    stopped |= ended(place, end) == Go::Stop || end == End::Stopped;
                }
                None => {
                    timer = timer.into_iter().chain(target.next_timer()).min();
                    at += 1;
                }
            }
        }
        if stopped {
            return Ok(());
        }
        let mut fds = vec![PollFd::new(listener, PollFlags::IN)];
        fds.extend(waiting.iter().map(|(link, ..)| PollFd::new(&link.stream, PollFlags::IN)));
        fds.extend(links.iter().map(|(link, _)| PollFd::new(&link.stream, link.poll_flags())));
        wait(&mut fds, clock.now(), timer)?;
    }
}
