//! A bounded JSON reader: a borrowed tree, numbers kept as text, a key given twice refused.

use crate::Refusal;
use crate::limits::{DEPTH_MAX, KEYS_MAX, MESSAGE_BYTES_MAX, NODES_MAX};
use std::borrow::Cow;

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
    let text = std::str::from_utf8(bytes).map_err(|_| Refusal::Malformed)?;
    let mut reader = Reader { text, at: 0, nodes: 0 };
    let value = reader.value(0)?;
    reader.space();
    if reader.at == text.len() { Ok(value) } else { Err(Refusal::Malformed) }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    nodes: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn slice(&self, from: usize, to: usize) -> Result<&'a str, Refusal> {
        self.text.get(from..to).ok_or(Refusal::Malformed)
    }

    fn value(&mut self, depth: usize) -> Result<Json<'a>, Refusal> {
        self.nodes += 1;
        if depth > DEPTH_MAX || self.nodes > NODES_MAX {
            return Err(Refusal::TooDeep);
        }
        self.space();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Json::Str(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            _ => Err(Refusal::Malformed),
        }
    }

    fn word(&mut self, word: &str, value: Json<'a>) -> Result<Json<'a>, Refusal> {
        if self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(Refusal::Malformed)
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json<'a>, Refusal> {
        self.at += 1;
        let mut fields: Vec<(Cow<'a, str>, Json<'a>)> = Vec::new();
        self.space();
        if self.eat(b'}') {
            return Ok(Json::Obj(fields));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(Refusal::Malformed);
            }
            let key = self.string()?;
            if fields.len() >= KEYS_MAX {
                return Err(Refusal::TooDeep);
            }
            if fields.iter().any(|(known, _)| *known == key) {
                return Err(Refusal::Malformed);
            }
            self.space();
            if !self.eat(b':') {
                return Err(Refusal::Malformed);
            }
            let value = self.value(depth + 1)?;
            fields.push((key, value));
            self.space();
            if self.eat(b'}') {
                return Ok(Json::Obj(fields));
            }
            if !self.eat(b',') {
                return Err(Refusal::Malformed);
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json<'a>, Refusal> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.eat(b']') {
            return Ok(Json::Arr(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            if self.eat(b']') {
                return Ok(Json::Arr(items));
            }
            if !self.eat(b',') {
                return Err(Refusal::Malformed);
            }
        }
    }

    fn number(&mut self) -> Result<Json<'a>, Refusal> {
        let from = self.at;
        self.eat(b'-');
        if !self.eat(b'0') && self.digits() == 0 {
            return Err(Refusal::Malformed);
        }
        if self.eat(b'.') && self.digits() == 0 {
            return Err(Refusal::Malformed);
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _sign = self.eat(b'+') || self.eat(b'-');
            if self.digits() == 0 {
                return Err(Refusal::Malformed);
            }
        }
        Ok(Json::Num(self.slice(from, self.at)?))
    }

    fn digits(&mut self) -> usize {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - from
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Refusal> {
        self.at += 1;
        let from = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let text = self.slice(from, self.at)?;
                    self.at += 1;
                    return Ok(Cow::Borrowed(text));
                }
                Some(b'\\') => return self.escaped(from),
                Some(0x20..) => self.at += 1,
                _ => return Err(Refusal::Malformed),
            }
        }
    }

    fn escaped(&mut self, from: usize) -> Result<Cow<'a, str>, Refusal> {
        let mut text = self.slice(from, self.at)?.to_string();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => {
                    self.at += 1;
                    text.push(self.escape()?);
                }
                Some(0x20..) => {
                    let start = self.at;
                    while matches!(self.peek(), Some(byte) if byte >= 0x20 && byte != b'"' && byte != b'\\') {
                        self.at += 1;
                    }
                    text.push_str(self.slice(start, self.at)?);
                }
                _ => return Err(Refusal::Malformed),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Refusal> {
        let byte = self.peek().ok_or(Refusal::Malformed)?;
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let high = self.hex4()?;
                if (0xd800..0xdc00).contains(&high) {
                    if !(self.eat(b'\\') && self.eat(b'u')) {
                        return Err(Refusal::Malformed);
                    }
                    let low = self.hex4()?;
                    if !(0xdc00..0xe000).contains(&low) {
                        return Err(Refusal::Malformed);
                    }
                    char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
                        .ok_or(Refusal::Malformed)?
                } else {
                    char::from_u32(high).ok_or(Refusal::Malformed)?
                }
            }
            _ => return Err(Refusal::Malformed),
        })
    }

    fn hex4(&mut self) -> Result<u32, Refusal> {
        let text = self.slice(self.at, self.at + 4)?;
        self.at += 4;
        if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Refusal::Malformed);
        }
        u32::from_str_radix(text, 16).map_err(|_| Refusal::Malformed)
    }
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
