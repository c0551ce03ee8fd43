//! The ends hot loops use: a lane and the pure cores behind it.
//!
//! Every end has the same four calls. `recv` takes the next thing that arrived, one at a time, so that the caller may use
//! the end again while it handles it; `pump` does that for a bounded batch with a closure; `tick` sends what is due by
//! time, acknowledgements included, and is called once in every turn of the loop; `poll_item` is for `zmq::poll`.
//! Nothing here waits.

use crate::lane::{Arrival, Inbox, Lane, LaneCounters, LaneFault, LaneFaultCode, Sent};
use crate::limits::{PEERS_MAX, PUMP_FRAMES_MAX, STREAM_HWM, TOPICS_MAX, WINDOW_DEFAULT, WINDOW_MAX};
use crate::link::{Link, LinkConfig, LinkCounters, LinkEvent, LinkState, Received, SendRefusal};
use crate::stream::{Data, Ended, Gap, Opened, Publisher, StreamState, Subscriber, SubscriberCounters};
use crate::zmq_lane::{AllowedUids, ZmqLane, identity_ok};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use tidegate_wire::frame::FrameFault;
use tidegate_wire::limits::{HEADER_LEN, TOPIC_LEN_MAX};
use tidegate_wire::topic::{link_id, link_name};
use zmq::{Context, PollItem};

/// A client of a [`LinkServer`]; the same for an identity as long as the server lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u32);

/// What a link end has for its owner. On a client, `peer` is always `PeerId(0)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkInput<'a> {
    /// The next payload in order; `ack` its sequence once it is durable.
    Data { peer: PeerId, epoch: u32, seq: u64, mono_ns: u64, payload: &'a [u8] },
    /// A change of the link to this peer.
    Event { peer: PeerId, event: LinkEvent },
}

/// Counts of a server that belong to no peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerCounters {
    /// Frames under an identity this server does not take.
    pub refused_identity: u64,
    /// Frames of a new peer beyond the bound of peers.
    pub refused_too_many: u64,
}

/// What a link server is made from.
#[derive(Debug, Clone)]
pub struct LinkServerConfig {
    /// `ipc://<directory>/<name>`.
    pub endpoint: String,
    /// The link's name: "intent", "command", "tail".
    pub link: String,
    /// What an identity must begin with; empty takes any.
    pub identity_prefix: String,
    /// This process's session, see `epoch::next`.
    pub epoch: u32,
    pub window: u32,
    pub peers_max: usize,
    pub uids: AllowedUids,
}

impl LinkServerConfig {
    /// The default bounds.
    pub fn new(endpoint: impl Into<String>, link: impl Into<String>, epoch: u32) -> Self {
        Self {
            endpoint: endpoint.into(),
            link: link.into(),
            identity_prefix: String::new(),
            epoch,
            window: WINDOW_DEFAULT,
            peers_max: PEERS_MAX,
            uids: AllowedUids::default(),
        }
    }
}

/// What a link client is made from.
#[derive(Debug, Clone)]
pub struct LinkClientConfig {
    /// `ipc://<directory>/<name>`.
    pub endpoint: String,
    /// The link's name, the same as at the server.
    pub link: String,
    /// Who this is: "strategy:1", "gateway", "recorder".
    pub identity: String,
    /// This process's session, see `epoch::next`.
    pub epoch: u32,
    pub window: u32,
    pub uids: AllowedUids,
    /// The server's epoch and the last sequence of it that an earlier run holds durably.
    pub resume: Option<(u32, u64)>,
}

impl LinkClientConfig {
    /// The default bounds, nothing to resume.
    pub fn new(
        endpoint: impl Into<String>,
        link: impl Into<String>,
        identity: impl Into<String>,
        epoch: u32,
    ) -> Self {
        Self {
            endpoint: endpoint.into(),
            link: link.into(),
            identity: identity.into(),
            epoch,
            window: WINDOW_DEFAULT,
            uids: AllowedUids::default(),
            resume: None,
        }
    }
}

fn hwm(window: u32) -> i32 {
    // Control frames ride beside a full window.
    i32::try_from(window.clamp(1, WINDOW_MAX)).unwrap_or(i32::MAX).saturating_add(64)
}

