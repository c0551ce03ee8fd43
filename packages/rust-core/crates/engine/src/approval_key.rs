//! The key of the gateway's approvals, from a file that gateway and router share.

use crate::Fault;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use tidegate_wire::approval::ApprovalKey;

/// Bytes of the file, all of them the key.
const KEY_LEN: usize = 32;

/// Reads the key; an empty path is none.
///
/// # Errors
/// The file is not there, is not 32 bytes, or others may read it. What it holds is in no text.
pub(crate) fn read(path: &Path) -> Result<Option<ApprovalKey>, Fault> {
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    let shown = path.display();
    let fault = |why: String| {
        Fault(format!(
            "cannot read the approval key {shown}: {why}; make one with `head -c 32 /dev/urandom > FILE; chmod 600 FILE`"
        ))
    };
    let mut file = std::fs::File::open(path).map_err(|e| fault(e.to_string()))?;
    let meta = file.metadata().map_err(|e| fault(e.to_string()))?;
    if meta.mode() & 0o077 != 0 {
        return Err(fault("others may read it".into()));
    }
    if meta.len() != KEY_LEN as u64 {
        return Err(fault(format!("it has {} bytes, want {KEY_LEN}", meta.len())));
    }
    let mut bytes = [0_u8; KEY_LEN];
    file.read_exact(&mut bytes).map_err(|e| fault(e.to_string()))?;
    Ok(Some(ApprovalKey::new(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn b051_a_key_is_32_bytes_that_nobody_else_reads() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("approval.key");
        assert_eq!(read(Path::new("")).unwrap(), None);
        let told = |mode: u32, len: usize| {
            std::fs::write(&path, vec![7; len]).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            read(&path).map_err(|e| e.0)
        };
        assert!(read(&path).unwrap_err().0.contains("approval.key"));
        assert_eq!(told(0o600, 32), Ok(Some(ApprovalKey::new([7; 32]))));
        assert!(told(0o640, 32).unwrap_err().contains("others may read it"));
        for len in [0, 31, 33] {
            assert!(told(0o600, len).unwrap_err().contains("want 32"));
        }
    }
}
