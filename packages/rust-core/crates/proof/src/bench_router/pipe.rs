//! A TCP connection of this host with both its ends in hand. Neither end waits.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// How long bytes may take from one end to the other; on one host they are there at once.
const ARRIVE_MAX: Duration = Duration::from_secs(5);

/// Two ends, as a router and a venue have them.
#[derive(Debug)]
pub struct Pipe {
    pub near: TcpStream,
    pub far: TcpStream,
    writes: u64,
    drained: Vec<u8>,
}

/// A listener on a port of its own, and where it is.
pub fn listener() -> Result<(TcpListener, std::net::SocketAddr), String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| format!("cannot listen: {e}"))?;
    let at = listener.local_addr().map_err(|e| e.to_string())?;
    Ok((listener, at))
}

/// Makes an end such that it never waits and holds nothing back.
pub fn ready(stream: &TcpStream) -> Result<(), String> {
    stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true)).map_err(|e| e.to_string())
}

impl Pipe {
    pub fn open() -> Result<Self, String> {
        let (listener, at) = listener()?;
        let near = TcpStream::connect(at).map_err(|e| format!("cannot connect: {e}"))?;
        let (far, _) = listener.accept().map_err(|e| format!("cannot accept: {e}"))?;
        ready(&near)?;
        ready(&far)?;
        Ok(Self { near, far, writes: 0, drained: Vec::new() })
    }

    /// Writes what is there, in as many calls as the socket wants.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        while !bytes.is_empty() {
            self.writes += 1;
            let taken = self.near.write(bytes).map_err(|e| format!("cannot write: {e}"))?;
            bytes = bytes.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// How often the near end was written to.
    pub const fn writes(&self) -> u64 {
        self.writes
    }

    /// Takes so many bytes out at the far end.
    pub fn drain(&mut self, bytes: usize) -> Result<(), String> {
        let mut drained = std::mem::take(&mut self.drained);
        let done = take(&mut self.far, &mut drained, |have| have.len() >= bytes);
        self.drained = drained;
        done
    }
}

/// Reads until what came is whole. `into` is overwritten.
pub fn take(stream: &mut TcpStream, into: &mut Vec<u8>, whole: impl Fn(&[u8]) -> bool) -> Result<(), String> {
    into.clear();
    let until = Instant::now() + ARRIVE_MAX;
    let mut part = [0_u8; 8_192];
    while !whole(into) {
        match stream.read(&mut part) {
            Ok(0) => return Err("the connection ended".into()),
            Ok(count) => into.extend_from_slice(&part[..count]),
            Err(e) if e.kind() == ErrorKind::WouldBlock && Instant::now() < until => std::thread::yield_now(),
            Err(e) => return Err(format!("the bytes did not arrive: {e}")),
        }
    }
    Ok(())
}