/// Sends what is due; a lane that has lost the peer takes the link back to its handshake.
fn flush(link: &mut Link, lane: &mut ZmqLane, address: &[u8], now_ns: u64) -> Result<(), LaneFault> {
    let mut broken = Ok(());
    let mut no_peer = false;
    link.poll(now_ns, &mut |frame| match lane.send(address, frame) {
        Ok(Sent::Sent) => true,
        Ok(Sent::WouldBlock) => false,
        Ok(Sent::NoPeer) => {
            no_peer = true;
            false
        }
        Err(fault) => {
            broken = Err(fault);
            false
        }
    });
    if no_peer && link.state() != LinkState::Connecting {
        link.disconnected();
    }
    broken
}

struct Peer {
    identity: Vec<u8>,
    link: Link,
}

/// The listening end of one kind of link: one [`Link`] for each client identity.
pub struct LinkServer {
    config: LinkServerConfig,
    lane: ZmqLane,
    peers: Vec<Peer>,
    index: BTreeMap<Vec<u8>, u32>,
    inbox: Inbox,
    events_waiting: bool,
    counters: ServerCounters,
}

impl fmt::Debug for LinkServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkServer")
            .field("link", &self.config.link)
            .field("peers", &self.peers.len())
            .field("lane", &self.lane)
            .finish_non_exhaustive()
    }
}

impl LinkServer {
    /// Listens.
    ///
    /// # Errors
    /// The endpoint is refused, taken or not to be had.
    pub fn bind(context: &Context, mut config: LinkServerConfig) -> Result<Self, LaneFault> {
        config.peers_max = config.peers_max.clamp(1, PEERS_MAX);
        let lane = ZmqLane::router(context, &config.endpoint, hwm(config.window), config.uids.clone())?;
        Ok(Self {
            config,
            lane,
            peers: Vec::new(),
            index: BTreeMap::new(),
            inbox: Inbox::default(),
            events_waiting: false,
            counters: ServerCounters::default(),
        })
    }

