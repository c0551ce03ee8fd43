//! From the WAL to inserts, away from the event loop.

use crate::convert::invalid;
use napi::bindgen_prelude::{AsyncTask, Buffer, Env, Error, Result, Status, Task};
use napi_derive::napi;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use tidegate_projection::{Bounds, Found, Insert, Position, RecordRef, Schema, Sliced, Slicer, read_group};

/// The inserts of a group.
#[napi(object)]
pub struct Projected {
    /// JSON `{kind: "group"|"nothing"|"damaged", from, to, records, oldestNs, full, lastWalSeq, quarantined, inserts}`; each of
    /// `inserts` says how many bytes its body has.
    pub meta: String,
    /// The body of each of `inserts`, in its order; empty where they lie in the room that was given, one after the other.
    pub bodies: Vec<Buffer>,
}

/// The tables of a database.
#[napi]
pub struct Projection(Arc<Schema>);

fn number(value: &Value, name: &str) -> Result<u64> {
    value[name].as_u64().ok_or_else(|| invalid(format!("{name}: want an integer from 0")))
}

fn position(value: &Value) -> Result<Position> {
    Ok(Position { segment: number(value, "segment")?, offset: number(value, "offset")? })
}

fn size(value: &Value, name: &str) -> Result<usize> {
    usize::try_from(number(value, name)?).map_err(|_| invalid(format!("{name}: too large")))
}

fn highest(value: &Value) -> Result<HashMap<String, u64>> {
    let all = value["highest"].as_object().ok_or_else(|| invalid("highest: want an object"))?;
    all.iter()
        .map(|(table, seq)| {
            let seq =
                seq.as_u64().ok_or_else(|| invalid(format!("highest.{table}: want an integer from 0")))?;
            Ok((table.clone(), seq))
        })
        .collect()
}

fn parse(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| invalid(error.to_string()))
}

/// An answer before it is JavaScript's.
pub struct Answer {
    meta: Value,
    bodies: Vec<Vec<u8>>,
}

impl Answer {
    fn none(kind: &str) -> Self {
        Self { meta: json!({ "kind": kind }), bodies: Vec::new() }
    }

    /// The inserts beside what `meta` says already.
    fn of(mut meta: Value, sliced: Sliced) -> Self {
        let inserts = sliced.inserts.into_iter().chain(sliced.blocks);
        let (rows, bodies): (Vec<Value>, _) = inserts
            .map(|Insert { table, rows, last_wal_seq, body, content }| {
                let meta = json!({
                    "table": table, "rows": rows, "lastWalSeq": last_wal_seq, "content": content, "bytes": body.len(),
                });
                (meta, body)
            })
            .unzip();
        meta["kind"] = "group".into();
        meta["lastWalSeq"] = sliced.last_wal_seq.into();
        meta["quarantined"] = json!(sliced.quarantined);
        meta["inserts"] = Value::Array(rows);
        Self { meta, bodies }
    }
}

impl Answer {
    /// Moves the bodies to `room` if it holds them all.
    fn put_into(&mut self, room: &mut [u8]) {
        if self.bodies.iter().map(Vec::len).sum::<usize>() > room.len() {
            return;
        }
        let mut at = 0;
        for body in self.bodies.drain(..) {
            room[at..at + body.len()].copy_from_slice(&body);
            at += body.len();
        }
    }
}

impl From<Answer> for Projected {
    fn from(Answer { meta, bodies }: Answer) -> Self {
        Self { meta: meta.to_string(), bodies: bodies.into_iter().map(Buffer::from).collect() }
    }
}

pub struct GroupTask {
    schema: Arc<Schema>,
    dir: PathBuf,
    from: Position,
    to: Option<Position>,
    bounds: Bounds,
    highest: HashMap<String, u64>,
    room: Option<Buffer>,
}

impl Task for GroupTask {
    type Output = Answer;
    type JsValue = Projected;

