//! The same messages in another spelling: keys permuted, unknown keys, white space. The records must be the same.

use super::corpus::Stream;
use super::plant::{Fault, Planted};
use super::render;
use super::rng::Rng;
use tidegate_dialects::json;

/// How often each stream is varied; captures, which are long, once.
pub const ROUNDS: usize = 5;
/// Inputs above which a stream is long.
const LONG: usize = 100;

/// What was compared.
#[derive(Debug, Default)]
pub struct Permuted {
    pub compared: u64,
    pub unequal: u64,
    /// The first that differed.
    pub first: Option<String>,
}

/// Feeds each stream twice in step: as recorded, and varied.
///
/// # Errors
/// A recorded message that is no JSON.
pub fn check(streams: &[Stream], rng: &mut Rng, plant: &mut Planted) -> Result<Permuted, String> {
    let mut permuted = Permuted::default();
    let rounds = |stream: &Stream| if stream.inputs.len() > LONG { 1 } else { ROUNDS };
    for stream in streams.iter().flat_map(|stream| std::iter::repeat_n(stream, rounds(stream))) {
        let (mut plain, mut varied) = ((stream.make)(), (stream.make)());
        for input in &stream.inputs {
            let read = json::parse(&input.message).map_err(|e| format!("{}: {e}", stream.name))?;
            let mut text = render::varied(&read, rng);
            let (mut want, mut have) = (Vec::new(), Vec::new());
            let wanted = input.read(&input.message, plain.as_mut(), &mut want);
            if !want.is_empty() && plant.strikes(Fault::RenameKey) {
                text.retain(|byte| *byte != b'p');
            }
            let got = input.read(&text, varied.as_mut(), &mut have);
            permuted.compared += 1;
            if wanted != got || want != have {
                permuted.unequal += 1;
                permuted.first.get_or_insert_with(|| {
                    format!("{}: {got:?}, want {wanted:?}: {}", stream.name, String::from_utf8_lossy(&text))
                });
            }
        }
    }
    Ok(permuted)
}
