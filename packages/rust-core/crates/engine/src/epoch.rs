//! Session epochs: a number on disk that rises at each start of a process.

use crate::Fault;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

/// Raises the epoch kept in `path` by one, makes it durable, and gives it. A file that is not there counts as 0.
///
/// # Errors
/// The file holds something else than a number, is at its end, or cannot be written.
pub fn next(path: &Path) -> Result<u32, Fault> {
    let shown = path.display();
    let last = match std::fs::read_to_string(path) {
        Ok(text) => text.trim().parse::<u32>().map_err(|_| {
            Fault(format!("{shown} holds {text:?}, want a session number; restore it from a copy, a lower number than before is refused by every peer"))
        })?,
        Err(error) if error.kind() == ErrorKind::NotFound => 0,
        Err(error) => return Err(Fault(format!("cannot read {shown}: {error}"))),
    };
    let epoch = last.checked_add(1).ok_or_else(|| Fault(format!("{shown}: no session number is left")))?;
    let failed = |error: std::io::Error| {
        Fault(format!("cannot write {shown}: {error}; mend the disk or its permissions"))
    };
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        std::fs::create_dir_all(dir).map_err(failed)?;
    }
    let fresh = path.with_extension("epoch.new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(&fresh).map_err(failed)?;
    file.write_all(format!("{epoch}\n").as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&fresh, path).map_err(failed)?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)?;
    Ok(epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_by_one_at_each_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/gateway.epoch");
        assert_eq!((next(&path).unwrap(), next(&path).unwrap(), next(&path).unwrap()), (1, 2, 3));
    }

    #[test]
    fn a_damaged_file_is_refused_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.epoch");
        for bad in ["", "-1", "4294967296", "seven"] {
            std::fs::write(&path, bad).unwrap();
            assert!(next(&path).unwrap_err().0.contains("want a session number"), "{bad:?}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), bad);
        }
        std::fs::write(&path, "4294967295").unwrap();
        assert!(next(&path).unwrap_err().0.contains("no session number is left"));
    }
}