    /// The next event or payload, or `None` when nothing waits (or a bounded number of refused frames was passed over).
    ///
    /// # Errors
    /// The lane is broken.
    pub fn recv(&mut self, now_ns: u64) -> Result<Option<LinkInput<'_>>, LaneFault> {
        let mut data = None;
        for _ in 0..PUMP_FRAMES_MAX {
            if self.events_waiting {
                for (at, peer) in (0_u32..).zip(&mut self.peers) {
                    if let Some(event) = peer.link.next_event() {
                        return Ok(Some(LinkInput::Event { peer: PeerId(at), event }));
                    }
                }
                self.events_waiting = false;
            }
            match self.lane.recv(&mut self.inbox)? {
                Arrival::Empty => return Ok(None),
                Arrival::Refused(_) => continue,
                Arrival::Frame => {}
            }
            let Some(at) = self.peer_of_inbox() else { continue };
            let Some(peer) = self.peers.get_mut(at as usize) else { continue };
            let received = peer.link.on_frame(now_ns, &self.inbox.frame);
            if let Received::Data { epoch, seq, mono_ns, .. } = received {
                data = Some((PeerId(at), epoch, seq, mono_ns));
            }
            self.events_waiting |= peer.link.has_event();
            if peer.link.has_due() {
                flush(&mut peer.link, &mut self.lane, &peer.identity, now_ns)?;
            }
            if data.is_some() {
                break;
            }
        }
        Ok(data.map(|(peer, epoch, seq, mono_ns)| LinkInput::Data {
            peer,
            epoch,
            seq,
            mono_ns,
            payload: self.inbox.frame.get(HEADER_LEN..).unwrap_or_default(),
        }))
    }

    fn peer_of_inbox(&mut self) -> Option<u32> {
        if let Some(at) = self.index.get(&self.inbox.address) {
            return Some(*at);
        }
        let identity = &self.inbox.address;
        if !identity_ok(identity) || !identity.starts_with(self.config.identity_prefix.as_bytes()) {
            self.counters.refused_identity += 1;
            return None;
        }
        if self.peers.len() >= self.config.peers_max {
            self.counters.refused_too_many += 1;
            return None;
        }
        let at = u32::try_from(self.peers.len()).ok()?;
        let name = link_name(&self.config.link, std::str::from_utf8(identity).ok()?);
        let config =
            LinkConfig { link_id: link_id(&name), epoch: self.config.epoch, window: self.config.window };
        self.peers.push(Peer { identity: identity.clone(), link: Link::new(config) });
        self.index.insert(identity.clone(), at);
        Some(at)
    }

    /// Hands what waits to `on`, at most [`PUMP_FRAMES_MAX`] inputs, and gives their number.
    ///
    /// # Errors
    /// The lane is broken.
    pub fn pump(&mut self, now_ns: u64, mut on: impl FnMut(LinkInput<'_>)) -> Result<usize, LaneFault> {
        for done in 0..PUMP_FRAMES_MAX {
            match self.recv(now_ns)? {
                Some(input) => on(input),
                None => return Ok(done),
            }
        }
        Ok(PUMP_FRAMES_MAX)
    }

    /// Sends what is due to every peer: heartbeats, acknowledgements, HELLOs, frames a full lane left behind.
    ///
    /// # Errors
    /// The lane is broken.
    pub fn tick(&mut self, now_ns: u64) -> Result<(), LaneFault> {
        for peer in &mut self.peers {
            flush(&mut peer.link, &mut self.lane, &peer.identity, now_ns)?;
            self.events_waiting |= peer.link.has_event();
        }
        Ok(())
    }

    /// Queues one payload for `peer`, hands it to the lane at once where it can, and gives its sequence.
    ///
    /// # Errors
    /// A refusal; nothing was queued. A broken lane shows at the next `recv` or `tick`.
    pub fn send(&mut self, now_ns: u64, peer: PeerId, payload: &[u8]) -> Result<u64, SendRefusal> {
        let peer = self.peers.get_mut(peer.0 as usize).ok_or(SendRefusal::UnknownPeer)?;
        let seq = peer.link.send(now_ns, payload)?;
        let _ = flush(&mut peer.link, &mut self.lane, &peer.identity, now_ns);
        self.events_waiting |= peer.link.has_event();
        Ok(seq)
    }

    /// Says that everything of `peer` up to `seq` is durable here; leaves with the next `tick`.
    pub fn ack(&mut self, peer: PeerId, seq: u64) {
        if let Some(peer) = self.peers.get_mut(peer.0 as usize) {
            peer.link.ack(seq);
        }
    }

    /// The same for a sequence of a certain epoch of the peer: ignored when it has restarted since. For acknowledgements
    /// that wait longer than the turn their frame came in.
    pub fn ack_of(&mut self, peer: PeerId, epoch: u32, seq: u64) {
        if let Some(peer) = self.peers.get_mut(peer.0 as usize) {
            peer.link.ack_of(epoch, seq);
        }
    }

    /// Ends every link in order; `tick` until [`LinkServer::finished`] or patience ends.
    pub fn bye(&mut self) {
        self.peers.iter_mut().for_each(|p| p.link.bye());
    }

    /// Whether `bye` was said and every peer has acknowledged everything.
    pub fn finished(&self) -> bool {
        self.peers.iter().all(|p| p.link.finished())
    }

    /// Whether events wait that arose in `tick` or `send`: then call `recv` before waiting in a poll.
    pub fn has_waiting(&self) -> bool {
        self.events_waiting
    }

    /// Every client met so far.
    pub fn peers(&self) -> impl Iterator<Item = (PeerId, &str, &Link)> {
        (0_u32..)
            .zip(&self.peers)
            .map(|(at, p)| (PeerId(at), std::str::from_utf8(&p.identity).unwrap_or_default(), &p.link))
    }

    /// The client of an identity, once met.
    pub fn peer(&self, identity: &str) -> Option<PeerId> {
        self.index.get(identity.as_bytes()).map(|at| PeerId(*at))
    }

    /// The identity of a client.
    pub fn identity(&self, peer: PeerId) -> Option<&str> {
        self.peers.get(peer.0 as usize).and_then(|p| std::str::from_utf8(&p.identity).ok())
    }

    /// The link to a client, to read its state and counters.
    pub fn link(&self, peer: PeerId) -> Option<&Link> {
        self.peers.get(peer.0 as usize).map(|p| &p.link)
    }

    pub fn poll_item(&self) -> PollItem<'_> {
        self.lane.poll_item()
    }

    pub fn lane_counters(&self) -> &LaneCounters {
        self.lane.counters()
    }

    pub const fn counters(&self) -> &ServerCounters {
        &self.counters
    }

    /// Closes, letting the last frames leave.
    pub fn close(self) {
        self.lane.close();
    }
}

