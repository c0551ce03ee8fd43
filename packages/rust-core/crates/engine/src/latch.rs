//! A kill latch: one block of one file, written in place and synced before anything acts on it.
//!
//! In place, so that a full disk cannot keep a kill from being latched. Two words are known, `KILLED` and `CLEAR`;
//! whatever else the file holds (a torn write, another's bytes, nothing at all) counts as killed until a person lifts it.

use crate::Fault;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes of the file: one block, so that a write needs no space it does not have.
pub const LATCH_BYTES: usize = 4_096;
/// Bytes kept of a principal and of a reason.
const WHO_BYTES_MAX: usize = 64;
const WHY_BYTES_MAX: usize = 256;

/// Who killed, why and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub by: String,
    pub reason: String,
    /// Nanoseconds since the Unix epoch; names the kill, so that a late lift of an earlier one does not lift this one.
    pub ts_ns: i64,
}

/// The latch of one process.
#[derive(Debug)]
pub struct Latch {
    path: PathBuf,
    file: Option<File>,
    held: Option<Held>,
}

/// At most `max` bytes of a text, on one line.
pub(crate) fn cut(text: &str, max: usize) -> String {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].replace(['\n', '\t'], " ")
}

impl Latch {
    /// Opens the latch, made clear where `fresh` says that nothing of this process was ever there. It never fails: a latch
    /// that cannot be read or written is held.
    pub fn open(path: &Path, fresh: bool, now_ns: i64) -> Self {
        let mut latch = Self { path: path.to_path_buf(), file: None, held: None };
        let held = match latch.load(fresh) {
            Ok(held) => held,
            Err(why) => Some(Held { by: "latch".into(), reason: cut(&why, WHY_BYTES_MAX), ts_ns: now_ns }),
        };
        latch.held = held;
        latch
    }

    fn load(&mut self, fresh: bool) -> Result<Option<Held>, String> {
        let shown = self.path.display().to_string();
        let mut open = OpenOptions::new();
        open.read(true).write(true).mode(0o600);
        let file = match open.open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if let Some(dir) = self.path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
                    std::fs::create_dir_all(dir).map_err(|e| format!("cannot make {shown}: {e}"))?;
                }
                let file = open
                    .create_new(true)
                    .open(&self.path)
                    .map_err(|e| format!("cannot make the kill latch {shown}: {e}"))?;
                self.file = Some(file);
                let missing = Held {
                    by: "latch".into(),
                    reason: format!("{shown} was missing"),
                    ts_ns: tidegate_venue_io::clock::epoch_ns(),
                };
                let first = if fresh { None } else { Some(missing) };
                self.write(first.as_ref()).map_err(|e| e.0)?;
                let dir = self.path.parent().filter(|dir| !dir.as_os_str().is_empty());
                File::open(dir.unwrap_or_else(|| Path::new(".")))
                    .and_then(|dir| dir.sync_all())
                    .map_err(|e| format!("cannot sync the folder of {shown}: {e}"))?;
                return Ok(first);
            }
            Err(error) => return Err(format!("cannot open the kill latch {shown}: {error}")),
        };
        let mut text = Vec::with_capacity(LATCH_BYTES);
        let read = (&file).take(LATCH_BYTES as u64 + 1).read_to_end(&mut text);
        self.file = Some(file);
        read.map_err(|e| format!("cannot read the kill latch {shown}: {e}"))?;
        parse(&text).ok_or_else(|| format!("{shown} holds neither KILLED nor CLEAR"))
    }

    /// Who holds it; `None` while orders may leave.
    pub const fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    /// Holds it, on disk first. The first kill stands: a further one changes nothing.
    ///
    /// # Errors
    /// The disk refuses. It is held in this process all the same.
    pub fn hold(&mut self, by: &str, reason: &str, ts_ns: i64) -> Result<(), Fault> {
        if self.held.is_some() {
            return Ok(());
        }
        let held = Held { by: cut(by, WHO_BYTES_MAX), reason: cut(reason, WHY_BYTES_MAX), ts_ns };
        let written = self.write(Some(&held));
        self.held = Some(held);
        written
    }

    /// Lets go, on disk first.
    ///
    /// # Errors
    /// The disk refuses; it stays held.
    pub fn lift(&mut self) -> Result<(), Fault> {
        if self.held.is_none() {
            return Ok(());
        }
        self.write(None)?;
        self.held = None;
        Ok(())
    }

    fn write(&mut self, held: Option<&Held>) -> Result<(), Fault> {
        let shown = self.path.display();
        let failed = |why: String| {
            Fault(format!("cannot write the kill latch {shown}: {why}; mend the disk or its permissions"))
        };
        if self.file.is_none() {
            let mut open = OpenOptions::new();
            open.read(true).write(true).create(true).truncate(false).mode(0o600);
            self.file = Some(open.open(&self.path).map_err(|e| failed(e.to_string()))?);
        }
        let Some(file) = self.file.as_ref() else { return Err(failed("it is not open".into())) };
        let text = match held {
            Some(held) => format!("KILLED\t{}\t{}\t{}\n", held.ts_ns, held.by, held.reason),
            None => "CLEAR\n".into(),
        };
        let mut block = text.into_bytes();
        block.resize(LATCH_BYTES, b' ');
        file.write_all_at(&block, 0).and_then(|()| file.sync_data()).map_err(|e| failed(e.to_string()))
    }
}

