//! JSON values as MessagePack, the way Alpaca sends them: doubles for fractions, the timestamp extension for `t`.

use tidegate_dialects::Dec;
use tidegate_dialects::json::Json;
use tidegate_dialects::time::from_rfc3339;

/// The message in MessagePack; none where a text or list is longer than 65,535.
pub fn encode(message: &Json<'_>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    write(message, &mut out)?;
    Some(out)
}

/// Whether an item of a document has a time that only MessagePack has: seconds and nanoseconds apart, as the SDK's tests do.
pub fn has_timestamp(item: &Json<'_>) -> bool {
    matches!(item, Json::Obj(fields) if fields.iter().any(|(_, inner)| parts(inner).is_some()))
}

/// The nanoseconds since the epoch of such a time.
fn parts(value: &Json<'_>) -> Option<i64> {
    let time = value.get("msgpack_timestamp")?;
    let of = |key: &str| time.get(key)?.id().ok().and_then(|part| i64::try_from(part).ok());
    of("seconds")?.checked_mul(1_000_000_000)?.checked_add(of("nanoseconds")?)
}

fn head(marker: u8, len: usize, out: &mut Vec<u8>) -> Option<()> {
    out.push(marker);
    out.extend(u16::try_from(len).ok()?.to_be_bytes());
    Some(())
}

fn write(value: &Json<'_>, out: &mut Vec<u8>) -> Option<()> {
    match value {
        Json::Null => out.push(0xc0),
        Json::Bool(false) => out.push(0xc2),
        Json::Bool(true) => out.push(0xc3),
        Json::Num(text) => number(text, out)?,
        Json::Str(text) => {
            head(0xda, text.len(), out)?;
            out.extend(text.as_bytes());
        }
        Json::Arr(items) => {
            head(0xdc, items.len(), out)?;
            items.iter().try_for_each(|item| write(item, out))?;
        }
        Json::Obj(fields) => {
            head(0xde, fields.len(), out)?;
            for (key, inner) in fields {
                write(&Json::Str(key.clone()), out)?;
                match (parts(inner), inner.str().map(from_rfc3339)) {
                    (Some(ns), _) => timestamp(ns, out)?,
                    (None, Some(Ok(ts))) if key == "t" => timestamp(ts.0, out)?,
                    _ => write(inner, out)?,
                }
            }
        }
    }
    Some(())
}

fn number(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let whole = Dec::parse(text)
        .ok()
        .filter(|value| value.scale == 0)
        .and_then(|value| i64::try_from(value.units).ok());
    match whole {
        Some(whole) => {
            out.push(0xd3);
            out.extend(whole.to_be_bytes());
        }
        None => {
            out.push(0xcb);
            out.extend(text.parse::<f64>().ok()?.to_be_bytes());
        }
    }
    Some(())
}

/// The 96-bit form: nanoseconds, then seconds.
fn timestamp(ns: i64, out: &mut Vec<u8>) -> Option<()> {
    out.extend([0xc7, 12, 0xff]);
    out.extend(u32::try_from(ns.rem_euclid(1_000_000_000)).ok()?.to_be_bytes());
    out.extend(ns.div_euclid(1_000_000_000).to_be_bytes());
    Some(())
}
