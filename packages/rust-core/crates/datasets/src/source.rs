//! A file as plain bytes, whatever it is packed with. The packing is told by its first bytes, not by its name.

use crate::fault::{Fault, Kind};
use crate::limits::{READ_AHEAD_BYTES, XZ_MEMORY_KIB_MAX};
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// The plain bytes of a file.
pub type Source = BufReader<Box<dyn Read + Send>>;

/// Opens a file that is plain or packed with gzip, xz or zstd, of one or more members.
///
/// # Errors
/// It cannot be opened or its first bytes cannot be read. Later faults come with the reads.
pub fn open(path: &Path) -> Result<Source, Fault> {
    let file = File::open(path).map_err(|error| Fault::io(path, 0, &error))?;
    let mut packed = BufReader::with_capacity(READ_AHEAD_BYTES, file);
    let head = packed.fill_buf().map_err(|error| Fault::io(path, 0, &error))?;
    let plain: Box<dyn Read + Send> = match head {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(packed)),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            Box::new(XzReader::new_mem_limit(packed, true, XZ_MEMORY_KIB_MAX))
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(Zstd { packed, decoder: FrameDecoder::new(), open: false }),
        _ => Box::new(packed),
    };
    Ok(BufReader::with_capacity(READ_AHEAD_BYTES, plain))
}

/// Reads a whole file, at most `max` plain bytes of it.
///
/// # Errors
/// It cannot be read, or holds more.
pub fn read_all(path: &Path, max: usize) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let limit = max as u64 + 1;
    open(path)?.take(limit).read_to_end(&mut bytes).map_err(|error| Fault::io(path, 0, &error))?;
    if bytes.len() > max {
        let what = format!("more than {max} bytes");
        return Err(Fault::new(Kind::TooLong, path, 0, what, "want a smaller file"));
    }
    Ok(bytes)
}

/// Frames of zstd one after the other.
struct Zstd<R> {
    packed: R,
    decoder: FrameDecoder,
    open: bool,
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.open {
                while self.decoder.can_collect() < out.len().max(1) && !self.decoder.is_finished() {
                    let wanted = BlockDecodingStrategy::UptoBytes(out.len().max(1));
                    self.decoder.decode_blocks(&mut self.packed, wanted).map_err(broken)?;
                }
                let read = self.decoder.read(out)?;
                if read > 0 || out.is_empty() {
                    return Ok(read);
                }
                self.check()?;
                self.open = false;
            }
            if self.packed.fill_buf()?.is_empty() {
                return Ok(0);
            }
            self.decoder.reset(&mut self.packed).map_err(broken)?;
            self.open = true;
        }
    }
}

impl<R> Zstd<R> {
    /// The frame's own checksum, where it carries one.
    fn check(&self) -> io::Result<()> {
        match (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum()) {
            (Some(stated), Some(found)) if stated != found => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "zstd: the frame's checksum differs"))
            }
            _ => Ok(()),
        }
    }
}

/// The decoder's error as one of I/O; its deepest cause tells an early end from damage.
fn broken(error: impl std::error::Error) -> io::Error {
    let mut kind = io::ErrorKind::InvalidData;
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    let mut text = error.to_string();
    let mut outermost = true;
    while let Some(each) = cause {
        if !outermost {
            text = format!("{text}: {each}");
        }
        outermost = false;
        // ruzstd nests its I/O errors by value; their text is the only thing every level keeps.
        if each.to_string().contains("failed to fill whole buffer") {
            kind = io::ErrorKind::UnexpectedEof;
        }
        cause = each.source();
    }
    io::Error::new(kind, format!("zstd: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// "tidegate\n" × 4 as the command-line tools pack it.
    const XZ: &[u8] = include_bytes!("../testdata/lines.xz");
    const ZST: &[u8] = include_bytes!("../testdata/lines.zst");
    const GZ: &[u8] = include_bytes!("../testdata/lines.gz");

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn plain() -> Vec<u8> {
        (0..4_000).flat_map(|n| format!("tidegate {}\n", n * n % 7_919).into_bytes()).collect()
    }

    #[test]
    fn each_packing_gives_the_same_bytes_also_of_two_members() {
        for packed in [GZ, XZ, ZST, &plain()] {
            let once = read_all(file(packed).path(), 1 << 20).unwrap();
            assert_eq!(once, plain());
            let twice = read_all(file(&[packed, packed].concat()).path(), 1 << 20).unwrap();
            assert_eq!(twice, [plain(), plain()].concat());
        }
        let fault = read_all(file(&plain()).path(), 100).unwrap_err();
        assert_eq!((fault.kind, fault.what.as_str()), (Kind::TooLong, "more than 100 bytes"));
    }

    #[test]
    fn a_cut_file_is_named_truncated_at_every_length() {
        for packed in [GZ, XZ, ZST] {
            for cut in (8..packed.len()).step_by(97).chain([packed.len() - 1]) {
                let fault = read_all(file(&packed[..cut]).path(), 1 << 20).unwrap_err();
                assert_eq!(fault.kind, Kind::Truncated, "{cut} of {}: {fault}", packed.len());
            }
        }
    }

    #[test]
    fn a_flipped_bit_is_refused_or_harmless_never_a_wrong_byte() {
        for packed in [GZ, XZ, ZST] {
            let mut found = 0;
            for at in (6..packed.len()).step_by(53) {
                let mut bytes = packed.to_vec();
                bytes[at] ^= 0x10;
                match read_all(file(&bytes).path(), 1 << 20) {
                    Err(_) => found += 1,
                    Ok(read) => assert!(read == plain(), "byte {at}"),
                }
            }
            assert!(found > 10, "{found}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_says_so() {
        let fault = open(Path::new("/nonexistent/x.gz")).map(|_| ()).unwrap_err();
        assert_eq!(fault.kind, Kind::Io);
        assert!(fault.to_string().starts_with("/nonexistent/x.gz: Io: "), "{fault}");
    }
}
