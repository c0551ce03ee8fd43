//! Orders and reports: bodies of what a client sends, and readings of what it receives.
//!
//! Prices and quantities are counts of 10^-scale, with the scale of the instrument; they are read from text and never become
//! floating point.

use crate::body::Body;
use crate::message::Message;
use crate::{Version, tag};
use std::fmt;
use tidegate_units::{Side, parse_decimal};

/// Scales of an instrument: decimals of a price and of a quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scales {
    pub price: u32,
    pub qty: u32,
}

/// OrdType (40) with its prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderKind {
    Market,
    Limit { price: i64 },
    Stop { stop: i64 },
    StopLimit { stop: i64, price: i64 },
}

/// TimeInForce (59).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tif {
    Day,
    Gtc,
    Ioc,
    Fok,
}

impl Tif {
    const fn code(self) -> u8 {
        match self {
            Self::Day => b'0',
            Self::Gtc => b'1',
            Self::Ioc => b'3',
            Self::Fok => b'4',
        }
    }
}

/// What does not change from one order of an instrument to the next, written once: account, symbol, exchange.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Instrument {
    prefix: Vec<u8>,
}

impl Instrument {
    /// # Errors
    /// A name that cannot be sent.
    pub fn new(
        account: Option<&[u8]>,
        symbol: &[u8],
        exchange: Option<&[u8]>,
    ) -> Result<Self, crate::BodyFault> {
        let mut body = Body::new();
        body.maybe(1, account).text(55, symbol).maybe(207, exchange);
        Ok(Self { prefix: body.bytes()?.to_vec() })
    }
}

/// An order, or the order an amend makes of another.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// ClOrdID (11), unique for ever.
    pub id: &'a [u8],
    pub instrument: &'a Instrument,
    pub scales: Scales,
    pub side: Side,
    pub qty: i64,
    pub kind: OrderKind,
    pub tif: Tif,
    /// ExecInst (18) 6, participate and do not initiate.
    pub post_only: bool,
    /// TransactTime (60), in ns since the Unix epoch.
    pub at: i64,
}

const fn side_code(side: Side) -> u8 {
    match side {
        Side::Buy => b'1',
        Side::Sell => b'2',
    }
}

fn write_terms(body: &mut Body, order: &Order<'_>, version: Version) {
    if order.post_only {
        body.char(18, b'6');
    }
    // Required before 4.3: automated execution, no intervention by a broker.
    if version == Version::Fix42 {
        body.char(21, b'1');
    }
    body.char(54, side_code(order.side)).time(60, order.at).decimal(38, order.qty, order.scales.qty);
    let (code, price, stop) = match order.kind {
        OrderKind::Market => (b'1', None, None),
        OrderKind::Limit { price } => (b'2', Some(price), None),
        OrderKind::Stop { stop } => (b'3', None, Some(stop)),
        OrderKind::StopLimit { stop, price } => (b'4', Some(price), Some(stop)),
    };
    body.char(40, code);
    if let Some(price) = price {
        body.decimal(44, price, order.scales.price);
    }
    if let Some(stop) = stop {
        body.decimal(99, stop, order.scales.price);
    }
    body.char(59, order.tif.code());
}

/// NewOrderSingle (D).
pub fn new_order(body: &mut Body, version: Version, order: &Order<'_>) {
    body.clear().text(11, order.id).prepared(&order.instrument.prefix);
    write_terms(body, order, version);
}

/// OrderCancelReplaceRequest (G): `order` takes the place of `original`.
pub fn replace_order(body: &mut Body, version: Version, original: &[u8], order: &Order<'_>) {
    body.clear().text(11, order.id).text(41, original).prepared(&order.instrument.prefix);
    write_terms(body, order, version);
}

/// OrderCancelRequest (F).
pub fn cancel_order(
    body: &mut Body,
    id: &[u8],
    original: &[u8],
    instrument: &Instrument,
    side: Side,
    at: i64,
) {
    body.clear().text(11, id).text(41, original).prepared(&instrument.prefix);
    body.char(54, side_code(side)).time(60, at);
}

