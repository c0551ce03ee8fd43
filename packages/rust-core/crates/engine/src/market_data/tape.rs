//! The tape of one instrument over lost connections: which prints are known, what is missing, and pages that fill it in.
//!
//! A connection that was lost leaves a hole in the tape. The loop asks for what lies between the newest print before the loss and
//! now; the shell fetches it over REST, page by page, and hands each page over as it came. A print is known by its id, time, price
//! and size, so one that came both ways counts once, in whichever order.

use super::limits::{BACKFILL_RETRY_NS, BACKFILL_TRIES_MAX, TAPE_PRINTS_MAX};
use std::collections::{BTreeSet, VecDeque};
use tidegate_normalise::{Alpaca, Event, Print, SymbolSpec};

type Key = (i64, u64, i64, i64);

/// What is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    /// From this venue time on, ns since the Unix epoch; the print at it may be known.
    pub from_ns: i64,
    /// Which loss it was last widened by; an answer to an older question does not close it.
    pub loss: u64,
    /// Asked so often.
    pub tries: u32,
    asked_at: Option<u64>,
}

/// The newest prints of one instrument, and the hole in them.
#[derive(Debug, Default)]
pub struct Tape {
    order: VecDeque<Key>,
    known: BTreeSet<Key>,
    newest_ns: i64,
    losses: u64,
    hole: Option<Hole>,
    given_up: u64,
}

/// A page that could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPage;

impl Tape {
    /// Takes a print in; false where it is known already.
    pub fn admit(&mut self, print: &Print) -> bool {
        let key = (print.ts_venue.0, print.trade_id, print.px.0, print.qty.0);
        if !self.known.insert(key) {
            return false;
        }
        if self.order.len() == TAPE_PRINTS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(key);
        self.newest_ns = self.newest_ns.max(print.ts_venue.0);
        true
    }

    /// The connection is gone at this time of our clock. A hole that is open already only grows.
    pub fn lost(&mut self, epoch_ns: i64) {
        self.losses += 1;
        let from_ns = if self.newest_ns > 0 { self.newest_ns } else { epoch_ns };
        let hole = self.hole.get_or_insert(Hole { from_ns, loss: 0, tries: 0, asked_at: None });
        *hole = Hole { loss: self.losses, tries: 0, asked_at: None, ..*hole };
    }

    /// What to ask for now, if anything is missing and it was not asked for a moment ago. Given up after some tries.
    pub fn ask(&mut self, mono_ns: u64) -> Option<Hole> {
        let hole = self.hole.as_mut()?;
        if hole.asked_at.is_some_and(|at| mono_ns.saturating_sub(at) < BACKFILL_RETRY_NS) {
            return None;
        }
        if hole.tries == BACKFILL_TRIES_MAX {
            self.hole = None;
            self.given_up += 1;
            return None;
        }
        hole.asked_at = Some(mono_ns);
        hole.tries += 1;
        Some(*hole)
    }

    /// A question is being answered: it is not asked again meanwhile.
    pub fn answering(&mut self, loss: u64, mono_ns: u64) {
        if let Some(hole) = self.hole.as_mut().filter(|hole| hole.loss == loss) {
            hole.asked_at = Some(mono_ns);
        }
    }

    /// The last page of an answer has come; gives whether the hole is closed.
    pub fn filled(&mut self, loss: u64) -> bool {
        let closed = self.hole.is_some_and(|hole| hole.loss == loss);
        if closed {
            self.hole = None;
        }
        closed
    }

    /// Whether anything is missing.
    pub const fn open(&self) -> bool {
        self.hole.is_some()
    }

    /// Holes that were given up.
    pub const fn given_up(&self) -> u64 {
        self.given_up
    }
}