/// The calling end of a link.
pub struct LinkClient {
    lane: ZmqLane,
    link: Link,
    inbox: Inbox,
}

impl fmt::Debug for LinkClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkClient")
            .field("link", &self.link)
            .field("lane", &self.lane)
            .finish_non_exhaustive()
    }
}

impl LinkClient {
    /// Starts to connect; an absent server is waited for.
    ///
    /// # Errors
    /// The endpoint or identity is refused.
    pub fn connect(context: &Context, config: LinkClientConfig) -> Result<Self, LaneFault> {
        let lane =
            ZmqLane::dealer(context, &config.endpoint, &config.identity, hwm(config.window), config.uids)?;
        let id = link_id(&link_name(&config.link, &config.identity));
        let mut link = Link::new(LinkConfig { link_id: id, epoch: config.epoch, window: config.window });
        if let Some((epoch, seq)) = config.resume {
            link = link.resuming(epoch, seq);
        }
        Ok(Self { lane, link, inbox: Inbox::default() })
    }

    /// The next event or payload, or `None` when nothing waits (or a bounded number of refused frames was passed over).
    ///
    /// # Errors
    /// The lane is broken.
    pub fn recv(&mut self, now_ns: u64) -> Result<Option<LinkInput<'_>>, LaneFault> {
        let peer = PeerId(0);
        let mut data = None;
        for _ in 0..PUMP_FRAMES_MAX {
            if let Some(event) = self.link.next_event() {
                return Ok(Some(LinkInput::Event { peer, event }));
            }
            match self.lane.recv(&mut self.inbox)? {
                Arrival::Empty => return Ok(None),
                Arrival::Refused(_) => continue,
                Arrival::Frame => {}
            }
            if let Received::Data { epoch, seq, mono_ns, .. } = self.link.on_frame(now_ns, &self.inbox.frame)
            {
                data = Some((epoch, seq, mono_ns));
            }
            if self.link.has_due() {
                flush(&mut self.link, &mut self.lane, &[], now_ns)?;
            }
            if data.is_some() {
                break;
            }
        }
        Ok(data.map(|(epoch, seq, mono_ns)| LinkInput::Data {
            peer,
            epoch,
            seq,
            mono_ns,
            payload: self.inbox.frame.get(HEADER_LEN..).unwrap_or_default(),
        }))
    }

    /// Hands what waits to `on`, at most [`PUMP_FRAMES_MAX`] inputs, and gives their number.
    ///
    /// # Errors
    /// The lane is broken.
    pub fn pump(&mut self, now_ns: u64, mut on: impl FnMut(LinkInput<'_>)) -> Result<usize, LaneFault> {
        for done in 0..PUMP_FRAMES_MAX {
            match self.recv(now_ns)? {
                Some(input) => on(input),
                None => return Ok(done),
            }
        }
        Ok(PUMP_FRAMES_MAX)
    }

    /// Sends what is due: heartbeats, acknowledgements, HELLOs, frames a full lane left behind.
    ///
    /// # Errors
    /// The lane is broken.
    pub fn tick(&mut self, now_ns: u64) -> Result<(), LaneFault> {
        flush(&mut self.link, &mut self.lane, &[], now_ns)
    }

    /// Queues one payload, hands it to the lane at once where it can, and gives its sequence.
    ///
    /// # Errors
    /// A refusal; nothing was queued. A broken lane shows at the next `recv` or `tick`.
    pub fn send(&mut self, now_ns: u64, payload: &[u8]) -> Result<u64, SendRefusal> {
        let seq = self.link.send(now_ns, payload)?;
        let _ = flush(&mut self.link, &mut self.lane, &[], now_ns);
        Ok(seq)
    }

    /// Says that everything up to `seq` is durable here; leaves with the next `tick`.
    pub fn ack(&mut self, seq: u64) {
        self.link.ack(seq);
    }

    /// The same for a sequence of a certain epoch of the server: ignored when it has restarted since.
    pub fn ack_of(&mut self, epoch: u32, seq: u64) {
        self.link.ack_of(epoch, seq);
    }

    /// Ends the link in order; `tick` until `link().finished()` or patience ends.
    pub fn bye(&mut self) {
        self.link.bye();
    }

    /// Whether events wait that arose in `tick` or `send`: then call `recv` before waiting in a poll.
    pub fn has_waiting(&self) -> bool {
        self.link.has_event()
    }

    /// The link, to read its state and counters.
    pub const fn link(&self) -> &Link {
        &self.link
    }

    pub fn state(&self) -> LinkState {
        self.link.state()
    }

    pub fn counters(&self) -> &LinkCounters {
        self.link.counters()
    }

    pub fn poll_item(&self) -> PollItem<'_> {
        self.lane.poll_item()
    }

    pub fn lane_counters(&self) -> &LaneCounters {
        self.lane.counters()
    }

    /// Closes, letting the last frames leave.
    pub fn close(self) {
        self.lane.close();
    }
}

