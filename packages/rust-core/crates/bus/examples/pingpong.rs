//! The floors the chain bench stands beside: one message there and back between two processes, over a bare libzmq
//! socket pair or a bare unix socket, with blocking calls and nothing else.
//!
//! `pingpong <zmq|uds> <folder> <messages> <bytes>` starts its own echo process and prints one JSON line:
//! `{"kind":"zmq","count":N,"rtt_ns":{"p50":…,"p99":…,"p999":…,"max":…}}`. The folder holds the socket.
#![forbid(unsafe_code)]

use std::error::Error;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Round trips before the measured ones: both processes have their pages and their branch history then.
const WARM_UP: usize = 200;
/// Largest message, in bytes; one write of it is one read on a unix socket.
const BYTES_MAX: usize = 4_096;
/// Longest wait for the other process to come up.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// The echo process; ended with its parent's run, whatever way that ends.
struct Echo(Child);

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn echo_process(kind: &str, folder: &str, bytes: usize) -> Outcome<Echo> {
    let child = Command::new(std::env::current_exe()?)
        .args([&format!("echo-{kind}"), folder, "0", &bytes.to_string()])
        .spawn()?;
    Ok(Echo(child))
}

fn connect(path: &Path) -> Outcome<UnixStream> {
    let began = Instant::now();
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return Ok(stream),
            Err(error) if began.elapsed() > CONNECT_WAIT => return Err(error.into()),
            Err(_) => std::thread::yield_now(),
        }
    }
}

fn echo_uds(folder: &str, bytes: usize) -> Outcome<()> {
    let mut stream = connect(&Path::new(folder).join("uds"))?;
    let mut buf = vec![0; bytes];
    loop {
        if stream.read_exact(&mut buf).is_err() {
            return Ok(()); // the other side has gone: done
        }
        stream.write_all(&buf)?;
    }
}

fn ping_uds(folder: &str, messages: usize, bytes: usize) -> Outcome<Vec<u64>> {
    let listener = UnixListener::bind(Path::new(folder).join("uds"))?;
    let _echo = echo_process("uds", folder, bytes)?;
    let (mut stream, _) = listener.accept()?;
    let mut buf = vec![0; bytes];
    measure(messages, bytes, |ball| {
        stream.write_all(ball)?;
        stream.read_exact(&mut buf)?;
        Ok(buf == ball)
    })
}

fn echo_zmq(folder: &str) -> Outcome<()> {
    let context = zmq::Context::new();
    let socket = context.socket(zmq::PAIR)?;
    socket.set_linger(0)?;
    socket.connect(&format!("ipc://{folder}/zmq"))?;
    let mut message = zmq::Message::new();
    loop {
        socket.recv(&mut message, 0)?;
        socket.send(&*message, 0)?;
    }
}

fn ping_zmq(folder: &str, messages: usize, bytes: usize) -> Outcome<Vec<u64>> {
    let context = zmq::Context::new();
    let socket = context.socket(zmq::PAIR)?;
    socket.set_linger(0)?;
    socket.set_rcvtimeo(i32::try_from(CONNECT_WAIT.as_millis())?)?;
    socket.bind(&format!("ipc://{folder}/zmq"))?;
    let _echo = echo_process("zmq", folder, bytes)?;
    let mut message = zmq::Message::new();
    measure(messages, bytes, |ball| {
        socket.send(ball, 0)?;
        socket.recv(&mut message, 0)?;
        Ok(&*message == ball)
    })
}

fn measure(messages: usize, bytes: usize, mut turn: impl FnMut(&[u8]) -> Outcome<bool>) -> Outcome<Vec<u64>> {
    let mut ball = vec![0_u8; bytes];
    let mut rtts = Vec::with_capacity(messages);
    for n in 0..WARM_UP + messages {
        let stamp = (n as u64).to_le_bytes();
        ball[..8].copy_from_slice(&stamp);
        let began = Instant::now();
        if !turn(&ball)? {
            return Err(format!("message {n} came back changed").into());
        }
        if n >= WARM_UP {
            rtts.push(u64::try_from(began.elapsed().as_nanos())?);
        }
    }
    Ok(rtts)
}

fn quantile(sorted: &[u64], per_mille: usize) -> u64 {
    let at = (sorted.len() * per_mille).div_ceil(1_000).max(1) - 1;
    sorted.get(at).or(sorted.last()).copied().unwrap_or(0)
}

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [kind, folder, messages, bytes] = args.as_slice() else {
        return Err("usage: pingpong <zmq|uds> <folder> <messages> <bytes>".into());
    };
    let (messages, bytes): (usize, usize) = (messages.parse()?, bytes.parse()?);
    if !(8..=BYTES_MAX).contains(&bytes) {
        return Err(format!("bytes {bytes}: want 8 to {BYTES_MAX}").into());
    }
    let mut rtts = match kind.as_str() {
        "echo-uds" => return echo_uds(folder, bytes),
        "echo-zmq" => return echo_zmq(folder),
        "uds" => ping_uds(folder, messages, bytes)?,
        "zmq" => ping_zmq(folder, messages, bytes)?,
        other => return Err(format!("{other}: want zmq or uds").into()),
    };
    rtts.sort_unstable();
    println!(
        r#"{{"kind":"{kind}","count":{},"rtt_ns":{{"p50":{},"p99":{},"p999":{},"max":{}}}}}"#,
        rtts.len(),
        quantile(&rtts, 500),
        quantile(&rtts, 990),
        quantile(&rtts, 999),
        rtts.last().copied().unwrap_or(0),
    );
    Ok(())
}
