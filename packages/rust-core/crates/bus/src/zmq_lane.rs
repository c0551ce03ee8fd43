//! ZeroMQ over ipc: the default carrier.
//!
//! A listening end owns the directory of its socket (mode 0700), its socket file (mode 0600) and a lock file beside it, so
//! that two processes never serve one address: libzmq itself would silently unlink a live listener's socket. Every arrival
//! carries the user id of the process at the other end, as the kernel told it; anybody not in the allow-list is refused.

use crate::lane::{Arrival, Inbox, Lane, LaneCounters, LaneFault, LaneFaultCode as Code, LaneRefusal, Sent};
use crate::limits::{CLOSE_LINGER_MS, IDENTITY_LEN_MAX, IPC_PATH_LEN_MAX, PART_LEN_MAX, UIDS_MAX};
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::fmt;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use tidegate_wire::limits::TOPIC_LEN_MAX;
use zmq::{Context, DONTWAIT, Message, PollEvents, PollItem, SNDMORE, Socket, SocketType};

/// Who may be at the other end: user ids. By default the user this process runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedUids(Vec<u32>);

impl Default for AllowedUids {
    fn default() -> Self {
        Self(vec![rustix::process::geteuid().as_raw()])
    }
}

impl AllowedUids {
    /// Exactly these, at most [`UIDS_MAX`]; the rest is left out.
    pub fn only(mut uids: Vec<u32>) -> Self {
        uids.truncate(UIDS_MAX);
        Self(uids)
    }

    fn check(&self, peer_address: Option<&str>) -> Result<(), LaneRefusal> {
        // libzmq writes ":<uid>:<gid>:<pid>" behind the (empty) address of a unix socket.
        let uid =
            peer_address.and_then(|text| text.rsplit(':').nth(2)).and_then(|uid| uid.parse::<u32>().ok());
        match uid {
            Some(uid) if self.0.contains(&uid) => Ok(()),
            Some(_) => Err(LaneRefusal::PeerNotAllowed),
            None => Err(LaneRefusal::NoCredentials),
        }
    }
}

/// Socket and lock file of a listening end; both stay on disk when the process dies, and are taken over by the next.
#[derive(Debug)]
struct Listening {
    path: PathBuf,
    _lock: OwnedFd,
}

impl Drop for Listening {
    fn drop(&mut self) {
        // The lock file stays: unlinking it would let two processes hold "the" lock.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Pub,
    Sub,
    Router,
    Dealer,
}

/// One ZeroMQ socket. Not shared between threads.
pub struct ZmqLane {
    // Dropped first: the socket closes before its file is removed.
    socket: Socket,
    role: Role,
    uids: AllowedUids,
    part: Message,
    counters: LaneCounters,
    listening: Option<Listening>,
}

impl fmt::Debug for ZmqLane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZmqLane")
            .field("role", &self.role)
            .field("listening", &self.listening)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

fn zmq_fault(what: &str, endpoint: &str, error: zmq::Error) -> LaneFault {
    LaneFault::new(Code::Zmq, format!("cannot {what} {endpoint}: {error}"))
}

fn io_fault(what: &str, path: &Path, error: impl fmt::Display) -> LaneFault {
    LaneFault::new(Code::Io, format!("cannot {what} {}: {error}", path.display()))
}

fn ipc_path(endpoint: &str) -> Result<&Path, LaneFault> {
    if endpoint.starts_with("tcp:") {
        return Err(LaneFault::new(
            Code::TcpRefused,
            format!(
                "cannot use {endpoint}: this end speaks ipc:// only; the bridge carries tcp:// with CURVE"
            ),
        ));
    }
    let path = endpoint.strip_prefix("ipc://").unwrap_or_default();
    let has_dir = Path::new(path).parent().is_some_and(|p| !p.as_os_str().is_empty());
    // '@' opens libzmq's abstract namespace, which has no file and so no file mode.
    if !has_dir || path.starts_with('@') || path.contains(['\0', '*']) {
        return Err(LaneFault::new(
            Code::BadEndpoint,
            format!("cannot use {endpoint:?}: want ipc://<directory>/<name>"),
        ));
    }
    if path.len() > IPC_PATH_LEN_MAX {
        return Err(LaneFault::new(
            Code::PathTooLong,
            format!(
                "cannot use {endpoint}: its path has {} bytes, the system takes {IPC_PATH_LEN_MAX}; use a relative path",
                path.len()
            ),
        ));
    }
    Ok(Path::new(path))
}

/// Makes or narrows the directory to mode 0700, or refuses one that is not this user's alone.
fn own_dir(dir: &Path) -> Result<(), LaneFault> {
    match std::fs::DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io_fault("make the socket directory", dir, error)),
    }
    let meta = std::fs::metadata(dir).map_err(|e| io_fault("look at", dir, e))?;
    let mine = meta.uid() == rustix::process::geteuid().as_raw();
    if !meta.is_dir() || !mine || meta.mode() & 0o1000 != 0 {
        return Err(LaneFault::new(
            Code::DirShared,
            format!(
                "cannot put a socket into {}: want a directory of this user's own, not shared",
                dir.display()
            ),
        ));
    }
    if meta.mode() & 0o077 != 0 {
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))
            .map_err(|e| io_fault("narrow the mode of", dir, e))?;
    }
    Ok(())
}

