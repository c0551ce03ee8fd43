//! A gateway's commands, and the router core that takes them.

use tidegate_instruments::{Instrument, Table, Venue};
use tidegate_journal::Journal;
use tidegate_router::{
    Answer, ClientId, Effect, Entry, Event, Exec, ExecKind, Now, Request, Router, VenueConfig,
};
use tidegate_units::{InstrumentId, IntentId, StrategyId, VenueId};
use tidegate_venue_io::clock;
use tidegate_wire::envelope;
use tidegate_wire::ids::client_order_id;
use tidegate_wire::pb::common::v1::{IntentId as PbIntentId, Side, Source};
use tidegate_wire::pb::envelope::v1::{Envelope, envelope::Payload};
use tidegate_wire::pb::orders::v1::{Command, CommandKind, OrderType, Tif};

/// The instruments of a sim run.
const TABLE: &[u8] = include_bytes!("../../../../../../config/instruments.json");
const KIND_ENVELOPE: u8 = 1;
const LEADER: (u32, u64) = (1, 9);
/// No budget stands in the way.
const ORDERS_PER_10S: usize = 100_000_000;
const TIFS: [Tif; 4] = [Tif::Gtc, Tif::Ioc, Tif::Fok, Tif::PostOnly];

/// The row of a venue's only instrument in the table of a sim run.
pub fn row(venue: Venue) -> Result<Instrument, String> {
    let table = Table::from_json(TABLE).map_err(|e| e.to_string())?;
    let row = table.iter().find(|row| row.venue == venue).cloned();
    row.ok_or_else(|| format!("the table has no instrument of {}", venue.name()))
}

/// A core with one venue that is up, and a source of orders.
pub struct World {
    core: Router,
    row: Instrument,
    orders: u64,
    random: u64,
    command: Command,
    pub journal: Option<Journal>,
    effects: Vec<Effect>,
    request: Option<Request>,
}

fn now() -> Now {
    Now { mono_ns: clock::mono_ns(), epoch_ns: clock::epoch_ns() }
}

impl World {
    pub fn new(venue: Venue, seed: u64) -> Result<Self, String> {
        let row = row(venue)?;
        let config = VenueConfig::new(VenueId(row.venue_id), ORDERS_PER_10S);
        let mut core = Router::new(&[config], [(row.instrument_id(), row.venue())], true);
        let mut effects = Vec::new();
        let grant = Command {
            kind: CommandKind::Grant.into(),
            gateway_epoch: LEADER.0,
            holder: LEADER.1,
            command_seq: 1,
            ..Command::default()
        };
        core.apply(now(), Event::Command(grant), &mut effects);
        core.apply(now(), Event::VenueUp { venue: VenueId(row.venue_id) }, &mut effects);
        effects.clear();
        let (command, journal, request) = (Command::default(), None, None);
        Ok(Self { core, row, orders: 0, random: seed | 1, command, journal, effects, request })
    }

    /// The last command there was.
    pub const fn command(&self) -> &Command {
        &self.command
    }

    fn draw(&mut self, below: u64) -> u64 {
        // xorshift64: the same orders in every run of a seed.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    /// The next command, as the link brings it.
    pub fn next(&mut self) -> Vec<u8> {
        self.orders += 1;
        let intent = IntentId::new(StrategyId(1), 1, self.orders);
        let (hi, lo) = intent.halves();
        let mono = clock::mono_ns();
        self.command = Command {
            command_seq: self.orders + 1,
            gateway_epoch: LEADER.0,
            holder: LEADER.1,
            kind: CommandKind::New.into(),
            intent_id: Some(PbIntentId { hi, lo }),
            client_order_id: client_order_id(intent.0, 0, 0),
            instrument_id: self.row.id,
            venue_id: self.row.venue_id,
            account_id: 1,
            side: if self.draw(2) == 0 { Side::Buy } else { Side::Sell }.into(),
            order_type: OrderType::Limit.into(),
            tif: TIFS[self.draw(4) as usize].into(),
            px_ticks: 600_000 + self.draw(9_000_000).cast_signed(),
            qty_lots: 1 + self.draw(100_000),
            tick_mono_ns: mono,
            intent_mono_ns: mono,
            command_mono_ns: mono,
            ..Command::default()
        };
        envelope::encode(&Envelope {
            schema_version: 1,
            source: Source::Gateway.into(),
            ts_event_ns: clock::epoch_ns(),
            ts_recv_ns: clock::epoch_ns(),
            log_seq: self.orders,
            payload: Some(Payload::Command(self.command.clone())),
            ..Envelope::default()
        })
    }

    /// Decodes and checks the command and lets the core decide it; where there is a journal, what the core wants in it is in
    /// it before the request is given.
    pub fn decide(&mut self, payload: &[u8]) -> Result<Request, String> {
        let envelope =
            envelope::decode_checked(payload).map_err(|e| format!("the command is refused: {e:?}"))?;
        let Some(Payload::Command(command)) = envelope.payload else { return Err("no command".into()) };
        let at = now();
        self.core.apply(at, Event::Command(command), &mut self.effects);
        let mut sent = None;
        for effect in self.effects.drain(..) {
            match (effect, &mut self.journal) {
                (Effect::Send(request), _) => sent = Some(request),
                (Effect::Journal(entry), Some(journal)) => append(journal, at, entry)?,
                _ => {}
            }
        }
        if let Some(journal) = &mut self.journal {
            journal.commit().map_err(|e| e.to_string())?;
        }
        let sent = sent.ok_or("the core sends no order")?;
        self.request = Some(sent.clone());
        Ok(sent)
    }

    /// The venue takes the order and cancels it, so that as few are open as before.
    pub fn settle(&mut self) -> Result<(), String> {
        let Request { token, venue, .. } = self.request.take().ok_or("no order to settle")?;
        let id = ClientId::parse(&self.command.client_order_id);
        let answer = Answer::Placed { venue_order_id: token.to_string(), ts_venue_ns: 1 };
        let exec = Exec {
            id,
            kind: ExecKind::Cancelled,
            venue_order_id: token.to_string(),
            side: None,
            cum_lots: Some(0),
            ts_venue_ns: 1,
            text: String::new(),
        };
        let instrument = InstrumentId(self.command.instrument_id);
        for event in [
            Event::Written { token, wire_mono_ns: clock::mono_ns() },
            Event::Answer { token, answer },
            Event::Exec { venue, instrument, exec },
        ] {
            self.core.apply(now(), event, &mut self.effects);
        }
        self.effects.clear();
        if self.core.open_orders() == 0 {
            Ok(())
        } else {
            Err("the core holds a cancelled order open".into())
        }
    }
}

fn append(journal: &mut Journal, at: Now, entry: Entry) -> Result<(), String> {
    let (payload, ts_event_ns) = match entry {
        Entry::Command { command, ts_ns } => (Payload::Command(command), ts_ns),
        Entry::Report(report) => (Payload::Report(report), at.epoch_ns),
    };
    let bytes = envelope::encode(&Envelope {
        schema_version: 1,
        source: Source::ExecutionRouter.into(),
        ts_event_ns,
        ts_recv_ns: at.epoch_ns,
        log_seq: journal.last_seq() + 1,
        payload: Some(payload),
        ..Envelope::default()
    });
    journal.append(KIND_ENVELOPE, &bytes, at.mono_ns, at.epoch_ns).map(drop).map_err(|e| e.to_string())
}
