//! A walk over JSON text without a copy: each value of an object as a borrowed slice, checked as JSON on the way.
//!
//! The only reader of JSON's grammar here: the readers of live trading go over an object's members, the others build trees of it.
//!
//! Source: RFC 8259. Stricter where it costs nothing to be: a key twice in one object, or more than [`DEPTH_MAX`] levels of
//! nesting, is no message of ours.

use crate::limits::DEPTH_MAX;

/// The text is not JSON, or nests too deep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotJson;

/// One value, still as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    /// As it stands in the text.
    Number(&'a [u8]),
    /// Between the quotes. `escaped` when a backslash is in it: then it is not the text meant.
    Text {
        text: &'a [u8],
        escaped: bool,
    },
    /// With its brackets.
    Array(&'a [u8]),
    /// With its braces.
    Object(&'a [u8]),
}

/// What stands next in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next<'a> {
    /// Neither array nor object.
    Scalar(Value<'a>),
    Array,
    Object,
}

/// A place in a text.
#[derive(Debug, Clone, Copy)]
pub struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    /// At the beginning of a text.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    fn take(&mut self, want: u8) -> Result<(), NotJson> {
        if self.peek() == Some(want) {
            self.at += 1;
            Ok(())
        } else {
            Err(NotJson)
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), NotJson> {
        if self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            self.at += word.len();
            Ok(())
        } else {
            Err(NotJson)
        }
    }

    fn text(&mut self) -> Result<(&'a [u8], bool), NotJson> {
        self.take(b'"')?;
        let (from, mut escaped) = (self.at, false);
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(byte) if *byte >= 0x20 => self.at += 1,
                _ => return Err(NotJson),
            }
        }
        let text = self.bytes.get(from..self.at).ok_or(NotJson)?;
        self.at += 1;
        Ok((text, escaped))
    }

    fn escape(&mut self) -> Result<(), NotJson> {
        let digits = match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 0,
            Some(b'u') => 4,
            _ => return Err(NotJson),
        };
        let hex = self.bytes.get(self.at + 2..self.at + 2 + digits).ok_or(NotJson)?;
        if !hex.iter().all(u8::is_ascii_hexdigit) {
            return Err(NotJson);
        }
        self.at += 2 + digits;
        Ok(())
    }

    fn digits(&mut self) -> Result<(), NotJson> {
        let from = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at > from { Ok(()) } else { Err(NotJson) }
    }

    fn number(&mut self) -> Result<&'a [u8], NotJson> {
        let from = self.at;
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        if self.bytes.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        self.bytes.get(from..self.at).ok_or(NotJson)
    }

    /// What comes next. A scalar is read and passed; an array or object is only recognised, to be gone through by
    /// [`Self::items`] or [`Self::members`].
    ///
    /// # Errors
    /// The text is not JSON here, or ends.
    pub fn step(&mut self) -> Result<Next<'a>, NotJson> {
        Ok(Next::Scalar(match self.peek().ok_or(NotJson)? {
            b'{' => return Ok(Next::Object),
            b'[' => return Ok(Next::Array),
            b'"' => self.text().map(|(text, escaped)| Value::Text { text, escaped })?,
            b't' => self.word(b"true").map(|()| Value::Bool(true))?,
            b'f' => self.word(b"false").map(|()| Value::Bool(false))?,
            b'n' => self.word(b"null").map(|()| Value::Null)?,
            _ => self.number().map(Value::Number)?,
        }))
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>, NotJson> {
        if depth > DEPTH_MAX {
            return Err(NotJson);
        }
        self.peek();
        let from = self.at;
        match self.step()? {
            Next::Scalar(value) => Ok(value),
            Next::Object => {
                self.members(&mut |_, _, walk| walk.value(depth + 1).map(drop))?;
                Ok(Value::Object(self.bytes.get(from..self.at).ok_or(NotJson)?))
            }
            Next::Array => {
                self.items(&mut |walk| walk.value(depth + 1).map(drop))?;
                Ok(Value::Array(self.bytes.get(from..self.at).ok_or(NotJson)?))
            }
        }
    }

    /// Goes through an object. `each` has the text of a key between its quotes and whether a backslash is in it, and passes the
    /// value behind it.
    ///
    /// # Errors
    /// The text is not one object here, or `each` refuses.
    pub fn members<E: From<NotJson>>(
        &mut self,
        each: &mut impl FnMut(&'a [u8], bool, &mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.take(b'{')?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.peek();
            let (key, escaped) = self.text()?;
            self.take(b':')?;
            each(key, escaped, self)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(NotJson.into()),
            }
        }
    }

    /// Goes through an array; `each` passes one item.
    ///
    /// # Errors
    /// As [`Self::members`].
    pub fn items<E: From<NotJson>>(
        &mut self,
        each: &mut impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.take(b'[')?;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            each(self)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(NotJson.into()),
            }
        }
    }

    /// That nothing but white space is left.
    ///
    /// # Errors
    /// Something is.
    pub fn end(&mut self) -> Result<(), NotJson> {
        if self.peek().is_none() { Ok(()) } else { Err(NotJson) }
    }
}

