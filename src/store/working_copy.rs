//! The model file mapped twice: read-only as the base, and copy-on-write as the working copy.
//!
//! Both mappings show the page cache's pages; a page of the working copy becomes memory of this process when it is
//! first written, so memory is used only for the pages touched, and the file never changes.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::{Mmap, MmapMut, MmapOptions};

use super::{StoreError, Witness, page_size};

/// Bytes of the base that are read before their pages are released: a multiple of every system's page size.
const PIECE_BYTES: usize = 16 << 20;

/// A model file with changes to it in memory.
#[derive(Debug)]
pub struct WorkingCopy {
    path: PathBuf,
    base: Mmap,
    changed: MmapMut,
    /// `true` if bytes may have been changed.
    edited: bool,
    witness: Witness,
}

impl WorkingCopy {
    /// Maps a file, which is opened for reading only.
    ///
    /// # Errors
    /// When the file cannot be opened or mapped, or is empty.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref().to_owned();
        let file = File::open(&path).map_err(|source| StoreError::Open { path: path.clone(), source })?;
        let metadata = file.metadata().map_err(|source| StoreError::Open { path: path.clone(), source })?;
        if !metadata.is_file() || metadata.len() == 0 {
            return Err(StoreError::NotAFile { path });
        }
        let witness = Witness::new(&path, &metadata);
        match map_twice(&file) {
            Ok((base, changed)) => Ok(Self { path, base, changed, edited: false, witness }),
            Err(source) => Err(StoreError::Map { path, source }),
        }
    }

    /// Maps a file of this process that has no name yet; `path` is its name in messages.
    pub(super) fn of_nameless(path: PathBuf, file: &File) -> Result<Self, StoreError> {
        let witness = Witness::of_nameless(&path);
        match map_twice(file) {
            Ok((base, changed)) => Ok(Self { path, base, changed, edited: false, witness }),
            Err(source) => Err(StoreError::Map { path, source }),
        }
    }

    /// Returns the file that is mapped.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the witness that detects changes of the file.
    pub fn witness(&self) -> &Witness {
        &self.witness
    }

    /// Returns the bytes as they are in the file.
    pub fn base(&self) -> &[u8] {
        &self.base
    }

    /// Reads all bytes as they are in the file, piece by piece, and releases each piece, so that a whole second model
    /// is not counted as this process's memory.
    pub fn read_base(&self, mut read: impl FnMut(&[u8])) {
        for start in (0..self.base.len()).step_by(PIECE_BYTES) {
            let range = start..(start + PIECE_BYTES).min(self.base.len());
            read(&self.base[range.clone()]);
            self.release_base(range);
        }
    }

    /// Releases pages of the base, which are read from the file again when they are needed. Does nothing for a range
    /// outside the file.
    pub fn release_base(&self, range: Range<usize>) {
        if self.base.get(range.clone()).is_none() {
            return;
        }
        #[cfg(unix)]
        // SAFETY: the range lies within the mapping, as was just checked. The mapping is read-only, so a page that is let
        // go has nothing in it but what is in the file.
        let released = unsafe {
            self.base.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, range.start, range.len())
        };
        #[cfg(unix)]
        // Pages that could not be released cost memory, and nothing else.
        drop(released);
        #[cfg(not(unix))]
        drop(range);
    }

    /// Returns the bytes with all changes.
    pub fn bytes(&self) -> &[u8] {
        &self.changed
    }

    /// Returns whether bytes were lent by [`WorkingCopy::bytes_mut`] or [`WorkingCopy::disjoint_mut`], and so may be changed.
    pub fn is_edited(&self) -> bool {
        self.edited
    }

    /// Returns the bytes for editing; they stay at the same address for as long as the working copy lives.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.edited = true;
        &mut self.changed
    }

    /// Reverts all changes of a part, and releases their memory.
    ///
    /// # Errors
    /// When the range lies outside the file.
    pub fn revert(&mut self, range: Range<usize>) -> Result<(), StoreError> {
        self.both(range.clone())?;
        let pages = if cfg!(target_os = "linux") { whole_pages(&range) } else { range.end..range.end };
        #[cfg(target_os = "linux")]
        if !pages.is_empty() {
            let dont_need = memmap2::UncheckedAdvice::DontNeed;
            // SAFETY: whole pages within the mapping, whose changes are to be lost. Linux shows the file's bytes again where
            // a private page was let go. (No pages would be the one that they lie in.)
            let released =
                unsafe { self.changed.unchecked_advise_range(dont_need, pages.start, pages.len()) };
            released.map_err(|source| StoreError::Map { path: self.path.clone(), source })?;
        }
        // Pages that are shared with a neighbour, whose changes stay.
        for shared in [range.start..pages.start, pages.end..range.end] {
            let (base, changed) = self.both(shared)?;
            changed.copy_from_slice(base);
        }
        self.release_base(range);
        Ok(())
    }

    /// Returns a part as it is in the file, and for editing: to compare them, and to redirect inference to the latter.
    /// [`WorkingCopy::is_edited`] ignores changes made here.
    ///
    /// # Errors
    /// When the range lies outside the file.
    pub(crate) fn both(&mut self, range: Range<usize>) -> Result<(&[u8], &mut [u8]), StoreError> {
        let len = self.base.len();
        match (self.base.get(range.clone()), self.changed.get_mut(range.clone())) {
            (Some(base), Some(changed)) => Ok((base, changed)),
            _ => Err(StoreError::OutOfBounds { path: self.path.clone(), len, range }),
        }
    }

    /// Returns all bytes as they are in the file, and several parts for editing at once, in the order of `ranges`.
    ///
    /// # Errors
    /// When a range lies outside the file or two of them overlap.
    pub fn disjoint_mut(&mut self, ranges: &[Range<usize>]) -> Result<(&[u8], Vec<&mut [u8]>), StoreError> {
        self.edited = true;
        let mut order: Vec<usize> = (0..ranges.len()).collect();
        order.sort_by_key(|&i| (ranges[i].start, ranges[i].end));
        self.check(ranges, &order)?;

        let mut parts: Vec<(usize, &mut [u8])> = Vec::with_capacity(ranges.len());
        let mut rest: &mut [u8] = &mut self.changed;
        let mut at = 0;
        for i in order {
            let (_, from_start) = rest.split_at_mut(ranges[i].start - at);
            let (part, after) = from_start.split_at_mut(ranges[i].len());
            parts.push((i, part));
            rest = after;
            at = ranges[i].end;
        }
        parts.sort_by_key(|(i, _)| *i);
        Ok((&self.base, parts.into_iter().map(|(_, part)| part).collect()))
    }

    /// Checks that the ranges, taken in this order, are disjoint and ascending within the file.
    fn check(&self, ranges: &[Range<usize>], order: &[usize]) -> Result<(), StoreError> {
        let len = self.changed.len();
        if let Some(range) = ranges.iter().find(|range| range.start > range.end || range.end > len) {
            return Err(StoreError::OutOfBounds { path: self.path.clone(), len, range: range.clone() });
        }
        match order.windows(2).find(|pair| ranges[pair[0]].end > ranges[pair[1]].start) {
            Some(pair) => Err(StoreError::Overlap {
                path: self.path.clone(),
                first: ranges[pair[0]].clone(),
                second: ranges[pair[1]].clone(),
            }),
            None => Ok(()),
        }
    }
}

