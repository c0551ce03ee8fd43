//! `bench router`: from the bytes of a command to the bytes of its order at a socket, beside a raw write of the same bytes.

mod binance;
mod fix;
mod pipe;
mod world;

use crate::args::Args;
use crate::report::{CASES_MIN, Report};
use crate::timing::{clock_ns, each, median, tail};
use binance::BinanceDesk;
use fix::FixDesk;
use pipe::Pipe;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tidegate_fix::MemoryStore;
use tidegate_fix::shell::JournalStore;
use tidegate_instruments::Venue;
use tidegate_journal::{Journal, JournalConfig, Tier};
use tidegate_router::What;
use tidegate_wire::pb::orders::v1::Command;
use world::World;

/// Fewest rounds for a median that means something.
const ROUNDS_MIN: usize = 11;
const SEED: u64 = 20_260_901;
/// Orders before the ones that count.
const WARM_UP: usize = 500;
/// How much longer an order may take to write than its bytes alone.
const VS_RAW_MAX: f64 = 3.0;

/// One venue's way to write an order, and the venue's end of the connection.
trait Desk {
    /// Encodes, signs and frames an order; nothing is written. Gives its bytes.
    fn encode(&mut self, token: u64, what: &What) -> Result<usize, String>;
    /// The same, and writes it.
    fn write(&mut self, token: u64, what: &What) -> Result<(), String>;
    /// How often the socket was written to so far.
    fn writes(&self) -> u64;
    /// Takes one whole order from the venue's end of the socket into `bytes`.
    fn arrived(&mut self, bytes: &mut Vec<u8>) -> Result<(), String>;
    /// Whether these bytes are this order, as the venue reads it.
    fn is(&mut self, bytes: &[u8], token: u64, command: &Command) -> Result<bool, String>;
}

/// A fault that is planted, so that a check is seen to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plant {
    /// Each order is encoded many times before it is written.
    Slow,
    /// Each order is written twice.
    Twice,
    /// Each order has another price than its command.
    Wrong,
}

#[derive(Debug, Clone, Copy)]
struct Scale {
    rounds: usize,
    orders: usize,
    seed: u64,
    plant: Option<Plant>,
}

/// Runs the bench. `--rounds N`, `--orders N` of a round, `--dir` for the journals, `--break slow|twice|wrong`.
///
/// # Errors
/// A flag that cannot be read, a socket or journal that cannot be had, bytes that do not arrive.
pub fn run(args: &Args) -> Result<Report, String> {
    let scale = Scale {
        rounds: args.get("rounds", 13)?,
        orders: args.get("orders", 2_000)?,
        seed: args.get("seed", SEED)?,
        plant: match args.text("break").as_deref() {
            None => None,
            Some("slow") => Some(Plant::Slow),
            Some("twice") => Some(Plant::Twice),
            Some("wrong") => Some(Plant::Wrong),
            Some(other) => return Err(format!("--break {other}: want slow, twice or wrong")),
        },
    };
    let dir = PathBuf::from(args.text("dir").ok_or("--dir: want a folder for the journals")?);
    args.done()?;
    if scale.rounds == 0 || scale.orders == 0 {
        return Err("--rounds and --orders: want at least 1 of each".into());
    }
    let work = dir.join(format!("bench-router-{}", std::process::id()));
    std::fs::create_dir_all(&work).map_err(|e| format!("{}: {e}", work.display()))?;
    let done = measure(&work, scale);
    std::fs::remove_dir_all(&work).map_err(|e| format!("{}: {e}", work.display()))?;
    done
}

fn measure(work: &Path, scale: Scale) -> Result<Report, String> {
    let mut report = Report::new();
    report.seed(scale.seed);
    report.check("rounds", scale.rounds, ">=", ROUNDS_MIN, "");
    report.figure("clock_ns", clock_ns());
    for (name, venue) in [("binance_ws_api", Venue::BinanceSpot), ("binance_usdm_ws_api", Venue::BinanceUsdm)]
    {
        let make = || BinanceDesk::open(venue).map(|desk| Box::new(desk) as Box<dyn Desk>);
        one(&mut report, name, venue, scale, &make, &make, work)?;
    }
    let memory = || FixDesk::open(|_| Ok(MemoryStore::default())).map(|desk| Box::new(desk) as Box<dyn Desk>);
    let store = work.join("fix-session");
    let kept = || {
        FixDesk::open(|config| JournalStore::open(&store, config, Tier::T0).map_err(|e| e.to_string()))
            .map(|desk| Box::new(desk) as Box<dyn Desk>)
    };
    // The instrument of spot, sold at a FIX venue.
    one(&mut report, "fix", Venue::BinanceSpot, scale, &memory, &kept, work)?;
    Ok(report)
}