    fn compute(&mut self) -> Result<Answer> {
        let Self { schema, dir, from, to, bounds, highest, room } = self;
        let found = read_group(schema, dir, *from, *to, *bounds, highest)
            .map_err(|fault| Error::new(Status::GenericFailure, fault.to_string()))?;
        let group = match found {
            Found::Group(group) => group,
            Found::Nothing => return Ok(Answer::none("nothing")),
            Found::Damaged => return Ok(Answer::none("damaged")),
        };
        let place = |at: Position| json!({ "segment": at.segment, "offset": at.offset });
        let meta = json!({
            "from": place(group.from),
            "to": place(group.to),
            "records": group.records,
            "oldestNs": group.oldest_ns.to_string(),
            "full": group.full,
        });
        let mut answer = Answer::of(meta, group.sliced);
        if let Some(room) = room {
            answer.put_into(room);
        }
        Ok(answer)
    }

    fn resolve(&mut self, _: Env, output: Answer) -> Result<Projected> {
        Ok(output.into())
    }
}

/// Fields of a record beside its payload.
fn record<'a>(row: &'a Value, payloads: &'a [u8]) -> Result<RecordRef<'a>> {
    let offset = size(row, "offset")?;
    let payload = offset.checked_add(size(row, "length")?).and_then(|end| payloads.get(offset..end));
    Ok(RecordRef {
        wal_seq: number(row, "walSeq")?,
        stream: row["stream"].as_str().ok_or_else(|| invalid("stream: want a text"))?,
        epoch: u32::try_from(number(row, "epoch")?).map_err(|_| invalid("epoch: want 32 bits"))?,
        seq: number(row, "seq")?,
        ts_ns: row["tsNs"]
            .as_str()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| invalid("tsNs: want a text"))?,
        payload: payload.ok_or_else(|| invalid("a payload lies outside the payloads"))?,
    })
}

#[napi]
impl Projection {
    /// The tables as their owner describes them; throws with the column that cannot be followed.
    #[napi(constructor, catch_unwind)]
    pub fn new(tables: String) -> Result<Self> {
        Schema::parse(&tables)
            .map(|schema| Self(Arc::new(schema)))
            .map_err(|fault| invalid(fault.to_string()))
    }

    /// The group of the WAL in `dir` that begins at `from`; `request` is JSON `{from, to, bounds, highest}`. `room`, which nobody
    /// else may touch before the promise ends, takes the bodies where it is large enough.
    #[napi(catch_unwind, ts_return_type = "Promise<Projected>")]
    pub fn group(&self, dir: String, request: String, room: Option<Buffer>) -> Result<AsyncTask<GroupTask>> {
        let request = parse(&request)?;
        let bounds = &request["bounds"];
        Ok(AsyncTask::new(GroupTask {
            schema: self.0.clone(),
            dir: PathBuf::from(dir),
            from: position(&request["from"])?,
            to: if request["to"].is_null() { None } else { Some(position(&request["to"])?) },
            bounds: Bounds {
                blocks: size(bounds, "blocks")?,
                records: size(bounds, "records")?,
                bytes: size(bounds, "bytes")?,
            },
            highest: highest(&request)?,
            room,
        }))
    }

    /// The same of blocks that are at hand; `request` is JSON `{highest, blocks: [{segment, block, crc, records: [{walSeq,
    /// stream, epoch, seq, tsNs, offset, length}]}]}`, its records' payloads in `payloads`.
    #[napi(catch_unwind)]
    pub fn slice(&self, request: String, payloads: &[u8]) -> Result<Projected> {
        let request = parse(&request)?;
        let mut slicer = Slicer::new(&self.0, &highest(&request)?);
        for block in request["blocks"].as_array().into_iter().flatten() {
            let records = block["records"].as_array().into_iter().flatten().map(|row| record(row, payloads));
            let records: Vec<RecordRef<'_>> = records.collect::<Result<_>>()?;
            let small = |name| {
                u32::try_from(number(block, name)?).map_err(|_| invalid(format!("{name}: want 32 bits")))
            };
            slicer.block(number(block, "segment")?, small("block")?, small("crc")?, records.into_iter());
        }
        Ok(Answer::of(json!({}), slicer.finish()).into())
    }
}