/// OrderStatusRequest (H).
pub fn order_status(body: &mut Body, id: &[u8], instrument: &Instrument, side: Side) {
    body.clear().text(11, id).prepared(&instrument.prefix).char(54, side_code(side));
}

/// OrderMassStatusRequest (AF) for every order: each open one is answered with a report of ExecType I and this id (584).
pub fn mass_status(body: &mut Body, id: &[u8]) {
    body.clear().text(584, id).char(585, b'7');
}

/// TradeCaptureReportRequest (AD) for the trades there are, of one order by the venue's id or of one instrument.
pub fn trades(body: &mut Body, id: &[u8], order_id: Option<&[u8]>, instrument: &Instrument) {
    body.clear().text(568, id).number(569, 1).char(263, b'0');
    body.maybe(37, order_id).prepared(&instrument.prefix);
}

/// OrderMassCancelRequest (q), of one instrument or of all.
pub fn mass_cancel(body: &mut Body, id: &[u8], instrument: Option<&[u8]>, at: i64) {
    body.clear().text(11, id).char(530, if instrument.is_some() { b'1' } else { b'7' });
    body.maybe(55, instrument).time(60, at);
}

/// Why a report cannot be read. It was delivered: its number is consumed, and what it says is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFault {
    Missing(i32),
    Value(i32),
}

impl fmt::Display for ReadFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(tag) => write!(f, "tag {tag} is missing: want the order's state asked for"),
            Self::Value(tag) => {
                write!(f, "the value of tag {tag} cannot be read: want the order's state asked for")
            }
        }
    }
}

impl std::error::Error for ReadFault {}

/// What an ExecutionReport reports: ExecType (150), and ExecTransType (20) before 4.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecKind {
    PendingNew,
    New,
    Rejected,
    /// A fill of `last_qty` at `last_px`.
    Trade,
    /// The fill `exec_ref_id` was another than reported: this report has what it was.
    TradeCorrect,
    /// The fill `exec_ref_id` never was: a bust.
    TradeCancel,
    PendingCancel,
    Canceled,
    PendingReplace,
    Replaced,
    DoneForDay,
    Expired,
    Stopped,
    Suspended,
    Calculated,
    Restated,
    /// The answer to an OrderStatusRequest.
    Status,
}

/// OrdStatus (39).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrdStatus {
    New,
    PartiallyFilled,
    Filled,
    DoneForDay,
    Canceled,
    Replaced,
    PendingCancel,
    Stopped,
    Rejected,
    Suspended,
    PendingNew,
    Calculated,
    Expired,
    AcceptedForBidding,
    PendingReplace,
}

/// ExecutionReport (8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecutionReport<'a> {
    pub kind: ExecKind,
    pub status: OrdStatus,
    /// OrderID (37), the venue's.
    pub order_id: &'a [u8],
    /// ClOrdID (11); absent where the order is not ours.
    pub cl_ord_id: Option<&'a [u8]>,
    pub orig_cl_ord_id: Option<&'a [u8]>,
    /// ExecID (17): the key by which a fill counts once.
    pub exec_id: &'a [u8],
    /// ExecRefID (19): the fill a correction or bust is of.
    pub exec_ref_id: Option<&'a [u8]>,
    pub symbol: &'a [u8],
    pub side: Side,
    pub last_qty: Option<i64>,
    pub last_px: Option<i64>,
    pub cum_qty: i64,
    pub leaves_qty: i64,
    /// OrdRejReason (103).
    pub reject_reason: Option<u64>,
    pub text: &'a [u8],
    /// TransactTime (60), in ns since the Unix epoch.
    pub at: Option<i64>,
    /// PossDupFlag or PossResend: it may have been seen.
    pub maybe_seen: bool,
}

fn want<'a>(message: &Message<'a>, tag: i32) -> Result<&'a [u8], ReadFault> {
    message.get(tag).ok_or(ReadFault::Missing(tag))
}

fn count(message: &Message<'_>, tag: i32, scale: u32) -> Result<Option<i64>, ReadFault> {
    match message.get(tag) {
        None => Ok(None),
        Some(text) => read_decimal(text, scale).map(Some).ok_or(ReadFault::Value(tag)),
    }
}