type Make<'a> = &'a dyn Fn() -> Result<Box<dyn Desk>, String>;

/// All figures of one venue. `kept` makes a desk that also keeps what its venue's session must not lose.
fn one(
    report: &mut Report,
    name: &str,
    venue: Venue,
    scale: Scale,
    desk: Make<'_>,
    kept: Make<'_>,
    work: &Path,
) -> Result<(), String> {
    let mut way = Way { world: World::new(venue, scale.seed)?, desk: desk()?, plant: scale.plant };
    let mut seen = Seen::default();
    let mut raw = Raw { pipe: Pipe::open()?, last: Vec::new() };
    way.round(WARM_UP.min(scale.orders), &mut raw, &mut Seen::default())?;
    let mut ratios = Vec::with_capacity(scale.rounds);
    for _ in 0..scale.rounds {
        let from = seen.whole.len();
        way.round(scale.orders, &mut raw, &mut seen)?;
        ratios.push(p50(&seen.whole[from..]) / p50(&seen.raw[from..]).max(1.0));
    }
    let of = seen.whole.len() as u64;
    // The ratio of spot and of FIX is the promise; USD-M writes the same text to another host.
    if venue == Venue::BinanceUsdm {
        report.figure(&format!("{name}.vs_raw_socket_p50"), median(&ratios));
    } else {
        report.check(&format!("write_vs_raw_socket_p50.{name}"), median(&ratios), "<=", VS_RAW_MAX, "");
    }
    report.zero(&format!("orders_not_as_commanded.{name}"), seen.wrong, of, CASES_MIN);
    report.zero(&format!("orders_not_of_one_write.{name}"), seen.not_one_write, of, CASES_MIN);
    report.figure(&format!("{name}.order_bytes"), seen.bytes / of.max(1));
    report.figure(&format!("{name}.command_to_socket_ns"), tail(seen.whole));
    report.figure(&format!("{name}.of_it_decision_ns"), tail(seen.decided));
    report.figure(&format!("{name}.of_it_encode_and_write_ns"), tail(seen.written));
    report.figure(&format!("{name}.raw_write_ns"), tail(seen.raw));
    report.figure(&format!("{name}.codec_ns"), codec(venue, scale, desk)?);
    let mut way = Way { world: World::new(venue, scale.seed)?, desk: kept()?, plant: scale.plant };
    let journal = Journal::open(&work.join(name), JournalConfig::new("router.journal", Tier::T0));
    way.world.journal = Some(journal.map_err(|e| e.to_string())?.0);
    let mut seen = Seen::default();
    way.round(scale.orders, &mut raw, &mut seen)?;
    report.figure(&format!("{name}.command_to_socket_with_journal_t0_ns"), tail(seen.whole));
    Ok(())
}

fn p50(all: &[Duration]) -> f64 {
    let mut sorted = all.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).map_or(0.0, |one| one.as_nanos() as f64)
}

/// The codec alone: a request to the bytes of its message, nothing written.
fn codec(venue: Venue, scale: Scale, desk: Make<'_>) -> Result<serde_json::Value, String> {
    let mut world = World::new(venue, scale.seed)?;
    let mut desk = desk()?;
    let mut requests = Vec::with_capacity(scale.orders);
    for _ in 0..scale.orders {
        let payload = world.next();
        requests.push(world.decide(&payload)?);
        world.settle()?;
    }
    let mut fault = None;
    let figures = each(&requests, |request| {
        if let Err(why) = desk.encode(request.token, &request.what) {
            fault.get_or_insert(why);
        }
    });
    fault.map_or(Ok(figures), Err)
}

/// Durations of each order, and what was wrong with any.
#[derive(Debug, Default)]
struct Seen {
    whole: Vec<Duration>,
    decided: Vec<Duration>,
    written: Vec<Duration>,
    raw: Vec<Duration>,
    bytes: u64,
    wrong: u64,
    not_one_write: u64,
}

/// The floor: one connection of the same kind, and the bytes to write next.
#[derive(Debug)]
struct Raw {
    pipe: Pipe,
    last: Vec<u8>,
}

impl Raw {
    fn write(&mut self, seen: &mut Seen) -> Result<(), String> {
        let began = Instant::now();
        self.pipe.write(&self.last)?;
        seen.raw.push(began.elapsed());
        self.pipe.drain(self.last.len())
    }
}

/// The core and the desk of one venue.
struct Way {
    world: World,
    desk: Box<dyn Desk>,
    plant: Option<Plant>,
}