/// A topic of one end, by the order in which it was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub u32);

/// Why a payload was not published; no sequence was used unless the lane itself broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishFault {
    Frame(FrameFault),
    Lane(LaneFault),
    UnknownTopic,
}

impl fmt::Display for PublishFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(fault) => write!(f, "cannot publish: {fault}"),
            Self::Lane(fault) => fault.fmt(f),
            Self::UnknownTopic => f.write_str("cannot publish: this end has no such topic"),
        }
    }
}

impl std::error::Error for PublishFault {}

/// The publishing end of many topics.
pub struct StreamPub {
    lane: ZmqLane,
    epoch: u32,
    topics: Vec<(String, Publisher)>,
    buf: Vec<u8>,
    /// Frames a full lane did not take; subscribers count them as missing.
    unsent: u64,
}

impl fmt::Debug for StreamPub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamPub")
            .field("epoch", &self.epoch)
            .field("topics", &self.topics.len())
            .field("lane", &self.lane)
            .finish_non_exhaustive()
    }
}

impl StreamPub {
    /// Listens for subscribers.
    ///
    /// # Errors
    /// The endpoint is refused, taken or not to be had.
    pub fn bind(context: &Context, endpoint: &str, epoch: u32) -> Result<Self, LaneFault> {
        let lane = ZmqLane::publisher(context, endpoint, STREAM_HWM, AllowedUids::default())?;
        Ok(Self { lane, epoch: epoch.max(1), topics: Vec::new(), buf: Vec::new(), unsent: 0 })
    }

    /// The id of a topic, opened when it is new. For start-up, not for each message.
    ///
    /// # Errors
    /// `TooMany` topics, or one longer than its bound.
    pub fn topic(&mut self, topic: &str) -> Result<TopicId, LaneFault> {
        if let Some(at) = self.topics.iter().position(|(name, _)| name == topic) {
            return Ok(TopicId(u32::try_from(at).unwrap_or(u32::MAX)));
        }
        let at = u32::try_from(self.topics.len()).unwrap_or(u32::MAX);
        if self.topics.len() >= TOPICS_MAX || topic.is_empty() || topic.len() > TOPIC_LEN_MAX {
            return Err(LaneFault::new(
                LaneFaultCode::TooMany,
                format!(
                    "cannot open topic {topic:?}: want 1 to {TOPIC_LEN_MAX} bytes and at most {TOPICS_MAX} topics"
                ),
            ));
        }
        self.topics.push((topic.to_owned(), Publisher::new(topic, self.epoch)));
        Ok(TopicId(at))
    }

    /// Publishes one payload and gives its sequence.
    ///
    /// # Errors
    /// See [`PublishFault`].
    pub fn publish(&mut self, now_ns: u64, topic: TopicId, payload: &[u8]) -> Result<u64, PublishFault> {
        let (name, publisher) = self.topics.get_mut(topic.0 as usize).ok_or(PublishFault::UnknownTopic)?;
        let seq = publisher.data(now_ns, payload, &mut self.buf).map_err(PublishFault::Frame)?;
        match self.lane.send(name.as_bytes(), &self.buf).map_err(PublishFault::Lane)? {
            Sent::Sent => {}
            Sent::WouldBlock | Sent::NoPeer => self.unsent += 1,
        }
        Ok(seq)
    }

    /// Sends the heartbeats that are due.
    ///
    /// # Errors
    /// The lane is broken.
    pub fn tick(&mut self, now_ns: u64) -> Result<(), LaneFault> {
        for (name, publisher) in &mut self.topics {
            if publisher.heartbeat(now_ns, &mut self.buf) {
                self.lane.send(name.as_bytes(), &self.buf)?;
            }
        }
        Ok(())
    }

