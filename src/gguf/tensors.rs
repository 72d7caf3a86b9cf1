//! The list of tensors, and their byte ranges in the file.

use std::collections::HashSet;

use super::TensorEntry;
use super::cursor::Cursor;
use super::error::{GgufError, Section};
use crate::tensor_type::TensorType;

/// Least bytes of an entry: length of the name, number of dimensions, type, offset.
const MIN_ENTRY_BYTES: u64 = 8 + 4 + 4 + 8;
/// Longest name that llama.cpp reads: its buffer of 64 ends in a zero byte.
const MAX_NAME_BYTES: u64 = 63;
/// Most dimensions of a ggml tensor.
const MAX_DIMENSIONS: u32 = gguf_rs_lib::format::GGUF_MAX_DIMENSIONS as u32;

/// An entry as the file lists it: the offset counts from the start of the tensor data.
struct Listed {
    name: String,
    shape: Vec<u64>,
    tensor_type: TensorType,
    offset: u64,
    size: u64,
}

/// Reads `count` entries and locates the tensors after the list.
pub(super) fn read(
    cursor: &mut Cursor<'_>,
    count: u64,
    alignment: u64,
) -> Result<Vec<TensorEntry>, GgufError> {
    cursor.enter(Section::TensorList);
    cursor.expect(count, MIN_ENTRY_BYTES)?;
    let mut seen = HashSet::new();
    let mut listed = Vec::new();
    for _ in 0..count {
        let offset = cursor.offset();
        let name = cursor.name("the tensor name", MAX_NAME_BYTES)?;
        if !seen.insert(name) {
            return Err(GgufError::DuplicateTensor { tensor: name.to_owned(), offset });
        }
        listed.push(read_entry(cursor, name, alignment)?);
    }
    place(listed, cursor.offset().next_multiple_of(alignment), alignment, cursor.file_size())
}

fn read_entry(cursor: &mut Cursor<'_>, name: &str, alignment: u64) -> Result<Listed, GgufError> {
    let tensor = || name.to_owned();
    let at = cursor.offset();
    let count = cursor.u32()?;
    if !(1..=MAX_DIMENSIONS).contains(&count) {
        return Err(GgufError::Dimensions { tensor: tensor(), offset: at, count });
    }
    let shape = (0..count).map(|_| cursor.u64()).collect::<Result<Vec<_>, _>>()?;
    let id = cursor.u32()?;
    let offset = cursor.u64()?;
    let tensor_type =
        TensorType::from_ggml_id(id).ok_or_else(|| GgufError::UnknownTensorType { tensor: tensor(), id })?;
    let size = byte_size(name, &shape, tensor_type)?;
    if !offset.is_multiple_of(alignment) {
        return Err(GgufError::Misaligned { tensor: tensor(), offset, alignment });
    }
    Ok(Listed { name: tensor(), shape, tensor_type, offset, size })
}

/// Returns the bytes of a tensor; at most `i64::MAX`, as is its number of elements.
fn byte_size(name: &str, shape: &[u64], tensor_type: TensorType) -> Result<u64, GgufError> {
    let tensor = || name.to_owned();
    let row = shape[0];
    if shape.contains(&0) {
        return Err(GgufError::ZeroDimension { tensor: tensor(), shape: shape.to_vec() });
    }
    if !row.is_multiple_of(tensor_type.block_len()) {
        return Err(GgufError::UnevenRow { tensor: tensor(), tensor_type, row });
    }
    let signed = |number: &u64| i64::try_from(*number).is_ok();
    let elements =
        shape.iter().try_fold(1_u64, |product, length| product.checked_mul(*length)).filter(signed);
    let bytes = elements.and_then(|elements| tensor_type.bytes_of(elements)).filter(signed);
    bytes.ok_or_else(|| GgufError::TooManyElements { tensor: tensor(), shape: shape.to_vec() })
}

/// Turns offsets into ranges of the file and checks that they are inside it and disjoint.
fn place(
    listed: Vec<Listed>,
    data_start: u64,
    alignment: u64,
    file_size: u64,
) -> Result<Vec<TensorEntry>, GgufError> {
    check_ends(&listed, data_start, alignment, file_size)?;
    let entry = |tensor: Listed| {
        let start = data_start + tensor.offset;
        let Listed { name, shape, tensor_type, size, .. } = tensor;
        TensorEntry { name, shape, tensor_type, range: start..start + size }
    };
    let entries: Vec<_> = listed.into_iter().map(entry).collect();
    check_overlaps(&entries)?;
    Ok(entries)
}

/// Checks that every tensor ends inside the file. One that does not either has a wrong offset, if even the tensors of
/// a whole file would not reach it, or is cut off.
fn check_ends(listed: &[Listed], data_start: u64, alignment: u64, file_size: u64) -> Result<(), GgufError> {
    let end = |tensor: &Listed| data_start.saturating_add(tensor.offset).saturating_add(tensor.size);
    let outside = || listed.iter().filter(|tensor| end(tensor) > file_size);
    let padded = |tensor: &Listed| tensor.size.next_multiple_of(alignment);
    let total = listed.iter().fold(0_u64, |sum, tensor| sum.saturating_add(padded(tensor)));
    if let Some(stray) = outside().find(|tensor| tensor.offset >= total) {
        let (tensor, offset) = (stray.name.clone(), stray.offset);
        return Err(GgufError::OffsetPastEnd { tensor, offset, total });
    }
    match outside().min_by_key(|tensor| tensor.offset) {
        Some(cut) => Err(GgufError::TruncatedData {
            tensor: cut.name.clone(),
            expected: listed.iter().map(end).max().unwrap_or(data_start),
            actual: file_size,
        }),
        None => Ok(()),
    }
}

/// Checks that no two tensors share bytes.
fn check_overlaps(entries: &[TensorEntry]) -> Result<(), GgufError> {
    let mut by_start: Vec<_> = entries.iter().collect();
    by_start.sort_by_key(|entry| entry.range.start);
    for pair in by_start.windows(2) {
        if pair[0].range.end > pair[1].range.start {
            return Err(GgufError::Overlap {
                first: pair[0].name.clone(),
                second: pair[1].name.clone(),
                offset: pair[1].range.start,
            });
        }
    }
    Ok(())
}