fn in_use(path: &Path) -> LaneFault {
    LaneFault::new(
        Code::AddressInUse,
        format!("cannot listen on {}: another process does; stop it first", path.display()),
    )
}

/// Takes the address for this process: lock, then clear a socket nobody listens on.
fn claim(path: &Path) -> Result<Listening, LaneFault> {
    own_dir(path.parent().unwrap_or(Path::new(".")))?;
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    let lock_path = PathBuf::from(lock_path);
    let flags = OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let lock = rustix::fs::open(&lock_path, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|e| io_fault("open the lock", &lock_path, e))?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Err(in_use(path)),
        Err(error) => return Err(io_fault("lock", &lock_path, error)),
    }
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(io_fault("look at", path, error)),
        Ok(meta) if !meta.file_type().is_socket() => {
            return Err(LaneFault::new(
                Code::NotASocket,
                format!("cannot listen on {}: it is no socket; move it away", path.display()),
            ));
        }
        Ok(_) => match UnixStream::connect(path) {
            Ok(_) => return Err(in_use(path)),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path).map_err(|e| io_fault("remove the stale socket", path, e))?;
            }
            Err(error) => return Err(io_fault("probe", path, error)),
        },
    }
    Ok(Listening { path: path.to_owned(), _lock: lock })
}

impl ZmqLane {
    fn open(
        context: &Context,
        role: Role,
        hwm: i32,
        uids: AllowedUids,
        endpoint: &str,
    ) -> Result<Self, LaneFault> {
        let kind = match role {
            Role::Pub => SocketType::PUB,
            Role::Sub => SocketType::SUB,
            Role::Router => SocketType::ROUTER,
            Role::Dealer => SocketType::DEALER,
        };
        let failed = |error| zmq_fault("open a socket for", endpoint, error);
        let socket = context.socket(kind).map_err(failed)?;
        let part_len_max = i64::try_from(PART_LEN_MAX).unwrap_or(i64::MAX);
        socket
            .set_linger(0)
            .and_then(|()| socket.set_sndtimeo(0))
            .and_then(|()| socket.set_sndhwm(hwm))
            .and_then(|()| socket.set_rcvhwm(hwm))
            .and_then(|()| socket.set_maxmsgsize(part_len_max))
            .and_then(|()| socket.set_reconnect_ivl(20))
            .and_then(|()| socket.set_reconnect_ivl_max(500))
            .map_err(failed)?;
        let counters = LaneCounters::default();
        Ok(Self { socket, role, uids, part: Message::new(), counters, listening: None })
    }