    /// Ends every topic in order and closes, letting the last frames leave.
    ///
    /// # Errors
    /// The lane is broken.
    pub fn close(mut self, now_ns: u64) -> Result<(), LaneFault> {
        for (name, publisher) in &mut self.topics {
            if publisher.bye(now_ns, &mut self.buf) {
                self.lane.send(name.as_bytes(), &self.buf)?;
            }
        }
        self.lane.close();
        Ok(())
    }

    /// Last sequence of a topic, 0 for none.
    pub fn last_seq(&self, topic: TopicId) -> u64 {
        self.topics.get(topic.0 as usize).map_or(0, |(_, p)| p.last_seq())
    }

    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Frames a full lane did not take.
    pub const fn unsent(&self) -> u64 {
        self.unsent
    }

    pub fn lane_counters(&self) -> &LaneCounters {
        self.lane.counters()
    }
}

/// What a subscribing end has for its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamInput<'a> {
    pub topic: TopicId,
    pub name: &'a str,
    pub what: StreamWhat<'a>,
}

/// The kinds of [`StreamInput`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamWhat<'a> {
    /// A first or a new epoch; comes before anything of it.
    Opened(Opened),
    /// Exactly these are missing; comes before the frame that showed it.
    Gap(Gap),
    Data(Data<'a>),
    /// The publisher ended the topic in order.
    Closed(Ended),
    /// Nothing heard for half a second.
    Stale,
    /// Bytes that were no frame.
    Refused(FrameFault),
}

#[derive(Debug, Clone, Copy, Default)]
struct Pending {
    topic: u32,
    refused: Option<FrameFault>,
    opened: Option<Opened>,
    gap: Option<Gap>,
    data: Option<(u32, u64, u64)>,
    closed: Option<Ended>,
}

impl Pending {
    const fn is_empty(&self) -> bool {
        self.refused.is_none()
            && self.opened.is_none()
            && self.gap.is_none()
            && self.data.is_none()
            && self.closed.is_none()
    }
}

/// The subscribing end of many topics.
pub struct StreamSub {
    lane: ZmqLane,
    topics: Vec<(String, Subscriber)>,
    index: BTreeMap<Vec<u8>, u32>,
    inbox: Inbox,
    pending: Pending,
    /// At most one entry for each topic: a topic becomes stale once until it is heard again.
    stale: VecDeque<u32>,
    refused_topics: u64,
}

impl fmt::Debug for StreamSub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamSub")
            .field("topics", &self.topics.len())
            .field("lane", &self.lane)
            .finish_non_exhaustive()
    }
}

impl StreamSub {
    /// Starts to connect; an absent publisher is waited for.
    ///
    /// # Errors
    /// The endpoint is refused.
    pub fn connect(context: &Context, endpoint: &str, prefixes: &[&str]) -> Result<Self, LaneFault> {
        let lane = ZmqLane::subscriber(context, endpoint, prefixes, STREAM_HWM, AllowedUids::default())?;
        Ok(Self {
            lane,
            topics: Vec::new(),
            index: BTreeMap::new(),
            inbox: Inbox::default(),
            pending: Pending::default(),
            stale: VecDeque::new(),
            refused_topics: 0,
        })
    }

