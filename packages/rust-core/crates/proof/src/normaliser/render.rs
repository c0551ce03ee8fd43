//! A read message written again: as it was, or with its keys in another order, unknown keys and white space.

use super::rng::Rng;
use std::fmt::Write;
use tidegate_dialects::json::Json;

/// The message without white space.
pub fn plain(message: &Json<'_>) -> Vec<u8> {
    let mut text = String::new();
    write(message, &mut text, &mut None);
    text.into_bytes()
}

/// The same message in another spelling: keys permuted, one unknown key in each object, white space between tokens.
pub fn varied(message: &Json<'_>, rng: &mut Rng) -> Vec<u8> {
    let mut text = String::new();
    write(message, &mut text, &mut Some(rng));
    text.into_bytes()
}

fn space(text: &mut String, rng: &mut Option<&mut Rng>) {
    if let Some(rng) = rng {
        text.push_str(["", " ", "\n", "\t ", "\r\n"][rng.below(5)]);
    }
}

fn write(value: &Json<'_>, text: &mut String, rng: &mut Option<&mut Rng>) {
    space(text, rng);
    match value {
        Json::Null => text.push_str("null"),
        Json::Bool(true) => text.push_str("true"),
        Json::Bool(false) => text.push_str("false"),
        Json::Num(number) => text.push_str(number),
        Json::Str(string) => quoted(string, text),
        Json::Arr(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(item, text, rng);
            }
            space(text, rng);
            text.push(']');
        }
        Json::Obj(fields) => {
            let mut order: Vec<usize> = (0..fields.len()).collect();
            let mut unknown = None;
            if let Some(rng) = rng {
                for index in (1..order.len()).rev() {
                    order.swap(index, rng.below(index + 1));
                }
                // An object without keys stays so: that it has none may be what it says.
                unknown = if order.is_empty() { None } else { Some(rng.below(order.len() + 1)) };
            }
            text.push('{');
            let mut first = true;
            for (place, index) in order.iter().map(Some).chain([None]).enumerate() {
                if unknown == Some(place) {
                    comma(&mut first, text);
                    text.push_str("\"zz_not_known\":{\"px\":[1.5,\"x\"],\"zz\":null}");
                }
                let Some((key, value)) = index.and_then(|index| fields.get(*index)) else { continue };
                comma(&mut first, text);
                space(text, rng);
                quoted(key, text);
                space(text, rng);
                text.push(':');
                write(value, text, rng);
            }
            space(text, rng);
            text.push('}');
        }
    }
    space(text, rng);
}

fn comma(first: &mut bool, text: &mut String) {
    if !*first {
        text.push(',');
    }
    *first = false;
}

fn quoted(string: &str, text: &mut String) {
    text.push('"');
    for c in string.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            c if (c as u32) < 0x20 => {
                let _ = write!(text, "\\u{:04x}", c as u32);
            }
            c => text.push(c),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_dialects::json::parse;

    #[test]
    fn another_spelling_has_the_same_values_under_the_same_keys() {
        let source = br#"{"a":[1e-05,"x\"y"],"b":{"c":null,"d":true},"e":-0.10}"#;
        let read = parse(source).unwrap();
        assert_eq!(plain(&read), source);
        let mut rng = Rng::new(3);
        for _ in 0..200 {
            let text = varied(&read, &mut rng);
            let other = parse(&text).unwrap();
            assert_eq!(other.get("a"), read.get("a"));
            assert_eq!(other.get("b").and_then(|b| b.get("d")), Some(&Json::Bool(true)));
            assert!(other.get("zz_not_known").is_some());
            assert_ne!(text, source);
        }
    }
}