    fn listen(mut self, endpoint: &str) -> Result<Self, LaneFault> {
        let path = ipc_path(endpoint)?;
        let listening = claim(path)?;
        self.socket.bind(endpoint).map_err(|e| zmq_fault("listen on", endpoint, e))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
            .map_err(|e| io_fault("narrow the mode of", path, e))?;
        self.listening = Some(listening);
        Ok(self)
    }

    fn dial(self, endpoint: &str) -> Result<Self, LaneFault> {
        ipc_path(endpoint)?;
        self.socket.connect(endpoint).map_err(|e| zmq_fault("connect to", endpoint, e))?;
        Ok(self)
    }

    /// The writing end of streams. `hwm` messages wait per subscriber, then it loses them and can count them.
    ///
    /// # Errors
    /// The endpoint is refused, taken or not to be had.
    pub fn publisher(
        context: &Context,
        endpoint: &str,
        hwm: i32,
        uids: AllowedUids,
    ) -> Result<Self, LaneFault> {
        Self::open(context, Role::Pub, hwm, uids, endpoint)?.listen(endpoint)
    }

    /// A reading end of streams, for every topic that starts with one of `prefixes`.
    ///
    /// # Errors
    /// The endpoint is refused. An absent publisher is no error: it is waited for.
    pub fn subscriber(
        context: &Context,
        endpoint: &str,
        prefixes: &[&str],
        hwm: i32,
        uids: AllowedUids,
    ) -> Result<Self, LaneFault> {
        let lane = Self::open(context, Role::Sub, hwm, uids, endpoint)?;
        for prefix in prefixes {
            lane.socket
                .set_subscribe(prefix.as_bytes())
                .map_err(|e| zmq_fault("subscribe on", endpoint, e))?;
        }
        lane.dial(endpoint)
    }

    /// The listening end of links: `mandatory`, so that a frame to nobody is known; a client that comes again under its
    /// identity takes its place at once.
    ///
    /// # Errors
    /// The endpoint is refused, taken or not to be had.
    pub fn router(context: &Context, endpoint: &str, hwm: i32, uids: AllowedUids) -> Result<Self, LaneFault> {
        let lane = Self::open(context, Role::Router, hwm, uids, endpoint)?;
        let failed = |error| zmq_fault("set up", endpoint, error);
        lane.socket.set_router_mandatory(true).map_err(failed)?;
        lane.socket.set_router_handover(true).map_err(failed)?;
        lane.listen(endpoint)
    }

    /// The calling end of a link under `identity`: `immediate`, so that nothing queues for a server that is away.
    ///
    /// # Errors
    /// The endpoint or identity is refused. An absent server is no error: it is waited for.
    pub fn dealer(
        context: &Context,
        endpoint: &str,
        identity: &str,
        hwm: i32,
        uids: AllowedUids,
    ) -> Result<Self, LaneFault> {
        if !identity_ok(identity.as_bytes()) {
            return Err(LaneFault::new(
                Code::BadIdentity,
                format!(
                    "cannot connect as {identity:?}: want 1 to {IDENTITY_LEN_MAX} printable ASCII letters"
                ),
            ));
        }
        let lane = Self::open(context, Role::Dealer, hwm, uids, endpoint)?;
        let failed = |error| zmq_fault("set up", endpoint, error);
        lane.socket.set_identity(identity.as_bytes()).map_err(failed)?;
        lane.socket.set_immediate(true).map_err(failed)?;
        lane.dial(endpoint)
    }

    /// Closes, letting the last frames leave within [`CLOSE_LINGER_MS`]. A plain drop throws them away.
    pub fn close(self) {
        let _ = self.socket.set_linger(CLOSE_LINGER_MS);
    }

