//! Compiles `proto/` with a pure-Rust compiler, so that no `protoc` need be installed, and writes its fields down as a table and
//! as the encoder that `src/encode.rs` is the runtime of.
use protox::prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const ENVELOPE: &str = "tidegate.envelope.v1.Envelope";

fn protos(dir: &Path, out: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            protos(&path, out)?;
        } else if path.extension().is_some_and(|e| e == "proto") {
            out.push(path);
        }
    }
    Ok(())
}

/// `IntentId` as `intent_id`.
fn snake(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

/// The kind of a field as `src/fields.rs` names it.
fn kind(field: &FieldDescriptor) -> Result<String, Box<dyn Error>> {
    Ok(match (field.kind(), field.is_list()) {
        (Kind::Bool, false) => "Kind::Bool".into(),
        (Kind::Uint32, false) => "Kind::Uint32".into(),
        (Kind::Uint64, false) => "Kind::Uint64".into(),
        (Kind::Int64, false) => "Kind::Int64".into(),
        (Kind::Sint64, false) => "Kind::Sint64".into(),
        (Kind::Fixed64, false) => "Kind::Fixed64".into(),
        (Kind::String, false) => "Kind::Text".into(),
        (Kind::Uint64, true) => "Kind::Uints".into(),
        (Kind::Sint64, true) => "Kind::Sints".into(),
        (Kind::Message(message), false) => {
            format!("Kind::Message(&{})", snake(message.name()).to_uppercase())
        }
        (Kind::Enum(values), false) => {
            let unspecified = values.default_value().name().to_owned();
            let prefix = unspecified.strip_suffix("UNSPECIFIED").ok_or("an enum's 0 is its UNSPECIFIED")?;
            let mut all: Vec<_> = values.values().filter(|value| value.number() != 0).collect();
            all.sort_by_key(|value| value.number());
            let mut names = String::new();
            for value in all {
                let name = value.name().strip_prefix(prefix).ok_or("an enum's values share its prefix")?;
                write!(names, "({}, {name:?}), ", value.number())?;
            }
            format!("Kind::Enum(&[{names}])")
        }
        (other, list) => {
            return Err(format!("{}: no table knows {other:?}, list {list}", field.full_name()).into());
        }
    })
}

/// A message's table, after those of the messages in it.
fn table(
    message: &MessageDescriptor,
    done: &mut Vec<String>,
    out: &mut String,
) -> Result<(), Box<dyn Error>> {
    let name = snake(message.name());
    if done.contains(&name) {
        return Ok(());
    }
    done.push(name.clone());
    let mut rows = String::new();
    for field in message.fields() {
        if let Kind::Message(inner) = field.kind() {
            table(&inner, done, out)?;
        }
        writeln!(
            rows,
            "    Field {{ name: {:?}, number: {}, kind: {} }},",
            field.name(),
            field.number(),
            kind(&field)?
        )?;
    }
    writeln!(out, "/// The fields of `{}`.", message.full_name())?;
    writeln!(
        out,
        "pub static {}: Message = Message {{ name: {name:?}, fields: &[\n{rows}] }};",
        name.to_uppercase()
    )?;
    Ok(())
}

/// Where the message's type is.
fn path(message: &MessageDescriptor) -> String {
    let module = message.package_name().replace("tidegate.", "").replace('.', "::");
    format!("crate::pb::{module}::{}", message.name())
}

/// How one field is written from behind, from the value `v`, and how many bytes it takes at most beside its key.
fn put(field: &FieldDescriptor) -> Result<(String, String, u32), Box<dyn Error>> {
    const VARINT: u32 = 0;
    const FIXED64: u32 = 1;
    const LENGTH: u32 = 2;
    const MOST: &str = "10";
    Ok(match (field.kind(), field.is_list()) {
        (Kind::Bool, false) => ("w.varint(u64::from(*v));".into(), "1".into(), VARINT),
        (Kind::Uint32, false) => ("w.varint(u64::from(*v));".into(), "5".into(), VARINT),
        (Kind::Uint64, false) => ("w.varint(*v);".into(), MOST.into(), VARINT),
        (Kind::Int64, false) => ("w.varint(v.cast_unsigned());".into(), MOST.into(), VARINT),
        (Kind::Enum(_), false) => ("w.varint(i64::from(*v).cast_unsigned());".into(), MOST.into(), VARINT),
        (Kind::Sint64, false) => ("w.varint(zigzagged(*v));".into(), MOST.into(), VARINT),
        (Kind::Fixed64, false) => ("w.bytes(&v.to_le_bytes());".into(), "8".into(), FIXED64),
        (Kind::String, false) => {
            ("w.bytes(v.as_bytes()); w.varint(v.len() as u64);".into(), format!("{MOST} + v.len()"), LENGTH)
        }
        (Kind::Uint64, true) => (
            "w.packed(v.iter().copied());".into(),
            format!("{MOST} + v.iter().map(|v| encoded_len_varint(*v)).sum::<usize>()"),
            LENGTH,
        ),
        (Kind::Sint64, true) => (
            "w.packed(v.iter().map(|v| zigzagged(*v)));".into(),
            format!("{MOST} + v.iter().map(|v| encoded_len_varint(zigzagged(*v))).sum::<usize>()"),
            LENGTH,
        ),
        (Kind::Message(inner), false) => {
            let inner = snake(inner.name());
            (
                format!("let end = w.at(); put_{inner}(w, v); w.varint((end - w.at()) as u64);"),
                format!("{MOST} + room_{inner}(v)"),
                LENGTH,
            )
        }
        (other, list) => {
            return Err(format!("{}: no encoder knows {other:?}, list {list}", field.full_name()).into());
        }
    })
}

/// A message's encoder, after those of the messages in it.
fn encoder(
    message: &MessageDescriptor,
    done: &mut Vec<String>,
    out: &mut String,
) -> Result<(), Box<dyn Error>> {
    let (name, of) = (snake(message.name()), path(message));
    if done.contains(&name) {
        return Ok(());
    }
    done.push(name.clone());
    let mut fields: Vec<_> = message.fields().collect();
    fields.sort_by_key(FieldDescriptor::number);
    let (mut puts, mut rooms, mut keys) = (String::new(), String::new(), 0);
    let (mut put_one_of, mut room_one_of) = (String::new(), String::new());
    for field in fields.iter().rev() {
        if let Kind::Message(inner) = field.kind() {
            encoder(&inner, done, out)?;
        }
        let (write, room, wire_type) = put(field)?;
        let key = field.number() << 3 | wire_type;
        let write = format!("{write} w.key({key});");
        if let Some(one_of) = field.containing_oneof() {
            if !puts.is_empty() {
                return Err(format!("{}: the fields of a oneof come last", field.full_name()).into());
            }
            let variant: String = field.name().split('_').map(capital).collect();
            let one_of = format!("{}::{}", snake(message.name()), capital(one_of.name()));
            let module = of.rsplit_once("::").ok_or("a message is in a module")?.0.to_owned();
            writeln!(put_one_of, "        Some({module}::{one_of}::{variant}(v)) => {{ {write} }}")?;
            writeln!(room_one_of, "        Some({module}::{one_of}::{variant}(v)) => 5 + {room},")?;
            continue;
        }
        if !put_one_of.is_empty() && !puts.contains("match") {
            writeln!(puts, "    match &m.payload {{\n{put_one_of}        None => {{}}\n    }}")?;
            writeln!(rooms, "    room += match &m.payload {{\n{room_one_of}        None => 0,\n    }};")?;
        }
        keys += 5;
        let name = field.name();
        let there = match field.kind() {
            Kind::Message(_) => format!("if let Some(v) = &m.{name}"),
            Kind::Bool => format!("let v = &m.{name}; if *v"),
            Kind::String => format!("let v = &m.{name}; if !v.is_empty()"),
            _ if field.is_list() => format!("let v = &m.{name}; if !v.is_empty()"),
            _ => format!("let v = &m.{name}; if *v != 0"),
        };
        writeln!(puts, "    {there} {{ {write} }}")?;
        match room.parse::<u32>() {
            Ok(room) => keys += room,
            Err(_) => writeln!(rooms, "    {there} {{ room += {room}; }}")?,
        }
    }
    writeln!(out, "#[inline]\nfn put_{name}(w: &mut Back<'_>, m: &{of}) {{\n{puts}}}")?;
    let (m, room) = if rooms.is_empty() {
        ("_", format!("    {keys}\n"))
    } else {
        ("m", format!("    let mut room = {keys};\n{rooms}    room\n"))
    };
    writeln!(out, "#[inline]\nfn room_{name}({m}: &{of}) -> usize {{\n{room}}}")?;
    Ok(())
}

/// `intent` as `Intent`.
fn capital(word: &str) -> String {
    let (first, rest) = word.split_at(word.len().min(1));
    first.to_ascii_uppercase() + rest
}

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../proto");
    let mut files = Vec::new();
    protos(&root, &mut files)?;
    files.sort();
    println!("cargo:rerun-if-changed={}", root.display());
    let set = protox::compile(&files, [&root])?;
    let pool = DescriptorPool::from_file_descriptor_set(set.clone())?;
    let envelope = pool.get_message_by_name(ENVELOPE).ok_or("proto/ has no envelope")?;
    let mut tables = String::new();
    table(&envelope, &mut Vec::new(), &mut tables)?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("fields.rs"), tables)?;
    let mut encoders = String::new();
    encoder(&envelope, &mut Vec::new(), &mut encoders)?;
    std::fs::write(out.join("encode.rs"), encoders)?;
    prost_build::Config::new().include_file("tidegate.rs").compile_fds(set)?;
    Ok(())
}