/// Returns the whole pages of a range; an empty range at its end if there are none.
fn whole_pages(range: &Range<usize>) -> Range<usize> {
    let page = page_size();
    let (start, end) = (range.start.next_multiple_of(page), range.end / page * page);
    if start < end { start..end } else { range.end..range.end }
}

/// Maps the file's bytes read-only, and once more copy-on-write.
fn map_twice(file: &File) -> std::io::Result<(Mmap, MmapMut)> {
    let mut options = MmapOptions::new();
    // Without this, Linux refuses a private mapping larger than memory even though few of its pages are ever written.
    options.no_reserve_swap();
    // SAFETY: neither mapping can write the file. As with every mapped file, it must not be truncated or rewritten in
    // place by others meanwhile; `Witness` sees it where they did, and a read beyond the end is explained (`signals`).
    unsafe { Ok((options.map(file)?, options.map_copy(file)?)) }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn opened(bytes: &[u8]) -> (tempfile::TempDir, WorkingCopy) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.gguf");
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
        let working = WorkingCopy::open(&path).unwrap();
        (dir, working)
    }

    #[test]
    fn the_base_is_read_whole_and_stays_readable() {
        let bytes: Vec<u8> = (0..3 * PIECE_BYTES / 2).map(|i| (i / 1000) as u8).collect();
        let (_dir, mut working) = opened(&bytes);
        working.bytes_mut()[0] = 77;
        let mut read = Vec::new();
        working.read_base(|piece| read.extend_from_slice(piece));
        assert!(read == bytes);
        let len = bytes.len();
        let (backwards, beyond) = (Range { start: 9, end: 3 }, len - 1..2 * len - 1);
        for range in [0..len, 0..0, len..len, 5..4096, backwards, beyond] {
            working.release_base(range);
        }
        assert!(working.base() == bytes);
        assert_eq!(working.bytes()[0], 77, "changes are not let go");
    }

    #[test]
    fn reverting_a_part_leaves_its_neighbours_changes() {
        let bytes: Vec<u8> = (0..5 * page_size() + 77).map(|i| (i / 100) as u8).collect();
        let (_dir, mut working) = opened(&bytes);
        let len = bytes.len();
        for range in
            [1000..1010, 100..3 * page_size() + 5, 0..len, page_size()..2 * page_size(), len - 1..len, 7..7]
        {
            working.bytes_mut().iter_mut().zip(&bytes).for_each(|(changed, base)| *changed = !base);
            working.revert(range.clone()).unwrap();
            let mut expected: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
            expected[range.clone()].copy_from_slice(&bytes[range.clone()]);
            assert!(working.bytes() == expected, "{range:?}");
        }
        assert!(working.revert(len..len + 1).is_err());
    }

    #[test]
    fn changes_reach_neither_the_base_nor_the_file() {
        let (_dir, mut working) = opened(b"0123456789");
        working.bytes_mut()[3] = b'x';
        assert_eq!(working.bytes(), b"012x456789");
        assert_eq!(working.base(), b"0123456789");
        assert_eq!(fs::read(working.path()).unwrap(), b"0123456789");
    }

    #[test]
    fn disjoint_parts_come_in_the_order_asked_for() {
        let (_dir, mut working) = opened(b"0123456789");
        let (base, mut parts) = working.disjoint_mut(&[8..10, 0..2, 2..2, 2..5]).unwrap();
        assert_eq!(parts, [&b"89"[..], b"01", b"", b"234"]);
        parts[3].fill(b'x');
        assert_eq!(base, b"0123456789");
        assert_eq!(working.bytes(), b"01xxx56789");
    }

    #[test]
    fn overlapping_parts_are_refused() {
        let (_dir, mut working) = opened(b"0123456789");
        let error = working.disjoint_mut(&[4..8, 0..5]).unwrap_err();
        assert!(matches!(error, StoreError::Overlap { .. }), "{error}");
    }

    #[test]
    fn parts_outside_the_file_are_refused() {
        let (_dir, mut working) = opened(b"0123456789");
        let error = working.disjoint_mut(&[0..1, 9..11]).unwrap_err();
        assert!(matches!(error, StoreError::OutOfBounds { .. }), "{error}");
    }

    #[test]
    fn what_cannot_be_mapped_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let empty = dir.path().join("empty.gguf");
        fs::write(&empty, b"").unwrap();
        assert!(matches!(WorkingCopy::open(&empty), Err(StoreError::NotAFile { .. })));
        assert!(matches!(WorkingCopy::open(dir.path()), Err(StoreError::NotAFile { .. })));
        let absent = WorkingCopy::open(dir.path().join("absent.gguf")).unwrap_err();
        assert!(absent.to_string().contains("absent.gguf"), "{absent}");
    }
}
