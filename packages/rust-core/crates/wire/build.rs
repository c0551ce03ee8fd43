//! Compiles `proto/` with a pure-Rust compiler, so that no `protoc` need be installed, and writes its fields down as a table.
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
    std::fs::write(Path::new(&std::env::var("OUT_DIR")?).join("fields.rs"), tables)?;
    prost_build::Config::new().include_file("tidegate.rs").compile_fds(set)?;
    Ok(())
}
