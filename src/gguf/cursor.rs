//! A bounded cursor over the bytes before the tensor data. It knows its section, so that an early end of the file is
//! reported by name, and it hands out only slices of the file.

use gguf_rs_lib::format::GGUF_HEADER_SIZE;

use super::error::{GgufError, Section};

/// A cursor at some offset of the file.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    section: Section,
}

impl<'a> Cursor<'a> {
    /// Returns a cursor after the header, at the first metadata entry.
    pub fn after_header(bytes: &'a [u8]) -> Self {
        Self { bytes, at: GGUF_HEADER_SIZE.min(bytes.len()), section: Section::Metadata }
    }

    /// Returns a cursor at the start of bytes that are a part of the metadata.
    pub fn over(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, section: Section::Metadata }
    }

    /// Enters the next section.
    pub fn enter(&mut self, section: Section) {
        self.section = section;
    }

    /// Returns the position from the start of the file.
    pub fn offset(&self) -> u64 {
        self.at as u64
    }

    /// Returns the size of the whole file.
    pub fn file_size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Checks that `count` items of at least `least` bytes each can still follow.
    pub fn expect(&self, count: u64, least: u64) -> Result<(), GgufError> {
        self.checked_end(count.saturating_mul(least)).map(drop)
    }

    /// Takes the next `length` bytes.
    pub fn take(&mut self, length: u64) -> Result<&'a [u8], GgufError> {
        let end = self.checked_end(length)?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    /// Takes a little-endian `u32`.
    pub fn u32(&mut self) -> Result<u32, GgufError> {
        self.array().map(u32::from_le_bytes)
    }

    /// Takes a little-endian `u64`.
    pub fn u64(&mut self) -> Result<u64, GgufError> {
        self.array().map(u64::from_le_bytes)
    }

    /// Takes a length, checked against `limit`; `what` names the thing with that length.
    pub fn length(&mut self, what: &'static str, limit: u64) -> Result<u64, GgufError> {
        let offset = self.offset();
        let length = self.u64()?;
        if length > limit {
            return Err(GgufError::TooLong { what, offset, length, limit });
        }
        Ok(length)
    }

    /// Takes a length and that many bytes.
    pub fn string(&mut self, what: &'static str, limit: u64) -> Result<&'a [u8], GgufError> {
        let length = self.length(what, limit)?;
        self.take(length)
    }

    /// Takes a string that names something: UTF-8 without zero bytes, and not empty.
    pub fn name(&mut self, what: &'static str, limit: u64) -> Result<&'a str, GgufError> {
        let offset = self.offset();
        let bytes = self.string(what, limit)?;
        if bytes.is_empty() {
            return Err(GgufError::EmptyName { what, offset });
        }
        match std::str::from_utf8(bytes) {
            Ok(name) if !name.contains('\0') => Ok(name),
            _ => Err(GgufError::NotText { what, offset }),
        }
    }

    /// Takes the next `N` bytes by value.
    fn array<const N: usize>(&mut self) -> Result<[u8; N], GgufError> {
        match self.bytes[self.at..].first_chunk() {
            Some(chunk) => {
                self.at += N;
                Ok(*chunk)
            }
            None => Err(self.truncated(N as u64)),
        }
    }

    /// Returns the position after the next `length` bytes, if the file reaches that far.
    fn checked_end(&self, length: u64) -> Result<usize, GgufError> {
        let end = usize::try_from(length).ok().and_then(|length| self.at.checked_add(length));
        end.filter(|end| *end <= self.bytes.len()).ok_or_else(|| self.truncated(length))
    }

    fn truncated(&self, length: u64) -> GgufError {
        GgufError::Truncated {
            section: self.section,
            offset: self.offset(),
            expected: self.offset().saturating_add(length),
            actual: self.file_size(),
        }
    }
}