/// A decimal, also as FIX allows it and nobody else does: with nothing before the point, or nothing after it.
fn read_decimal(text: &[u8], scale: u32) -> Option<i64> {
    let text = text.strip_suffix(b".").unwrap_or(text);
    let (sign, digits) = text.split_at(usize::from(text.first() == Some(&b'-')));
    if digits.first() != Some(&b'.') {
        return parse_decimal(text, scale, 1).ok();
    }
    let mut whole = [0; 24];
    let used = whole.get_mut(..text.len() + 1)?;
    used[..sign.len()].copy_from_slice(sign);
    used[sign.len()] = b'0';
    used[sign.len() + 1..].copy_from_slice(digits);
    parse_decimal(used, scale, 1).ok()
}

fn read_side(message: &Message<'_>) -> Result<Side, ReadFault> {
    match want(message, tag::SIDE)? {
        b"1" | b"3" => Ok(Side::Buy),
        // Sell, sell plus, sell short, sell short exempt.
        b"2" | b"4" | b"5" | b"6" => Ok(Side::Sell),
        _ => Err(ReadFault::Value(tag::SIDE)),
    }
}

fn read_status(message: &Message<'_>) -> Result<OrdStatus, ReadFault> {
    Ok(match want(message, tag::ORD_STATUS)? {
        b"0" => OrdStatus::New,
        b"1" => OrdStatus::PartiallyFilled,
        b"2" => OrdStatus::Filled,
        b"3" => OrdStatus::DoneForDay,
        b"4" => OrdStatus::Canceled,
        b"5" => OrdStatus::Replaced,
        b"6" => OrdStatus::PendingCancel,
        b"7" => OrdStatus::Stopped,
        b"8" => OrdStatus::Rejected,
        b"9" => OrdStatus::Suspended,
        b"A" => OrdStatus::PendingNew,
        b"B" => OrdStatus::Calculated,
        b"C" => OrdStatus::Expired,
        b"D" => OrdStatus::AcceptedForBidding,
        b"E" => OrdStatus::PendingReplace,
        _ => return Err(ReadFault::Value(tag::ORD_STATUS)),
    })
}

fn read_kind(message: &Message<'_>) -> Result<ExecKind, ReadFault> {
    match message.get(tag::EXEC_TRANS_TYPE) {
        None | Some(b"0") => {}
        Some(b"1") => return Ok(ExecKind::TradeCancel),
        Some(b"2") => return Ok(ExecKind::TradeCorrect),
        Some(b"3") => return Ok(ExecKind::Status),
        Some(_) => return Err(ReadFault::Value(tag::EXEC_TRANS_TYPE)),
    }
    Ok(match want(message, tag::EXEC_TYPE)? {
        b"0" => ExecKind::New,
        b"1" | b"2" | b"F" => ExecKind::Trade,
        b"3" => ExecKind::DoneForDay,
        b"4" => ExecKind::Canceled,
        b"5" => ExecKind::Replaced,
        b"6" => ExecKind::PendingCancel,
        b"7" => ExecKind::Stopped,
        b"8" => ExecKind::Rejected,
        b"9" => ExecKind::Suspended,
        b"A" => ExecKind::PendingNew,
        b"B" => ExecKind::Calculated,
        b"C" => ExecKind::Expired,
        b"D" => ExecKind::Restated,
        b"E" => ExecKind::PendingReplace,
        b"G" => ExecKind::TradeCorrect,
        b"H" => ExecKind::TradeCancel,
        b"I" => ExecKind::Status,
        _ => return Err(ReadFault::Value(tag::EXEC_TYPE)),
    })
}