/// Reads a page of the venue's historical trades, `{"trades":[{…}], …}` or `null` for none: prints in their order, and how many
/// items were refused. Each item is read as the same trade of the stream would be, from its bytes.
///
/// # Errors
/// The body is not one object with an array of objects.
pub fn page(spec: SymbolSpec, body: &[u8]) -> Result<(Vec<Print>, u64), NoPage> {
    let symbol = spec.symbol.clone();
    let mut reader = Alpaca::of(vec![spec]);
    let (mut prints, mut refused) = (Vec::new(), 0);
    let mut text = Vec::new();
    items(body, |item| {
        text.clear();
        text.extend_from_slice(br#"[{"T":"t","S":""#);
        text.extend_from_slice(symbol.as_bytes());
        text.push(b'"');
        if item.iter().any(|b| !b.is_ascii_whitespace()) {
            text.push(b',');
        }
        text.extend_from_slice(item);
        text.extend_from_slice(b"}]");
        let read = reader.parse(&text, &mut |_, event| {
            if let Event::Print(print) = event {
                prints.push(print);
            }
        });
        refused += u64::from(read != Ok(1));
    })?;
    Ok((prints, refused))
}

/// The insides of the objects in the one array of an object.
fn items(body: &[u8], mut give: impl FnMut(&[u8])) -> Result<(), NoPage> {
    let (mut open, mut text, mut escaped, mut begin) = (Vec::new(), false, false, 0);
    for (at, byte) in body.iter().enumerate() {
        if text {
            text = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            continue;
        }
        match byte {
            b'"' => text = true,
            b'{' | b'[' => {
                let fits = match open.as_slice() {
                    [] => *byte == b'{',
                    [b'{'] => *byte == b'[',
                    [b'{', b'['] => *byte == b'{',
                    // An array or object inside of an item.
                    deep => deep.len() < 8,
                };
                if !fits {
                    return Err(NoPage);
                }
                open.push(*byte);
                if open.len() == 3 {
                    begin = at + 1;
                }
            }
            b'}' | b']' => {
                if open.pop() != Some(if *byte == b'}' { b'{' } else { b'[' }) {
                    return Err(NoPage);
                }
                if open.len() == 2 {
                    give(body.get(begin..at).unwrap_or_default());
                }
                if open.is_empty() {
                    let rest = body.get(at + 1..).unwrap_or_default();
                    return if rest.trim_ascii().is_empty() { Ok(()) } else { Err(NoPage) };
                }
            }
            _ => {}
        }
    }
    Err(NoPage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_units::EpochNs;

    fn spec() -> SymbolSpec {
        SymbolSpec { symbol: "AAPL".into(), px_scale: 2, px_unit: 1, qty_scale: 0, qty_unit: 1 }
    }

    fn prints(body: &str) -> Vec<(i64, u64, i64, i64)> {
        let (prints, _) = page(spec(), body.as_bytes()).unwrap();
        prints.iter().map(|p| (p.ts_venue.0 % 1_000_000_000, p.trade_id, p.px.0, p.qty.0)).collect()
    }

    #[test]
    fn b014_a_page_of_the_venue_is_read_to_the_digit() {
        let body = r#"{"trades":[{"t":"2022-01-03T09:00:00.000000001Z","x":"]","p":177.2,"s":71,"c":["@","T"],"i":5,"z":"C"},
            {"t":"2022-01-03T09:00:00.5Z","x":"\"}","p":177.21,"s":1,"c":7,"i":9007199254740993,"z":"C"}],"symbol":"AAPL","next_page_token":"x]}"}"#;
        // Conditions that are no list are refused, and the rest stands.
        assert_eq!(page(spec(), body.as_bytes()).unwrap().1, 1);
        let body = body.replace("\"c\":7", "\"c\":[]");
        assert_eq!(prints(&body), [(1, 5, 17_720, 71), (500_000_000, 9_007_199_254_740_993, 17_721, 1)]);
        assert_eq!(prints(r#"{"trades":null,"symbol":"AAPL","next_page_token":null}"#), []);
        assert_eq!(prints(r#" {"trades":[]} "#), []);
    }

    #[test]
    fn b014_what_is_no_page_is_refused_and_a_bad_item_is_counted() {
        for bad in [
            "",
            "[]",
            "{",
            "{}}",
            r#"{"trades":[[]]}"#,
            r#"{"trades":[{]}"#,
            "null",
            r#"{"a":{}}"#,
            r#"{"a":["#,
        ] {
            assert_eq!(page(spec(), bad.as_bytes()).map(|_| ()), Err(NoPage), "{bad}");
        }
        let body = r#"{"trades":[{},{"t":"x"},{"t":"2022-01-03T09:00:00Z","p":1.005,"s":1,"i":1}]}"#;
        assert_eq!(page(spec(), body.as_bytes()).unwrap(), (vec![], 3));
    }

    fn print(id: u64, ts: i64) -> Print {
        let text = format!(r#"{{"trades":[{{"t":"2022-01-03T09:00:00Z","p":1,"s":1,"i":{id}}}]}}"#);
        Print { ts_venue: EpochNs(ts), ..page(spec(), text.as_bytes()).unwrap().0[0] }
    }

    #[test]
    fn b014_a_print_counts_once_however_it_comes_within_the_bound() {
        let mut tape = Tape::default();
        assert_eq!(
            [tape.admit(&print(1, 5)), tape.admit(&print(1, 5)), tape.admit(&print(1, 6))],
            [true, false, true]
        );
        for n in 0..TAPE_PRINTS_MAX as u64 {
            assert!(tape.admit(&print(n, 100)));
        }
        assert_eq!((tape.order.len(), tape.known.len()), (TAPE_PRINTS_MAX, TAPE_PRINTS_MAX));
        assert!(tape.admit(&print(1, 5)), "forgotten after so many newer ones");
    }

    #[test]
    fn b014_a_hole_is_asked_for_until_it_is_filled_or_given_up_and_grows_with_each_loss() {
        let mut tape = Tape::default();
        assert_eq!(tape.ask(0), None);
        tape.lost(77);
        assert_eq!(
            tape.ask(1).map(|hole| (hole.from_ns, hole.tries)),
            Some((77, 1)),
            "nothing was seen before"
        );
        assert!(tape.filled(1));
        tape.admit(&print(1, 50));
        tape.lost(99);
        assert_eq!(tape.ask(1).map(|hole| (hole.from_ns, hole.loss)), Some((50, 2)));
        assert_eq!(tape.ask(2), None, "asked a moment ago");
        tape.admit(&print(2, 60));
        tape.lost(120);
        assert_eq!(
            tape.ask(3).map(|hole| (hole.from_ns, hole.loss)),
            Some((50, 3)),
            "from the first loss on"
        );
        assert!(!tape.filled(2), "an answer to the older question leaves the rest open");
        let mut now = 3;
        for _ in 1..BACKFILL_TRIES_MAX {
            now += BACKFILL_RETRY_NS;
            assert!(tape.ask(now).is_some());
        }
        now += BACKFILL_RETRY_NS;
        assert_eq!((tape.ask(now), tape.open(), tape.given_up()), (None, false, 1));
    }
}