/// What a latch file says: `None` where it says nothing, `Some(None)` where it is clear.
fn parse(bytes: &[u8]) -> Option<Option<Held>> {
    if bytes.len() != LATCH_BYTES {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let (line, rest) = text.split_once('\n')?;
    if !rest.bytes().all(|b| b == b' ') {
        return None;
    }
    if line == "CLEAR" {
        return Some(None);
    }
    let mut parts = line.split('\t');
    if parts.next() != Some("KILLED") {
        return None;
    }
    let ts_ns = parts.next()?.parse().ok()?;
    let held = Held { ts_ns, by: parts.next()?.into(), reason: parts.next()?.into() };
    parts.next().is_none().then_some(Some(held))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(dir: &tempfile::TempDir) -> PathBuf {
        dir.path().join("state/x.latch")
    }

    #[test]
    fn a_kill_is_held_through_a_restart_until_it_is_lifted() {
        let dir = tempfile::tempdir().unwrap();
        let mut latch = Latch::open(&at(&dir), true, 1);
        assert_eq!(latch.held(), None);
        latch.hold("ann", "spread\nlooks wrong", 7).unwrap();
        latch.hold("bob", "later", 8).unwrap();
        let held = Held { by: "ann".into(), reason: "spread looks wrong".into(), ts_ns: 7 };
        assert_eq!(latch.held(), Some(&held));
        assert_eq!(Latch::open(&at(&dir), false, 9).held(), Some(&held));
        latch.lift().unwrap();
        assert_eq!(Latch::open(&at(&dir), false, 9).held(), None);
    }

    #[test]
    fn a14_whatever_cannot_be_read_is_held() {
        let dir = tempfile::tempdir().unwrap();
        drop(Latch::open(&at(&dir), true, 1));
        let clear = std::fs::read(at(&dir)).unwrap();
        let whole = clear.len();
        assert_eq!(whole, LATCH_BYTES);
        // Each bit of the word, each length, and bytes after the line.
        let mut bad: Vec<Vec<u8>> = (0..6 * 8)
            .map(|bit| {
                let mut bytes = clear.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                bytes
            })
            .collect();
        bad.extend([0, 1, 5, 6, 512, whole - 1].map(|len| clear[..len].to_vec()));
        bad.push([clear.clone(), b"x".to_vec()].concat());
        let mut tail = clear.clone();
        tail[600] = b'K';
        bad.push(tail);
        for bytes in bad {
            std::fs::write(at(&dir), &bytes).unwrap();
            assert!(Latch::open(&at(&dir), false, 1).held().is_some(), "{:?}", &bytes[..bytes.len().min(8)]);
        }
        std::fs::write(at(&dir), &clear).unwrap();
        assert!(Latch::open(&at(&dir), false, 1).held().is_none(), "the negative control");
    }

    #[test]
    fn a14_a_latch_that_is_gone_is_held_unless_nothing_was_ever_there() {
        let dir = tempfile::tempdir().unwrap();
        drop(Latch::open(&at(&dir), true, 1));
        std::fs::remove_file(at(&dir)).unwrap();
        let latch = Latch::open(&at(&dir), false, 1);
        assert!(latch.held().unwrap().reason.contains("missing"));
        assert!(Latch::open(&at(&dir), true, 1).held().is_some(), "and it is written so");
    }

    #[test]
    fn a_latch_that_cannot_be_written_is_held_all_the_same_and_cannot_be_lifted() {
        let dir = tempfile::tempdir().unwrap();
        // A folder where the file should be: unreadable and unwritable for root too.
        std::fs::create_dir_all(at(&dir)).unwrap();
        let mut latch = Latch::open(&at(&dir), true, 5);
        assert_eq!(latch.held().unwrap().ts_ns, 5);
        assert!(latch.lift().unwrap_err().0.contains("cannot write the kill latch"));
        assert!(latch.held().is_some());
    }
}
