//! Host names looked up beside the loop: the system's resolver may wait for seconds, a thread that prices may not.
//!
//! A lookup runs on a thread of its own, bounded in number and in time; its answer is kept. An answer past its time is still used
//! while it is looked up again, so that a resolver that is away stops no reconnect.

use crate::limits::{
    LOOKUP_NS_MAX, LOOKUPS_MAX, NAME_FAILED_KEEP_NS, NAME_FRESH_NS, NAME_USABLE_NS, NAMES_MAX,
};
use crate::net::{Family, NetFault, Place, bounded, target};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// What is known of a name now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    Ready(SocketAddr),
    /// It is being looked up; ask again.
    Pending,
    /// Why there is no address.
    Failed(String),
}

/// A resolver: an address of a host, or why there is none. It may wait.
type Resolve = dyn Fn(&str, u16) -> Result<SocketAddr, String> + Send + Sync;

#[derive(Debug, Clone, Default)]
struct Known {
    /// An address, and when it came.
    found: Option<(SocketAddr, u64)>,
    failed: Option<(String, u64)>,
    /// Since when it is being looked up, and by which thread.
    looking: Option<(u64, u64)>,
}

#[derive(Debug, Default)]
struct Table {
    names: BTreeMap<(String, u16), Known>,
    threads: usize,
    lookups: u64,
}

/// The names of one process.
#[derive(Clone)]
pub struct Names {
    table: Arc<Mutex<Table>>,
    resolve: Arc<Resolve>,
    clock: fn() -> u64,
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").field("table", &self.table).finish_non_exhaustive()
    }
}

pub(crate) fn system(host: &str, port: u16) -> Result<SocketAddr, String> {
    let mut found = (host, port).to_socket_addrs().map_err(|e| bounded(&format!("{host}: {e}")))?;
    found.next().ok_or_else(|| bounded(&format!("{host} has no address")))
}

/// The names of this process, by the system's resolver.
pub fn global() -> &'static Names {
    static GLOBAL: OnceLock<Names> = OnceLock::new();
    GLOBAL.get_or_init(|| Names::new(Arc::new(system), crate::clock::mono_ns))
}