impl<'a> ExecutionReport<'a> {
    /// Reads a report.
    ///
    /// # Errors
    /// A field that is missing for this kind of report, or has a value that cannot be read.
    pub fn read(message: &Message<'a>, scales: Scales) -> Result<Self, ReadFault> {
        let kind = read_kind(message)?;
        let report = Self {
            kind,
            status: read_status(message)?,
            order_id: want(message, tag::ORDER_ID)?,
            cl_ord_id: message.get(tag::CL_ORD_ID),
            orig_cl_ord_id: message.get(tag::ORIG_CL_ORD_ID),
            exec_id: want(message, tag::EXEC_ID)?,
            exec_ref_id: message.get(tag::EXEC_REF_ID),
            symbol: want(message, tag::SYMBOL)?,
            side: read_side(message)?,
            last_qty: count(message, tag::LAST_QTY, scales.qty)?,
            last_px: count(message, tag::LAST_PX, scales.price)?,
            cum_qty: count(message, tag::CUM_QTY, scales.qty)?.ok_or(ReadFault::Missing(tag::CUM_QTY))?,
            leaves_qty: count(message, tag::LEAVES_QTY, scales.qty)?
                .ok_or(ReadFault::Missing(tag::LEAVES_QTY))?,
            reject_reason: message.number(tag::ORD_REJ_REASON),
            text: message.get(tag::TEXT).unwrap_or_default(),
            at: message.timestamp(tag::TRANSACT_TIME),
            maybe_seen: message.is_yes(tag::POSS_DUP_FLAG) || message.is_yes(tag::POSS_RESEND),
        };
        let fill = matches!(kind, ExecKind::Trade | ExecKind::TradeCorrect);
        if fill && report.last_qty.is_none() {
            return Err(ReadFault::Missing(tag::LAST_QTY));
        }
        if fill && report.last_px.is_none() {
            return Err(ReadFault::Missing(tag::LAST_PX));
        }
        if matches!(kind, ExecKind::TradeCorrect | ExecKind::TradeCancel) && report.exec_ref_id.is_none() {
            return Err(ReadFault::Missing(tag::EXEC_REF_ID));
        }
        Ok(report)
    }
}

/// OrderCancelReject (9): a cancel or an amend was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CancelReject<'a> {
    pub order_id: &'a [u8],
    pub cl_ord_id: &'a [u8],
    pub orig_cl_ord_id: &'a [u8],
    pub status: OrdStatus,
    /// CxlRejResponseTo (434): whether it was an amend.
    pub of_replace: bool,
    /// CxlRejReason (102).
    pub reason: Option<u64>,
    pub text: &'a [u8],
}

impl<'a> CancelReject<'a> {
    /// # Errors
    /// A field that is missing or has a value that cannot be read.
    pub fn read(message: &Message<'a>) -> Result<Self, ReadFault> {
        Ok(Self {
            order_id: want(message, tag::ORDER_ID)?,
            cl_ord_id: want(message, tag::CL_ORD_ID)?,
            orig_cl_ord_id: want(message, tag::ORIG_CL_ORD_ID)?,
            status: read_status(message)?,
            of_replace: match want(message, tag::CXL_REJ_RESPONSE_TO)? {
                b"1" => false,
                b"2" => true,
                _ => return Err(ReadFault::Value(tag::CXL_REJ_RESPONSE_TO)),
            },
            reason: message.number(tag::CXL_REJ_REASON),
            text: message.get(tag::TEXT).unwrap_or_default(),
        })
    }
}

/// BusinessMessageReject (j): a message was understood and cannot be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BusinessReject<'a> {
    pub ref_seq: Option<u64>,
    pub ref_msg_type: &'a [u8],
    /// BusinessRejectRefID (379), mostly the ClOrdID.
    pub ref_id: Option<&'a [u8]>,
    pub reason: u64,
    pub text: &'a [u8],
}

impl<'a> BusinessReject<'a> {
    /// # Errors
    /// A field that is missing or has a value that cannot be read.
    pub fn read(message: &Message<'a>) -> Result<Self, ReadFault> {
        Ok(Self {
            ref_seq: message.number(tag::REF_SEQ_NUM),
            ref_msg_type: want(message, tag::REF_MSG_TYPE)?,
            ref_id: message.get(379),
            reason: message
                .number(tag::BUSINESS_REJECT_REASON)
                .ok_or(ReadFault::Missing(tag::BUSINESS_REJECT_REASON))?,
            text: message.get(tag::TEXT).unwrap_or_default(),
        })
    }
}