    /// The next input, or `None` when nothing waits (or a bounded number of refused messages was passed over).
    ///
    /// # Errors
    /// The lane is broken.
    pub fn recv(&mut self, now_ns: u64) -> Result<Option<StreamInput<'_>>, LaneFault> {
        if let Some(at) = self.stale.pop_front() {
            let name = self.topics.get(at as usize).map_or("", |(name, _)| name);
            return Ok(Some(StreamInput { topic: TopicId(at), name, what: StreamWhat::Stale }));
        }
        for _ in 0..PUMP_FRAMES_MAX {
            if !self.pending.is_empty() {
                break;
            }
            match self.lane.recv(&mut self.inbox)? {
                Arrival::Empty => return Ok(None),
                Arrival::Refused(_) => continue,
                Arrival::Frame => {}
            }
            let Some(at) = self.topic_of_inbox() else { continue };
            let Some((_, subscriber)) = self.topics.get_mut(at as usize) else { continue };
            let step = subscriber.on_frame(now_ns, &self.inbox.frame);
            self.pending = Pending {
                topic: at,
                refused: step.refused,
                opened: step.opened,
                gap: step.gap,
                data: step.data.map(|d| (d.epoch, d.seq, d.mono_ns)),
                closed: step.closed,
            };
        }
        let pending = &mut self.pending;
        let payload = self.inbox.frame.get(HEADER_LEN..).unwrap_or_default();
        let what = if let Some(fault) = pending.refused.take() {
            StreamWhat::Refused(fault)
        } else if let Some(opened) = pending.opened.take() {
            StreamWhat::Opened(opened)
        } else if let Some(gap) = pending.gap.take() {
            StreamWhat::Gap(gap)
        } else if let Some((epoch, seq, mono_ns)) = pending.data.take() {
            StreamWhat::Data(Data { epoch, seq, mono_ns, payload })
        } else if let Some(ended) = pending.closed.take() {
            StreamWhat::Closed(ended)
        } else {
            return Ok(None);
        };
        let name = self.topics.get(pending.topic as usize).map_or("", |(name, _)| name);
        Ok(Some(StreamInput { topic: TopicId(pending.topic), name, what }))
    }

    fn topic_of_inbox(&mut self) -> Option<u32> {
        if let Some(at) = self.index.get(&self.inbox.address) {
            return Some(*at);
        }
        let name = std::str::from_utf8(&self.inbox.address).ok().filter(|n| !n.is_empty());
        let (Some(name), true) = (name, self.topics.len() < TOPICS_MAX) else {
            self.refused_topics += 1;
            return None;
        };
        let at = u32::try_from(self.topics.len()).ok()?;
        self.topics.push((name.to_owned(), Subscriber::new(name)));
        self.index.insert(self.inbox.address.clone(), at);
        Some(at)
    }

    /// Hands what waits to `on`, at most [`PUMP_FRAMES_MAX`] inputs, and gives their number.
    ///
    /// # Errors
    /// The lane is broken.
    pub fn pump(&mut self, now_ns: u64, mut on: impl FnMut(StreamInput<'_>)) -> Result<usize, LaneFault> {
        for done in 0..PUMP_FRAMES_MAX {
            match self.recv(now_ns)? {
                Some(input) => on(input),
                None => return Ok(done),
            }
        }
        Ok(PUMP_FRAMES_MAX)
    }

    /// Looks at the time: topics that went silent show as `Stale` at the next `recv`.
    pub fn tick(&mut self, now_ns: u64) {
        for (at, (_, subscriber)) in (0_u32..).zip(&mut self.topics) {
            if subscriber.poll(now_ns) {
                self.stale.push_back(at);
            }
        }
    }

    /// Whether inputs wait here that a poll of the socket does not show: then call `recv` before waiting.
    pub fn has_waiting(&self) -> bool {
        !self.stale.is_empty() || !self.pending.is_empty()
    }

    /// Every topic met so far: name, state, present epoch, counters.
    pub fn topics(&self) -> impl Iterator<Item = (TopicId, &str, &Subscriber)> {
        (0_u32..).zip(&self.topics).map(|(at, (name, subscriber))| (TopicId(at), name.as_str(), subscriber))
    }

    /// The state of a topic; `Waiting` when it was never heard.
    pub fn state(&self, topic: TopicId) -> StreamState {
        self.topics.get(topic.0 as usize).map_or(StreamState::Waiting, |(_, s)| s.state())
    }

    /// The counters of all topics together.
    pub fn totals(&self) -> SubscriberCounters {
        let mut total = SubscriberCounters::default();
        for (_, subscriber) in &self.topics {
            let c = subscriber.counters();
            total.received += c.received;
            total.missing += c.missing;
            total.gaps += c.gaps;
            total.late += c.late;
            total.old_epoch += c.old_epoch;
            total.bad_frames += c.bad_frames;
            total.wrong_link += c.wrong_link;
            total.heartbeats += c.heartbeats;
            total.epochs += c.epochs;
            total.stale_times += c.stale_times;
        }
        total
    }

    /// Messages under a topic that is no text, or beyond the bound of topics.
    pub const fn refused_topics(&self) -> u64 {
        self.refused_topics
    }

    pub fn poll_item(&self) -> PollItem<'_> {
        self.lane.poll_item()
    }

    pub fn lane_counters(&self) -> &LaneCounters {
        self.lane.counters()
    }
}