impl Way {
    /// So many orders, each beside a raw write of its bytes, now the one first and now the other.
    fn round(&mut self, orders: usize, raw: &mut Raw, seen: &mut Seen) -> Result<(), String> {
        for order in 0..orders {
            let raw_first = order % 2 == 1;
            if raw_first {
                raw.write(seen)?;
            }
            self.order(raw, seen)?;
            if !raw_first {
                raw.write(seen)?;
            }
        }
        Ok(())
    }

    fn order(&mut self, raw: &mut Raw, seen: &mut Seen) -> Result<(), String> {
        let payload = self.world.next();
        let writes = self.desk.writes();
        let began = Instant::now();
        let request = self.world.decide(&payload)?;
        let decided = began.elapsed();
        match self.plant {
            None => self.desk.write(request.token, &request.what)?,
            Some(plant) => self.planted(plant, request.token, &request.what)?,
        }
        let whole = began.elapsed();
        self.desk.arrived(&mut raw.last)?;
        seen.whole.push(whole);
        seen.decided.push(decided);
        seen.written.push(whole.saturating_sub(decided));
        seen.bytes += raw.last.len() as u64;
        seen.not_one_write += u64::from(self.desk.writes() != writes + 1);
        seen.wrong += u64::from(!self.desk.is(&raw.last, request.token, self.world.command())?);
        self.world.settle()
    }

    fn planted(&mut self, plant: Plant, token: u64, what: &What) -> Result<(), String> {
        match (plant, what) {
            (Plant::Twice, _) => {
                self.desk.write(token, what)?;
                self.desk.arrived(&mut Vec::new())?;
            }
            (Plant::Slow, _) => {
                let until = Instant::now() + Duration::from_micros(100);
                while Instant::now() < until {}
            }
            (Plant::Wrong, What::Place { command, ts_ns }) => {
                let command = Command { px_ticks: command.px_ticks + 1, ..(**command).clone() };
                return self.desk.write(token, &What::Place { command: Box::new(command), ts_ns: *ts_ns });
            }
            (Plant::Wrong, _) => {}
        }
        self.desk.write(token, what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const NAMES: [&str; 3] = ["binance_ws_api", "binance_usdm_ws_api", "fix"];

    fn tiny(plant: Option<&str>) -> Value {
        let name = format!("tidegate-bench-router-{}-{}", std::process::id(), plant.unwrap_or("whole"));
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).unwrap_or_default();
        let shown = dir.display().to_string();
        let mut words = vec!["--rounds", "1", "--orders", "1000", "--dir", &shown];
        words.extend(plant.iter().flat_map(|plant| ["--break", *plant]));
        let words: Vec<String> = words.into_iter().map(String::from).collect();
        let line = Args::parse(&words).and_then(|args| run(&args)).map_or_else(|e| e, |report| report.line());
        assert_eq!(std::fs::read_dir(&dir).map(Iterator::count).unwrap_or(9), 0, "{line}");
        assert!(std::fs::remove_dir(&dir).is_ok());
        serde_json::from_str(&line).unwrap_or(Value::String(line))
    }

    fn value(read: &Value, name: &str) -> Option<f64> {
        let checks = read["checks"].as_array().into_iter().flatten();
        checks.clone().find(|check| check["name"] == name).and_then(|check| check["value"].as_f64())
    }

    #[test]
    fn a50_a_tiny_run_of_the_router_bench_sends_what_was_commanded_in_one_write_each() {
        let read = tiny(None);
        for name in NAMES {
            for count in ["orders_not_as_commanded", "orders_not_of_one_write"] {
                assert_eq!(value(&read, &format!("{count}.{name}")), Some(0.0), "{count} {name}: {read}");
                assert_eq!(value(&read, &format!("{count}.{name}_of")), Some(1_000.0), "{read}");
            }
            for figure in ["codec_ns", "command_to_socket_ns", "raw_write_ns"] {
                assert!(read["figures"][format!("{name}.{figure}")]["p999"].is_u64(), "{figure}: {read}");
            }
        }
        for name in ["binance_ws_api", "fix"] {
            assert!(value(&read, &format!("write_vs_raw_socket_p50.{name}")) > Some(0.0), "{read}");
        }
    }

    #[test]
    fn a50_an_order_that_is_another_or_is_written_twice_is_found_by_the_router_bench() {
        let (wrong, twice) = (tiny(Some("wrong")), tiny(Some("twice")));
        for name in NAMES {
            let of = |read: &Value, count: &str| value(read, &format!("{count}.{name}"));
            assert_eq!(of(&wrong, "orders_not_as_commanded"), Some(1_000.0), "{wrong}");
            assert_eq!(of(&wrong, "orders_not_of_one_write"), Some(0.0), "{wrong}");
            assert_eq!(of(&twice, "orders_not_of_one_write"), Some(1_000.0), "{twice}");
        }
    }
}
