//! Contents of a section before compression. Numbers are 64 bits, little-endian.
//!
//! Section of the start: for each splice the number of unchanged bytes before it, of the bytes that it removes and of
//! those that it inserts, then both. Section of a tensor: for each run of changed blocks the number of unchanged
//! blocks before it and of its own, then the exclusive or of old and new bytes.

use miniz_oxide::deflate::compress_to_vec_zlib;
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;

use super::Direction;
use crate::gguf::HeaderStart;

/// Bytes of the two counts before a run of blocks.
pub const RUN_BYTES: u64 = 16;

/// Room in the section of a start for the counts of its splices.
const COUNTS_BYTES: u64 = 1 << 24;

/// Compression level. A higher one gains nothing on data as random as changes of codes.
const LEVEL: u8 = 6;

pub fn compress(section: &[u8]) -> Vec<u8> {
    compress_to_vec_zlib(section, LEVEL)
}

/// Decompresses a section; `None` if it is damaged, or far longer than `most` bytes.
pub fn expand(compressed: &[u8], most: u64) -> Option<Vec<u8>> {
    let most = usize::try_from(most.saturating_add(COUNTS_BYTES)).ok()?;
    decompress_to_vec_zlib_with_limit(compressed, most).ok()
}

/// The part of a section that has not been read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn count(&mut self) -> Option<usize> {
        let bytes = self.take(8)?.try_into().ok()?;
        usize::try_from(u64::from_le_bytes(bytes)).ok()
    }
}

fn put_count(bytes: &mut Vec<u8>, count: usize) {
    bytes.extend((count as u64).to_le_bytes());
}

pub fn of_start(base: &[u8], result: &HeaderStart) -> Vec<u8> {
    let mut section = Vec::new();
    let mut at = 0;
    for splice in &result.splices {
        let taken = base.get(splice.before.clone()).unwrap_or_default();
        let put = result.bytes.get(splice.after.clone()).unwrap_or_default();
        put_count(&mut section, splice.before.start - at);
        put_count(&mut section, taken.len());
        put_count(&mut section, put.len());
        section.extend([taken, put].concat());
        at = splice.before.end;
    }
    section
}

/// Returns the start that `from` becomes; `None` if the section does not fit it.
pub fn splice(section: &[u8], from: &[u8], way: Direction) -> Option<Vec<u8>> {
    let (mut rest, mut from) = (Rest(section), Rest(from));
    let mut made = Vec::new();
    while !rest.0.is_empty() {
        let [kept, taken, put] = [rest.count()?, rest.count()?, rest.count()?];
        let (taken, put) = (rest.take(taken)?, rest.take(put)?);
        let (taken, put) = if way == Direction::Forward { (taken, put) } else { (put, taken) };
        made.extend(from.take(kept)?);
        if from.take(taken.len())? != taken {
            return None;
        }
        made.extend(put);
    }
    made.extend(from.0);
    Some(made)
}

pub fn of_tensor(base: &[u8], result: &[u8], block_bytes: usize) -> Vec<u8> {
    let mut blocks = base.chunks(block_bytes).zip(result.chunks(block_bytes)).peekable();
    let mut section = Vec::new();
    loop {
        let mut same = 0;
        while blocks.next_if(|(old, new)| old == new).is_some() {
            same += 1;
        }
        let mut run = Vec::new();
        while let Some((old, new)) = blocks.next_if(|(old, new)| old != new) {
            run.extend(old.iter().zip(new).map(|(old, new)| old ^ new));
        }
        if run.is_empty() {
            return section;
        }
        put_count(&mut section, same);
        put_count(&mut section, run.len().div_ceil(block_bytes));
        section.append(&mut run);
    }
}

/// Changes a tensor's bytes; `None` if the section does not fit them, in which case some may have been changed.
pub fn patch(section: &[u8], bytes: &mut [u8], block_bytes: usize) -> Option<()> {
    let mut rest = Rest(section);
    let mut at = 0_usize;
    while !rest.0.is_empty() {
        let [same, changed] = [rest.count()?, rest.count()?];
        let length = changed.checked_mul(block_bytes)?;
        let start = at.checked_add(same.checked_mul(block_bytes)?)?;
        at = start.checked_add(length)?;
        let flips = rest.take(length)?;
        bytes.get_mut(start..at)?.iter_mut().zip(flips).for_each(|(byte, flip)| *byte ^= flip);
    }
    Some(())
}