impl Names {
    /// Names by another resolver and clock, for tests.
    pub fn new(resolve: Arc<Resolve>, clock: fn() -> u64) -> Self {
        Self { table: Arc::default(), resolve, clock }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Held for a few instructions only, never over a lookup.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The address a URL leads to. Never waits: a literal or a socket file is ready at once (a socket file as `None`).
    ///
    /// # Errors
    /// `BadUrl`.
    pub fn of_url(&self, url: &str, family: Family) -> Result<Option<Lookup>, NetFault> {
        Ok(match target(url, family)?.place {
            Place::Unix { .. } => None,
            Place::Tcp { host, port } => Some(self.lookup(&host, port)),
        })
    }

    /// The address of a host. Never waits.
    pub fn lookup(&self, host: &str, port: u16) -> Lookup {
        if let Ok(literal) = host.parse::<IpAddr>() {
            return Lookup::Ready(SocketAddr::new(literal, port));
        }
        let now = (self.clock)();
        let mut table = self.table();
        let key = (host.to_string(), port);
        if !table.names.contains_key(&key) && table.names.len() >= NAMES_MAX {
            return Lookup::Failed(format!("{host}: more than {NAMES_MAX} host names"));
        }
        let known = table.names.entry(key.clone()).or_default().clone();
        let age = |at: u64| now.saturating_sub(at);
        let fresh = known.found.is_some_and(|(_, at)| age(at) < NAME_FRESH_NS);
        let just_failed = known.failed.as_ref().is_some_and(|(_, at)| age(*at) < NAME_FAILED_KEEP_NS);
        let late = known.looking.is_some_and(|(since, _)| age(since) >= LOOKUP_NS_MAX);
        if !fresh && !just_failed && (known.looking.is_none() || late) {
            self.begin(&mut table, &key, now);
        }
        let looking = table.names.get(&key).is_some_and(|known| known.looking.is_some());
        match known.found.filter(|(_, at)| age(*at) < NAME_USABLE_NS) {
            Some((addr, _)) => Lookup::Ready(addr),
            None if just_failed => Lookup::Failed(known.failed.map_or_else(String::new, |(why, _)| why)),
            None if late => Lookup::Failed(format!("{host}: the resolver does not answer")),
            None if looking => Lookup::Pending,
            None => Lookup::Failed(format!("{host}: {LOOKUPS_MAX} lookups are under way")),
        }
    }

    fn begin(&self, table: &mut Table, key: &(String, u16), now: u64) {
        if table.threads >= LOOKUPS_MAX {
            return;
        }
        table.lookups += 1;
        let number = table.lookups;
        let (shared, resolve, clock, (host, port)) =
            (Arc::clone(&self.table), Arc::clone(&self.resolve), self.clock, key.clone());
        let look = move || {
            let answer = resolve(&host, port);
            let now = clock();
            let mut table = shared.lock().unwrap_or_else(PoisonError::into_inner);
            table.threads -= 1;
            if let Some(known) = table.names.get_mut(&(host, port)) {
                // An answer that was given up is still an answer; only the newest lookup ends the looking.
                known.looking = known.looking.filter(|(_, by)| *by != number);
                match answer {
                    Ok(addr) => (known.found, known.failed) = (Some((addr, now)), None),
                    Err(why) => known.failed = Some((why, now)),
                }
            }
        };
        if std::thread::Builder::new().name("names".into()).spawn(look).is_ok() {
            table.threads += 1;
            if let Some(known) = table.names.get_mut(key) {
                known.looking = Some((now, number));
            }
        }
    }

    /// A usable address, if one is known; never looks it up.
    pub(crate) fn known(&self, host: &str, port: u16) -> Option<SocketAddr> {
        let now = (self.clock)();
        let table = self.table();
        let (addr, at) = table.names.get(&(host.to_string(), port))?.found?;
        (now.saturating_sub(at) < NAME_USABLE_NS).then_some(addr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};

    const HERE: &str = "10.0.0.7:443";

    /// Names whose resolver waits until the test lets it go, with what it is to answer.
    fn held(clock: fn() -> u64) -> (Names, Sender<Result<SocketAddr, String>>, Receiver<()>) {
        let (answer, answers) = channel::<Result<SocketAddr, String>>();
        let (told, asked) = channel();
        let (answers, told) = (Mutex::new(answers), Mutex::new(told));
        let resolve = move |_: &str, _: u16| {
            told.lock().unwrap().send(()).unwrap();
            answers.lock().unwrap().recv().unwrap_or_else(|_| Err("the test is over".into()))
        };
        (Names::new(Arc::new(resolve), clock), answer, asked)
    }

    /// Until the lookup under way has been written down.
    fn settled(names: &Names, host: &str, want: impl Fn(&Lookup) -> bool) -> Lookup {
        for _ in 0..4_000_000 {
            let now = names.lookup(host, 443);
            if want(&now) {
                return now;
            }
            std::thread::yield_now();
        }
        names.lookup(host, 443)
    }

    #[test]
    fn a_resolver_that_waits_holds_nobody_up() {
        let (names, answer, asked) = held(|| 0);
        for _ in 0..100 {
            // Each of these returns while the resolver is still waiting for the test.
            assert_eq!(names.lookup("venue.example", 443), Lookup::Pending);
        }
        asked.recv().unwrap();
        assert!(asked.try_recv().is_err(), "one lookup for all who ask");
        answer.send(Ok(HERE.parse().unwrap())).unwrap();
        let found = settled(&names, "venue.example", |l| *l != Lookup::Pending);
        assert_eq!(found, Lookup::Ready(HERE.parse().unwrap()));
        assert_eq!(names.known("venue.example", 443), Some(HERE.parse().unwrap()));
        assert_eq!(names.known("other.example", 443), None);
    }

    #[test]
    fn literals_and_socket_files_are_never_looked_up() {
        let (names, _answer, asked) = held(|| 0);
        assert_eq!(names.lookup("127.0.0.1", 9), Lookup::Ready("127.0.0.1:9".parse().unwrap()));
        assert_eq!(names.lookup("::1", 9), Lookup::Ready("[::1]:9".parse().unwrap()));
        assert_eq!(names.of_url("http+unix://%2Ftmp%2Fs.sock/", Family::Http), Ok(None));
        assert!(names.of_url("ftp://x/", Family::Http).is_err());
        assert!(asked.try_recv().is_err());
    }

    static LATE: AtomicU64 = AtomicU64::new(0);

    #[test]
    fn a_lookup_that_never_ends_fails_and_an_old_address_outlives_its_time() {
        let (names, answer, asked) = held(|| LATE.load(Ordering::SeqCst));
        assert_eq!(names.lookup("a", 443), Lookup::Pending);
        LATE.store(LOOKUP_NS_MAX, Ordering::SeqCst);
        let late = names.lookup("a", 443);
        assert_eq!(late, Lookup::Failed("a: the resolver does not answer".into()));
        asked.recv().unwrap();
        answer.send(Ok(HERE.parse().unwrap())).unwrap();
        assert_eq!(
            settled(&names, "a", |l| matches!(l, Lookup::Ready(_))),
            Lookup::Ready(HERE.parse().unwrap())
        );
        // The second lookup, begun when the first was late, fails: the address stands.
        answer.send(Err("away".into())).unwrap();
        LATE.store(LOOKUP_NS_MAX + NAME_FRESH_NS, Ordering::SeqCst);
        assert_eq!(names.lookup("a", 443), Lookup::Ready(HERE.parse().unwrap()), "looked up again meanwhile");
        LATE.store(LOOKUP_NS_MAX + NAME_USABLE_NS, Ordering::SeqCst);
        assert!(!matches!(names.lookup("a", 443), Lookup::Ready(_)), "too old to be used");
    }

    static FAILED: AtomicU64 = AtomicU64::new(0);

    #[test]
    fn a_failure_is_kept_for_a_moment_and_then_looked_up_again() {
        let (names, answer, _asked) = held(|| FAILED.load(Ordering::SeqCst));
        answer.send(Err("a: no such host".into())).unwrap();
        assert_eq!(settled(&names, "a", |l| *l != Lookup::Pending), Lookup::Failed("a: no such host".into()));
        assert_eq!(names.lookup("a", 443), Lookup::Failed("a: no such host".into()));
        FAILED.store(NAME_FAILED_KEEP_NS, Ordering::SeqCst);
        assert_eq!(names.lookup("a", 443), Lookup::Pending);
    }

    #[test]
    fn names_and_threads_are_bounded() {
        let (names, _answer, _asked) = held(|| 0);
        for n in 0..LOOKUPS_MAX {
            assert_eq!(names.lookup(&format!("h{n}"), 443), Lookup::Pending);
        }
        assert!(
            matches!(names.lookup("one-more", 443), Lookup::Failed(why) if why.contains("lookups are under way"))
        );
        for n in 0..NAMES_MAX {
            names.lookup(&format!("h{n}"), 443);
        }
        assert!(
            matches!(names.lookup("yet-another", 443), Lookup::Failed(why) if why.contains("host names"))
        );
    }
}
