//! A connected byte stream: TCP, TLS over TCP, or a unix socket, stamped when bytes come out of the socket.

use crate::clock::{self, Stamp};
use crate::limits::TLS_PLAINTEXT_BYTES_MAX;
use crate::net::{NetFault, Place, Raw, Target, bounded, dial};
use crate::tls::Trust;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};

impl Raw {
    fn raw_fd(&self) -> RawFd {
        match self {
            Self::Tcp(s) => s.as_raw_fd(),
            Self::Unix(s) => s.as_raw_fd(),
        }
    }

    /// Whether the connection stands; an error is why it never will.
    fn connected(&self) -> io::Result<bool> {
        let (error, peer) = match self {
            Self::Tcp(s) => (s.take_error()?, s.peer_addr().map(|_| ())),
            Self::Unix(s) => (s.take_error()?, s.peer_addr().map(|_| ())),
        };
        if let Some(error) = error {
            return Err(error);
        }
        match peer {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(e) => Err(e),
        }
    }
}

impl Read for Raw {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(s) => s.read(buf),
            Self::Unix(s) => s.read(buf),
        }
    }
}

impl Write for Raw {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(s) => s.write(buf),
            Self::Unix(s) => s.write(buf),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(s) => s.flush(),
            Self::Unix(s) => s.flush(),
        }
    }
}

/// The socket with its stamp and count, as TLS or the reader above sees it.
#[derive(Debug)]
struct Stamped {
    raw: Raw,
    stamp: Stamp,
    bytes_in: u64,
    writes: u64,
    /// The last write found no room.
    full: bool,
}

impl Read for Stamped {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.raw.read(buf)?;
        // Before a byte of it is decrypted or parsed.
        self.stamp = clock::now();
        self.bytes_in = self.bytes_in.wrapping_add(n as u64);
        Ok(n)
    }
}

impl Write for Stamped {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.writes = self.writes.wrapping_add(1);
        let written = self.raw.write(buf);
        self.full = matches!(&written, Err(e) if e.kind() == io::ErrorKind::WouldBlock);
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.raw.flush()
    }
}

/// A byte stream that never waits.
#[derive(Debug)]
pub struct Transport {
    socket: Stamped,
    tls: Option<Box<ClientConnection>>,
    /// The peer ended TLS or the socket; what was decrypted before may still be read.
    ended: bool,
}

impl Transport {
    /// Begins to connect to `target`.
    ///
    /// # Errors
    /// As [`dial`]; `BadUrl` for a host no certificate can name.
    pub fn connect(target: &Target, trust: Option<&Trust>) -> Result<Self, NetFault> {
        let tls = match (&target.place, target.tls) {
            (Place::Tcp { host, .. }, true) => {
                let name = ServerName::try_from(host.clone())
                    .map_err(|e| NetFault::BadUrl(bounded(&format!("{host}: {e}"))))?;
                let trust = match trust {
                    Some(trust) => trust.clone(),
                    None => Trust::public().map_err(NetFault::Connect)?,
                };
                let mut connection = ClientConnection::new(trust.0, name)
                    .map_err(|e| NetFault::Connect(bounded(&format!("TLS: {e}"))))?;
                connection.set_buffer_limit(Some(TLS_PLAINTEXT_BYTES_MAX));
                Some(Box::new(connection))
            }
            _ => None,
        };
        let raw = dial(&target.place)?;
        Ok(Self {
            socket: Stamped { raw, stamp: clock::now(), bytes_in: 0, writes: 0, full: false },
            tls,
            ended: false,
        })
    }

    /// Whether the connection stands; TLS is agreed on later, with the first bytes.
    ///
    /// # Errors
    /// Why it never will.
    pub fn connected(&self) -> io::Result<bool> {
        self.socket.raw.connected()
    }

    pub fn raw_fd(&self) -> RawFd {
        self.socket.raw.raw_fd()
    }

    /// When the newest bytes came out of the socket.
    pub const fn stamp(&self) -> Stamp {
        self.socket.stamp
    }

    /// Bytes that came out of the socket so far.
    pub const fn bytes_in(&self) -> u64 {
        self.socket.bytes_in
    }

    /// How often the socket was written to so far.
    pub const fn writes(&self) -> u64 {
        self.socket.writes
    }

    /// Whether encrypted bytes wait for the socket to take them.
    pub fn wants_write(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Whether the last write found no room in the socket, so that there is something left of it.
    pub const fn full(&self) -> bool {
        self.socket.full
    }

    /// Writes what TLS holds ready.
    ///
    /// # Errors
    /// `WouldBlock` while some is left.
    pub fn push(&mut self) -> io::Result<()> {
        let Some(tls) = self.tls.as_mut() else { return Ok(()) };
        while tls.wants_write() {
            if tls.write_tls(&mut self.socket)? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// Takes one piece from the socket into TLS. `Ok(false)`: the peer has ended.
    fn pull(&mut self) -> io::Result<bool> {
        let Some(tls) = self.tls.as_mut() else { return Ok(true) };
        let n = tls.read_tls(&mut self.socket)?;
        let done = tls.process_new_packets();
        match done {
            Ok(_) => Ok(n > 0),
            Err(error) => {
                // The peer learns why: an alert is ready.
                let _ = self.push();
                Err(io::Error::new(io::ErrorKind::InvalidData, format!("TLS: {error}")))
            }
        }
    }
}

impl Read for Transport {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(tls) = self.tls.as_mut() else { return self.socket.read(buf) };
            match tls.reader().read(buf) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock && !self.ended => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(0),
                done => return done,
            }
            match self.push() {
                Err(e) if e.kind() != io::ErrorKind::WouldBlock => return Err(e),
                _ => {}
            }
            // A session ticket or a part of the handshake gives no plaintext: go on until the socket has no more.
            self.ended = !self.pull()?;
        }
    }
}

impl Write for Transport {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let Some(tls) = self.tls.as_mut() else { return self.socket.write(buf) };
        let taken = tls.writer().write(buf)?;
        match self.push() {
            Err(e) if e.kind() != io::ErrorKind::WouldBlock => return Err(e),
            _ => {}
        }
        if taken == 0 && !buf.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.tls.is_some() { self.push() } else { self.socket.flush() }
    }
}
