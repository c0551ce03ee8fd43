//! JSON as a borrowed tree within bounds: numbers kept as text, escapes undone, a key given twice refused.
//!
//! The grammar is read by [`tidegate_normalise::json`]; this only builds.

use crate::Refusal;
use crate::limits::{DEPTH_MAX, KEYS_MAX, MESSAGE_BYTES_MAX, NODES_MAX};
use std::borrow::Cow;
use tidegate_normalise::json::{Next, NotJson, Value, Walk};

impl From<NotJson> for Refusal {
    fn from(_: NotJson) -> Self {
        Self::Malformed
    }
}

/// One JSON value. A number is its text, so that no digit is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json<'a> {
    Null,
    Bool(bool),
    Num(&'a str),
    Str(Cow<'a, str>),
    Arr(Vec<Json<'a>>),
    Obj(Vec<(Cow<'a, str>, Json<'a>)>),
}

/// Reads one whole message.
///
/// # Errors
/// `OVERSIZE` beyond [`MESSAGE_BYTES_MAX`], `TOO_DEEP` beyond a bound of depth, values or keys, `MALFORMED` for what is no JSON.
pub fn parse(bytes: &[u8]) -> Result<Json<'_>, Refusal> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(Refusal::Oversize);
    }
    let mut walk = Walk::new(bytes);
    let value = build(&mut walk, 0, &mut 0)?;
    walk.end()?;
    Ok(value)
}

fn build<'a>(walk: &mut Walk<'a>, depth: usize, nodes: &mut usize) -> Result<Json<'a>, Refusal> {
    *nodes += 1;
    if depth > DEPTH_MAX || *nodes > NODES_MAX {
        return Err(Refusal::TooDeep);
    }
    Ok(match walk.step()? {
        Next::Scalar(value) => scalar(value)?,
        Next::Array => {
            let mut items = Vec::new();
            walk.items(&mut |walk| {
                items.push(build(walk, depth + 1, nodes)?);
                Ok::<(), Refusal>(())
            })?;
            Json::Arr(items)
        }
        Next::Object => {
            let mut fields: Vec<(Cow<'a, str>, Json<'a>)> = Vec::new();
            walk.members(&mut |key, escaped, walk| {
                if fields.len() >= KEYS_MAX {
                    return Err(Refusal::TooDeep);
                }
                let key = text(key, escaped)?;
                if fields.iter().any(|(known, _)| *known == key) {
                    return Err(Refusal::Malformed);
                }
                fields.push((key, build(walk, depth + 1, nodes)?));
                Ok(())
            })?;
            Json::Obj(fields)
        }
    })
}

fn scalar(value: Value<'_>) -> Result<Json<'_>, Refusal> {
    Ok(match value {
        Value::Bool(flag) => Json::Bool(flag),
        Value::Number(digits) => Json::Num(utf8(digits)?),
        Value::Text { text: inner, escaped } => Json::Str(text(inner, escaped)?),
        // Arrays and objects are gone through and never a scalar.
        Value::Null | Value::Array(_) | Value::Object(_) => Json::Null,
    })
}

fn utf8(bytes: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(bytes).map_err(|_| Refusal::Malformed)
}

/// A text between its quotes as the text it means. Its escapes are well formed, as the walk has seen.
fn text(bytes: &[u8], escaped: bool) -> Result<Cow<'_, str>, Refusal> {
    let mut rest = utf8(bytes)?;
    if !escaped {
        return Ok(Cow::Borrowed(rest));
    }
    let mut text = String::with_capacity(rest.len());
    while let Some((plain, behind)) = rest.split_once('\\') {
        text.push_str(plain);
        let (letter, after) = escape(behind)?;
        text.push(letter);
        rest = after;
    }
    text.push_str(rest);
    Ok(Cow::Owned(text))
}

/// The letter an escape stands for, and what follows it.
fn escape(behind: &str) -> Result<(char, &str), Refusal> {
    let mut letters = behind.chars();
    let letter = match letters.next().ok_or(Refusal::Malformed)? {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => return unit(letters.as_str()),
        itself => itself,
    };
    Ok((letter, letters.as_str()))
}

/// The letter of one UTF-16 unit, or of a pair of them.
fn unit(digits: &str) -> Result<(char, &str), Refusal> {
    let (high, rest) = hex4(digits)?;
    if !(0xd800..0xdc00).contains(&high) {
        return char::from_u32(high).map(|letter| (letter, rest)).ok_or(Refusal::Malformed);
    }
    let (low, rest) = hex4(rest.strip_prefix("\\u").ok_or(Refusal::Malformed)?)?;
    if !(0xdc00..0xe000).contains(&low) {
        return Err(Refusal::Malformed);
    }
    let letter = char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
    letter.map(|letter| (letter, rest)).ok_or(Refusal::Malformed)
}

fn hex4(text: &str) -> Result<(u32, &str), Refusal> {
    let (digits, rest) = text.split_at_checked(4).ok_or(Refusal::Malformed)?;
    u32::from_str_radix(digits, 16).map(|unit| (unit, rest)).map_err(|_| Refusal::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_text_and_escapes_are_undone() {
        let read = parse(br#" {"a":[1e-05,-0.10,true,null],"b\n":"x\u00e9\ud83d\ude00\"","c":{}} "#).unwrap();
        let Json::Obj(fields) = read else { panic!("an object") };
        assert_eq!(
            fields[0].1,
            Json::Arr(vec![Json::Num("1e-05"), Json::Num("-0.10"), Json::Bool(true), Json::Null])
        );
        assert_eq!((fields[1].0.as_ref(), &fields[1].1), ("b\n", &Json::Str("xé😀\"".into())));
    }

    #[test]
    fn what_is_no_json_or_beyond_a_bound_is_refused() {
        for bad in [
            "",
            "{",
            "[1,]",
            "{\"a\":1,\"a\":2}",
            "01",
            "1.",
            "\"\\u12\"",
            "\"\\ud800x\"",
            "nul",
            "1 2",
            "\"\u{1}\"",
            "{a:1}",
            "-",
        ] {
            assert_eq!(parse(bad.as_bytes()), Err(Refusal::Malformed), "{bad}");
        }
        assert_eq!(parse(&[b'"', 0xff, b'"']), Err(Refusal::Malformed));
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(parse(deep(DEPTH_MAX + 1).as_bytes()).is_ok());
        assert_eq!(parse(deep(DEPTH_MAX + 2).as_bytes()), Err(Refusal::TooDeep));
        assert_eq!(parse(deep(100_000).as_bytes()), Err(Refusal::TooDeep));
        assert_eq!(parse(&vec![b' '; MESSAGE_BYTES_MAX + 1]), Err(Refusal::Oversize));
        let many = format!("[{}0]", "0,".repeat(NODES_MAX));
        assert_eq!(parse(many.as_bytes()), Err(Refusal::TooDeep));
        let keys: Vec<String> = (0..=KEYS_MAX).map(|n| format!("\"{n}\":0")).collect();
        assert_eq!(parse(format!("{{{}}}", keys.join(",")).as_bytes()), Err(Refusal::TooDeep));
    }
}
