//! Reading files that may be anything, and of any length.

use std::io::{self, Read};

/// All that is left to read, or `None` where that is more than `most` bytes.
pub(super) fn read_up_to(file: impl Read, most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}