/// Hands each member of the object that `bytes` are to `each`, in the order of the text.
///
/// # Errors
/// The text is not one JSON object, or `each` refuses a member.
pub fn object<'a, E: From<NotJson>>(
    bytes: &'a [u8],
    mut each: impl FnMut(&'a [u8], Value<'a>) -> Result<(), E>,
) -> Result<(), E> {
    let mut walk = Walk::new(bytes);
    walk.members(&mut |key, _, walk: &mut Walk<'a>| each(key, walk.value(1)?))?;
    Ok(walk.end()?)
}

/// Hands each item of the array that `bytes` are to `each`.
///
/// # Errors
/// The text is not one JSON array, or `each` refuses an item.
pub fn array<'a, E: From<NotJson>>(
    bytes: &'a [u8],
    mut each: impl FnMut(Value<'a>) -> Result<(), E>,
) -> Result<(), E> {
    let mut walk = Walk::new(bytes);
    walk.items(&mut |walk: &mut Walk<'a>| each(walk.value(1)?))?;
    Ok(walk.end()?)
}

/// The first byte of a text that is not white space.
pub fn first_byte(bytes: &[u8]) -> Option<u8> {
    Walk::new(bytes).peek()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_object(bytes: &[u8]) -> bool {
        object(bytes, |_, _| Ok::<(), NotJson>(())).is_ok()
    }

    #[test]
    fn members_come_in_order_and_as_they_stand() {
        let mut seen = Vec::new();
        let text = br#" {"a" : 1.5e-3,"b":[1,{"c":null}] , "\u0064":"x\"y","e":true} "#;
        object(text, |key, value| {
            seen.push((key, value));
            Ok::<(), NotJson>(())
        })
        .unwrap();
        assert_eq!(
            seen,
            [
                (&b"a"[..], Value::Number(b"1.5e-3")),
                (b"b", Value::Array(br#"[1,{"c":null}]"#)),
                (br"\u0064", Value::Text { text: br#"x\"y"#, escaped: true }),
                (b"e", Value::Bool(true)),
            ]
        );
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(is_object(nested(DEPTH_MAX - 1).as_bytes()));
        assert!(!is_object(nested(DEPTH_MAX + 1).as_bytes()));
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            (-1e9_f64..1e9).prop_map(Into::into),
            ".{0,8}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::btree_map(".{0,4}", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn another_parser_agrees_on_what_is_an_object(
            value in json(), edits in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..128), 0..3),
        ) {
            let mut bytes = value.to_string().into_bytes();
            for (at, byte) in edits {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
            }
            // An edit may cut a character in two; that text is no text, which is not what is compared here.
            if std::str::from_utf8(&bytes).is_ok() {
                let other = serde_json::from_slice::<serde_json::Value>(&bytes);
                // The other refuses numbers beyond a double and lone surrogates, which are JSON all the same.
                let own = is_object(&bytes);
                match &other {
                    Ok(value) => prop_assert_eq!(own, value.is_object()),
                    Err(error) => prop_assert!(
                        !own || error.to_string().contains("out of range") || error.to_string().contains("surrogate")
                            || error.to_string().contains("unexpected end of hex escape"),
                        "{error}: {}", String::from_utf8_lossy(&bytes)
                    ),
                }
            }
        }
    }
}
