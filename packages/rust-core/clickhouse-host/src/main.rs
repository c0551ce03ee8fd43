//! Real ClickHouse server code in one local process: loads `libchdb`, lets it listen on loopback, and ends with its stdin.
//!
//! Usage: `clickhouse-host LIBCHDB DATA_DIR HTTP_PORT TCP_PORT [clickhouse-local options]`
//!
//! It runs until its standard input ends (a clean stop) or it is killed (a crash). A parent that dies closes the pipe,
//! so no server is left behind. The data directory is local disk and belongs to one host at a time.
//!
//! Exit codes: 0 stopped, 1 the server failed, 64 usage, 70 the library cannot be used.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::fd::AsRawFd;
use std::process::ExitCode;

const EXIT_SERVER: u8 = 1;
const EXIT_USAGE: u8 = 64;
const EXIT_LIBRARY: u8 = 70;
const RTLD_NOW: c_int = 2;
/// Program name, library, data folder and the two ports.
const ARGS_MIN: usize = 5;

unsafe extern "C" {
    fn dlopen(file: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn dlerror() -> *const c_char;
}

/// What `query_stable_v2` gives back; only `error` is read.
#[repr(C)]
struct QueryResult {
    buf: *const c_char,
    len: usize,
    vec: *mut c_void,
    elapsed: f64,
    rows: u64,
    bytes: u64,
    error: *const c_char,
}

type Query = unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut QueryResult;

/// Why the host ends: its exit code and one line for a person.
struct End(u8, String);

/// The text at `text`, empty when there is none.
///
/// # Safety
/// `text` is null or points to a NUL-terminated string that lives for the length of the call.
unsafe fn text_at(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: not null, and NUL-terminated by the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

fn library_error() -> End {
    // SAFETY: `dlerror` gives null or a NUL-terminated text that stays until the next call of the dl family.
    End(EXIT_LIBRARY, unsafe { text_at(dlerror()) })
}

fn c_text(text: &str) -> Result<CString, End> {
    CString::new(text).map_err(|_| End(EXIT_USAGE, format!("an argument holds a NUL byte: {text:?}")))
}

fn load_query(library: &str) -> Result<Query, End> {
    let path = c_text(library)?;
    // SAFETY: `path` is NUL-terminated and outlives the call.
    let handle = unsafe { dlopen(path.as_ptr(), RTLD_NOW) };
    if handle.is_null() {
        return Err(library_error());
    }
    // SAFETY: `handle` is open and is never closed; the name is a C literal.
    let symbol = unsafe { dlsym(handle, c"query_stable_v2".as_ptr()) };
    if symbol.is_null() {
        return Err(library_error());
    }
    // SAFETY: libchdb declares `query_stable_v2` as `local_result_v2 *(int argc, char **argv)`, which is `Query`.
    Ok(unsafe { std::mem::transmute::<*mut c_void, Query>(symbol) })
}

/// The server's arguments. Its query reads `lifetime_fd`, so that it ends, and with it the server, when the writing end
/// of that pipe is dropped. Not `/dev/stdin` itself: a Node child's standard input is a socket, which no path opens.
fn server_args(
    data_dir: &str,
    http_port: &str,
    tcp_port: &str,
    options: &[String],
    lifetime_fd: c_int,
) -> Vec<String> {
    let mut args = vec![
        "clickhouse".to_string(),
        format!("--path={data_dir}"),
        "--listen_host=127.0.0.1".to_string(),
        format!("--http_port={http_port}"),
        format!("--tcp_port={tcp_port}"),
    ];
    args.extend_from_slice(options);
    args.push(format!(
        "--query=SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; \
         SELECT count() FROM file('/dev/fd/{lifetime_fd}', 'LineAsString', 'l String') FORMAT Null"
    ));
    args
}

fn run(args: &[String]) -> Result<(), End> {
    let [_, library, data_dir, http_port, tcp_port, options @ ..] = args else {
        return Err(End(
            EXIT_USAGE,
            format!(
                "{} arguments, want at least {ARGS_MIN}: LIBCHDB DATA_DIR HTTP_PORT TCP_PORT",
                args.len()
            ),
        ));
    };
    let query = load_query(library)?;
    let (reader, writer) = std::io::pipe().map_err(|error| End(EXIT_SERVER, error.to_string()))?;
    std::thread::spawn(move || {
        // The content does not matter, and a read error ends the life of the server like the end of the input does.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        drop(writer);
    });
    let owned = server_args(data_dir, http_port, tcp_port, options, reader.as_raw_fd())
        .iter()
        .map(|each| c_text(each))
        .collect::<Result<Vec<_>, _>>()?;
    let mut argv: Vec<*mut c_char> = owned.iter().map(|each| each.as_ptr().cast_mut()).collect();
    argv.push(std::ptr::null_mut());
    let argc = c_int::try_from(owned.len()).map_err(|_| End(EXIT_USAGE, "too many arguments".to_string()))?;
    // SAFETY: `argv` holds `argc` NUL-terminated strings and a closing null; they and `reader` outlive the call.
    let result = unsafe { query(argc, argv.as_mut_ptr()) };
    if result.is_null() {
        return Err(End(EXIT_LIBRARY, "the library gave no result".to_string()));
    }
    // SAFETY: a result that is not null is a `local_result_v2`, whose `error` is null or NUL-terminated text.
    let error = unsafe { text_at((*result).error) };
    if error.is_empty() { Ok(()) } else { Err(End(EXIT_SERVER, error)) }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(End(code, what)) => {
            eprintln!("clickhouse-host: {what}");
            ExitCode::from(code)
        }
    }
}
