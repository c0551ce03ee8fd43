//! Where a URL leads, and a socket that is on its way there.

use crate::limits::{FAULT_TEXT_BYTES_MAX, UNIX_PATH_BYTES_MAX, URL_BYTES_MAX};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, ipproto};
use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use tungstenite::http::Uri;

/// Where a socket is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A host name or address literal, and a port.
    Tcp { host: String, port: u16 },
    /// A socket file of this host.
    Unix { path: String },
}

/// What a URL says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub place: Place,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Path and query, beginning with `/`.
    pub path: String,
    /// What the `Host` header says.
    pub authority: String,
}

/// Why a URL leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetFault {
    /// Not a URL this client can connect to: what is wrong with it.
    BadUrl(String),
    /// The socket could not be made or the host is unknown.
    Connect(String),
}

/// The family of schemes a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `ws` and `wss`.
    Websocket,
    /// `fix`, without TLS.
    Fix,
    /// `http`, `https` and `http+unix`, whose host is the percent-encoded path of a socket file.
    Http,
}

/// Reads a URL.
///
/// # Errors
/// `BadUrl`: too long, another scheme, no host, a socket path that is not absolute.
pub fn target(url: &str, family: Family) -> Result<Target, NetFault> {
    if url.len() > URL_BYTES_MAX {
        return Err(NetFault::BadUrl(format!("{} bytes, at most {URL_BYTES_MAX}", url.len())));
    }
    let bad = |why: &dyn fmt::Display| NetFault::BadUrl(bounded(&why.to_string()));
    if let Some(rest) = url.strip_prefix("http+unix://").filter(|_| family == Family::Http) {
        return unix_target(rest);
    }
    let uri: Uri = url.parse().map_err(|e: tungstenite::http::uri::InvalidUri| bad(&e))?;
    let (tls, default_port) = match (family, uri.scheme_str()) {
        (Family::Websocket, Some("ws")) | (Family::Http, Some("http")) => (false, 80),
        (Family::Websocket, Some("wss")) | (Family::Http, Some("https")) => (true, 443),
        (Family::Fix, Some("fix")) => (false, 0),
        (Family::Fix, _) => return Err(bad(&"the scheme is not fix")),
        (Family::Websocket, _) => return Err(bad(&"the scheme is not ws or wss")),
        (Family::Http, _) => return Err(bad(&"the scheme is not http, https or http+unix")),
    };
    let host = uri.host().filter(|h| !h.is_empty()).ok_or_else(|| bad(&"no host"))?;
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let port = uri.port_u16().unwrap_or(default_port);
    if port == 0 {
        return Err(bad(&"no port"));
    }
    let authority = if port == default_port { host.to_string() } else { format!("{host}:{port}") };
    let path = uri.path_and_query().map_or("/", |p| p.as_str());
    let path = if path.is_empty() { "/" } else { path };
    Ok(Target { place: Place::Tcp { host: bare.to_string(), port }, tls, path: path.to_string(), authority })
}

fn unix_target(rest: &str) -> Result<Target, NetFault> {
    let bad = |why: &str| NetFault::BadUrl(why.to_string());
    let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let file = percent_decoded(host).ok_or_else(|| bad("the socket path has a broken percent escape"))?;
    if !file.starts_with('/') || file.contains('\0') {
        return Err(bad("the host of http+unix:// is the percent-encoded absolute path of a socket"));
    }
    if file.len() > UNIX_PATH_BYTES_MAX {
        return Err(NetFault::BadUrl(format!("a socket path above {UNIX_PATH_BYTES_MAX} bytes")));
    }
    let clean = path.bytes().all(|b| b.is_ascii_graphic());
    if !clean {
        return Err(bad("the path holds a character that must be escaped"));
    }
    Ok(Target {
        place: Place::Unix { path: file },
        tls: false,
        path: path.to_string(),
        authority: "localhost".into(),
    })
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let hex = |b: u8| (b as char).to_digit(16);
        let (high, low) = (hex(bytes.next()?)?, hex(bytes.next()?)?);
        out.push((high * 16 + low) as u8);
    }
    String::from_utf8(out).ok()
}