/// OrderMassCancelReport (r).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MassCancelReport<'a> {
    pub cl_ord_id: Option<&'a [u8]>,
    /// MassCancelResponse (531) is not 0.
    pub accepted: bool,
    pub affected: Option<u64>,
    pub text: &'a [u8],
}

impl<'a> MassCancelReport<'a> {
    /// # Errors
    /// A field that is missing.
    pub fn read(message: &Message<'a>) -> Result<Self, ReadFault> {
        Ok(Self {
            cl_ord_id: message.get(tag::CL_ORD_ID),
            accepted: want(message, tag::MASS_CANCEL_RESPONSE)? != b"0",
            affected: message.number(tag::TOTAL_AFFECTED_ORDERS),
            text: message.get(tag::TEXT).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::checksum;

    const SCALES: Scales = Scales { price: 2, qty: 3 };

    fn text(body: &Body) -> String {
        String::from_utf8(body.bytes().unwrap().to_vec()).unwrap().replace('\u{1}', "|")
    }

    fn read<T>(fields: &str, with: impl Fn(&Message<'_>) -> T) -> T {
        let body = fields.replace('|', "\u{1}");
        let mut raw = format!("8=FIX.4.4\u{1}9={}\u{1}{body}", body.len()).into_bytes();
        let sum = checksum(&raw);
        raw.extend_from_slice(format!("10={sum:03}\u{1}").as_bytes());
        let mut room = Vec::new();
        with(&Message::parse(&raw, &mut room).unwrap())
    }

    #[test]
    fn b024_each_type_of_order_is_written_as_the_standard_has_it() {
        let instrument = Instrument::new(Some(b"acc"), b"AAPL", None).unwrap();
        let order = |kind, tif, post_only| Order {
            id: b"c1",
            instrument: &instrument,
            scales: SCALES,
            side: Side::Sell,
            qty: 1_500,
            kind,
            tif,
            post_only,
            at: 1_709_251_199_123_000_000,
        };
        let mut body = Body::new();
        let start = "11=c1|1=acc|55=AAPL|";
        let middle = "54=2|60=20240229-23:59:59.123|38=1.5|";
        for (kind, tif, post_only, exec, end) in [
            (OrderKind::Market, Tif::Ioc, false, "", "40=1|59=3|"),
            (OrderKind::Limit { price: 10_050 }, Tif::Day, true, "18=6|", "40=2|44=100.5|59=0|"),
            (OrderKind::Stop { stop: 9_900 }, Tif::Gtc, false, "", "40=3|99=99|59=1|"),
            (
                OrderKind::StopLimit { stop: 9_900, price: 9_895 },
                Tif::Fok,
                false,
                "",
                "40=4|44=98.95|99=99|59=4|",
            ),
        ] {
            new_order(&mut body, Version::Fix44, &order(kind, tif, post_only));
            assert_eq!(text(&body), format!("{start}{exec}{middle}{end}"));
        }
        new_order(&mut body, Version::Fix42, &order(OrderKind::Market, Tif::Day, false));
        assert_eq!(text(&body), format!("{start}21=1|{middle}40=1|59=0|"));
        replace_order(&mut body, Version::Fix44, b"c0", &order(OrderKind::Market, Tif::Day, false));
        assert_eq!(text(&body), format!("11=c1|41=c0|1=acc|55=AAPL|{middle}40=1|59=0|"));
        cancel_order(&mut body, b"c2", b"c1", &instrument, Side::Buy, 0);
        assert_eq!(text(&body), "11=c2|41=c1|1=acc|55=AAPL|54=1|60=19700101-00:00:00.000|");
        order_status(&mut body, b"c1", &instrument, Side::Buy);
        assert_eq!(text(&body), "11=c1|1=acc|55=AAPL|54=1|");
        mass_status(&mut body, b"m");
        assert_eq!(text(&body), "584=m|585=7|");
        trades(&mut body, b"t", Some(b"9"), &instrument);
        assert_eq!(text(&body), "568=t|569=1|263=0|37=9|1=acc|55=AAPL|");
        mass_cancel(&mut body, b"m", None, 0);
        assert_eq!(text(&body), "11=m|530=7|60=19700101-00:00:00.000|");
        new_order(
            &mut body,
            Version::Fix44,
            &Order { id: b"a\x01b", ..order(OrderKind::Market, Tif::Day, false) },
        );
        assert!(body.bytes().is_err());
    }

    const FILL: &str =
        "35=8|34=2|43=Y|37=o|17=e|150=F|39=1|55=AAPL|54=1|32=0.5|31=100.25|151=1|14=0.5|6=100.25|";

    #[test]
    fn a_fill_a_correction_and_a_bust_are_told_apart_in_both_versions() {
        let of = |fields: &str| {
            read(fields, |message| {
                ExecutionReport::read(message, SCALES)
                    .map(|report| (report.kind, report.last_qty, report.last_px))
            })
        };
        let fill = (Some(500), Some(10_025));
        assert_eq!(of(FILL), Ok((ExecKind::Trade, fill.0, fill.1)));
        for (from, to, extra, kind) in [
            ("150=F", "150=G", "19=e0|", ExecKind::TradeCorrect),
            ("150=F", "150=H", "19=e0|", ExecKind::TradeCancel),
            ("150=F", "150=1", "20=0|", ExecKind::Trade),
            ("150=F", "150=2", "20=1|19=e0|", ExecKind::TradeCancel),
            ("150=F", "150=2", "20=2|19=e0|", ExecKind::TradeCorrect),
            ("150=F", "150=0", "20=3|", ExecKind::Status),
        ] {
            let fields = format!("{}{extra}", FILL.replace(from, to));
            assert_eq!(of(&fields).map(|report| report.0), Ok(kind), "{fields}");
        }
        for (fields, fault) in [
            (FILL.replace("32=0.5|", ""), ReadFault::Missing(32)),
            (FILL.replace("31=100.25|", ""), ReadFault::Missing(31)),
            (FILL.replace("150=F", "150=H"), ReadFault::Missing(19)),
            (FILL.replace("31=100.25", "31=100.255"), ReadFault::Value(31)),
            (FILL.replace("150=F", "150=Z"), ReadFault::Value(150)),
            (FILL.replace("39=1", "39=Z"), ReadFault::Value(39)),
            (FILL.replace("54=1", "54=Z"), ReadFault::Value(54)),
            (FILL.replace("14=0.5|", ""), ReadFault::Missing(14)),
        ] {
            assert_eq!(of(&fields), Err(fault), "{fields}");
        }
        assert_eq!(read(FILL, |m| ExecutionReport::read(m, SCALES).map(|r| r.maybe_seen)), Ok(true));
    }

    #[test]
    fn decimals_are_read_as_fix_writes_them() {
        for (text, count) in [
            ("1.5", Some(150)),
            (".5", Some(50)),
            ("-.5", Some(-50)),
            ("5.", Some(500)),
            ("00012.300", Some(1_230)),
            ("", None),
            (".", None),
            ("-", None),
            ("-.", None),
            ("1e3", None),
            ("0.001", None),
        ] {
            assert_eq!(read_decimal(text.as_bytes(), 2), count, "{text}");
        }
    }

    #[test]
    fn refusals_are_read_with_what_they_are_of() {
        let fields = "35=9|34=2|37=o|11=c2|41=c1|39=2|434=2|102=0|58=too late|";
        let reject = read(fields, |m| CancelReject::read(m).map(|r| (r.of_replace, r.status, r.reason)));
        assert_eq!(reject, Ok((true, OrdStatus::Filled, Some(0))));
        let fields = "35=j|34=2|45=7|372=D|379=c1|380=3|58=no|";
        let reject =
            read(fields, |m| BusinessReject::read(m).map(|r| (r.ref_seq, r.reason, r.ref_id == Some(b"c1"))));
        assert_eq!(reject, Ok((Some(7), 3, true)));
        let fields = "35=r|34=2|37=o|11=m|530=7|531=7|533=3|";
        let report = read(fields, |m| MassCancelReport::read(m).map(|r| (r.accepted, r.affected)));
        assert_eq!(report, Ok((true, Some(3))));
        assert_eq!(
            read(&fields.replace("531=7", "531=0"), |m| MassCancelReport::read(m).map(|r| r.accepted)),
            Ok(false)
        );
    }
}