    fn refuse(&mut self, refusal: LaneRefusal) -> Arrival {
        *match refusal {
            LaneRefusal::BadParts => &mut self.counters.refused_parts,
            LaneRefusal::TooLong => &mut self.counters.refused_length,
            LaneRefusal::PeerNotAllowed => &mut self.counters.refused_peer,
            LaneRefusal::NoCredentials => &mut self.counters.refused_no_credentials,
        } += 1;
        Arrival::Refused(refusal)
    }

    /// Receives one part; `false` when there is none.
    fn part(&mut self) -> Result<bool, LaneFault> {
        loop {
            match self.socket.recv(&mut self.part, DONTWAIT) {
                Ok(()) => return Ok(true),
                Err(zmq::Error::EAGAIN) => return Ok(false),
                Err(zmq::Error::EINTR) => {}
                Err(error) => return Err(zmq_fault("receive on", "ipc", error)),
            }
        }
    }
}

/// Whether a peer may be called this.
pub(crate) fn identity_ok(identity: &[u8]) -> bool {
    (1..=IDENTITY_LEN_MAX).contains(&identity.len()) && identity.iter().all(u8::is_ascii_graphic)
}

impl Lane for ZmqLane {
    fn send(&mut self, address: &[u8], frame: &[u8]) -> Result<Sent, LaneFault> {
        let sent = if self.role == Role::Dealer {
            self.socket.send(frame, DONTWAIT)
        } else {
            // A ROUTER decides on the first part whether the peer takes the whole.
            self.socket.send(address, DONTWAIT | SNDMORE).and_then(|()| self.socket.send(frame, DONTWAIT))
        };
        match sent {
            Ok(()) => {
                self.counters.sent += 1;
                self.counters.sent_bytes += frame.len() as u64;
                Ok(Sent::Sent)
            }
            Err(zmq::Error::EAGAIN | zmq::Error::EINTR) => {
                self.counters.would_block += 1;
                Ok(Sent::WouldBlock)
            }
            Err(zmq::Error::EHOSTUNREACH) => {
                self.counters.no_peer += 1;
                Ok(Sent::NoPeer)
            }
            Err(error) => Err(zmq_fault("send on", "ipc", error)),
        }
    }

    fn recv(&mut self, inbox: &mut Inbox) -> Result<Arrival, LaneFault> {
        inbox.address.clear();
        inbox.frame.clear();
        if !self.part()? {
            return Ok(Arrival::Empty);
        }
        let addressed = self.role != Role::Dealer;
        let mut refusal = None;
        if addressed {
            let too_long = self.part.len() > TOPIC_LEN_MAX.max(IDENTITY_LEN_MAX);
            if too_long {
                refusal = Some(LaneRefusal::TooLong);
            } else {
                inbox.address.extend_from_slice(&self.part);
            }
            if !self.part.get_more() || !self.part()? {
                return Ok(self.refuse(LaneRefusal::BadParts));
            }
        }
        if self.part.len() > PART_LEN_MAX {
            refusal = Some(LaneRefusal::TooLong);
        } else {
            inbox.frame.extend_from_slice(&self.part);
        }
        // The kernel's word on who sent it, before any of it is believed.
        if let Err(who) = self.uids.check(self.part.gets("Peer-Address")) {
            refusal = Some(who);
        }
        while self.part.get_more() {
            refusal = refusal.or(Some(LaneRefusal::BadParts));
            if !self.part()? {
                break;
            }
        }
        if let Some(refusal) = refusal {
            inbox.address.clear();
            inbox.frame.clear();
            return Ok(self.refuse(refusal));
        }
        self.counters.received += 1;
        self.counters.received_bytes += inbox.frame.len() as u64;
        Ok(Arrival::Frame)
    }

    fn poll_item(&self) -> PollItem<'_> {
        self.socket.as_poll_item(PollEvents::POLLIN)
    }

    fn counters(&self) -> &LaneCounters {
        &self.counters
    }
}