/// A socket that is being connected without waiting. TCP has no delay of small writes.
#[derive(Debug)]
pub enum Raw {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Begins to connect. A host name whose address [`crate::names`] knows is not looked up, nor is a literal; another is, which may
/// wait for the resolver: a loop that may not wait asks there first.
///
/// # Errors
/// `Connect` when the system refuses at once.
pub fn dial(place: &Place) -> Result<Raw, NetFault> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    match place {
        Place::Unix { path } => {
            let refused = |e: rustix::io::Errno| NetFault::Connect(bounded(&format!("{path}: {e}")));
            let addr = SocketAddrUnix::new(path.as_str()).map_err(refused)?;
            let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
                .map_err(refused)?;
            // A full backlog answers EAGAIN at once instead of going on in the background: that is a failure to retry.
            rustix::net::connect(&fd, &addr).map_err(refused)?;
            Ok(Raw::Unix(UnixStream::from(fd)))
        }
        Place::Tcp { host, port } => {
            let addr: SocketAddr = match crate::names::global().known(host, *port) {
                Some(addr) => addr,
                None => crate::names::system(host, *port).map_err(NetFault::Connect)?,
            };
            let family = if addr.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
            let refused = |e: rustix::io::Errno| NetFault::Connect(bounded(&format!("{addr}: {e}")));
            let fd = rustix::net::socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))
                .map_err(refused)?;
            match rustix::net::connect(&fd, &addr) {
                Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
                Err(e) => return Err(refused(e)),
            }
            let stream = TcpStream::from(fd);
            stream.set_nodelay(true).map_err(|e| NetFault::Connect(bounded(&e.to_string())))?;
            Ok(Raw::Tcp(stream))
        }
    }
}

/// The text, cut to what is kept of a fault.
pub(crate) fn bounded(text: &str) -> String {
    let mut end = text.len().min(FAULT_TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or("").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_how_and_what() {
        let t = target("wss://stream.example:9443/ws?streams=a/b", Family::Websocket).unwrap();
        assert_eq!(t.place, Place::Tcp { host: "stream.example".into(), port: 9_443 });
        assert_eq!(
            (t.tls, t.path.as_str(), t.authority.as_str()),
            (true, "/ws?streams=a/b", "stream.example:9443")
        );
        let t = target("https://[::1]", Family::Http).unwrap();
        assert_eq!(t.place, Place::Tcp { host: "::1".into(), port: 443 });
        assert_eq!((t.path.as_str(), t.authority.as_str()), ("/", "[::1]"));
        let t = target("http+unix://%2Ftmp%2Fa.sock/api/v1/health?x=1", Family::Http).unwrap();
        assert_eq!(t.place, Place::Unix { path: "/tmp/a.sock".into() });
        assert_eq!((t.tls, t.path.as_str()), (false, "/api/v1/health?x=1"));
    }

    #[test]
    fn urls_that_lead_nowhere_are_named() {
        for bad in ["fix://a", "ws://a:1", "fix://:9"] {
            assert!(matches!(target(bad, Family::Fix), Err(NetFault::BadUrl(_))), "{bad}");
        }
        let fix = target("fix://venue.example:9880", Family::Fix).unwrap();
        assert_eq!((fix.place, fix.tls), (Place::Tcp { host: "venue.example".into(), port: 9_880 }, false));
        for bad in ["http://a/", "wss://", "ftp://a/", "", "ws://a b/", "http+unix://%2Fa/"] {
            assert!(matches!(target(bad, Family::Websocket), Err(NetFault::BadUrl(_))), "{bad}");
        }
        let long = format!("http+unix://%2F{}/", "a".repeat(200));
        for bad in
            ["ws://a/", "http+unix://a.sock/", "http+unix://%2/", "http+unix://%00/", "http+unix:///a", &long]
        {
            assert!(matches!(target(bad, Family::Http), Err(NetFault::BadUrl(_))), "{bad}");
        }
        assert!(target(&format!("ws://a/{}", "a".repeat(20_000)), Family::Websocket).is_err());
    }
}
