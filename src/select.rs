//! Selection of the tensors that are tuned.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use regex::Regex;
use thiserror::Error;

use crate::block::Field;
use crate::gguf::{Gguf, TensorEntry};
use crate::seed_log::{Rows, TensorSpec};
use crate::tensor_type::TensorType;

/// Reasons for which no tensors, or not those of a log, can be tuned.
#[derive(Debug, Error)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum SelectError {
    #[error(
        "its block weights are {found}, and only {} can be tuned; \
         quantize it to one of these (llama-quantize) and try again", names(&TensorType::TUNABLE)
    )]
    NothingTunable { found: String },
    #[error("no tensor matches the pattern \"{pattern}\"; `qes-gguf inspect --json` lists the names")]
    NothingMatches { pattern: String },
    #[error(
        "the pattern \"{pattern}\" chooses {name}, whose type {tensor_type} cannot be tuned; choose tensors of the types {} \
         (`qes-gguf inspect --json` lists all tensors)", names(&TensorType::TUNABLE)
    )]
    NotTunable { pattern: String, name: String, tensor_type: TensorType },
    #[error("the model has no tensor \"{0}\", which was tuned")]
    Missing(String),
    #[error("tensor \"{name}\" is not the one that was tuned: it has {codes} codes of type {tensor_type}")]
    Different { name: String, codes: u64, tensor_type: TensorType },
    #[error(
        "the model has no output matrix (output.weight, or token_embd.weight), whose rows are those of tokens"
    )]
    NoOutput,
    #[error(
        "the output matrix {name} is of the type {tensor_type}, which cannot be tuned; only {} can be",
        names(&TensorType::TUNABLE)
    )]
    OutputNotTunable { name: String, tensor_type: TensorType },
    #[error("the tensor \"{name}\" has {has} rows, numbered from 0, and so no {rows}")]
    NoSuchRows { name: String, has: u64, rows: Rows },
}

fn names(types: &[TensorType]) -> String {
    types.iter().map(|t| t.name()).collect::<Vec<_>>().join(", ")
}

/// Returns whether a tensor is tuned without a pattern: if it is a weight matrix of a block, not an embedding, a norm
/// or the router of a mixture of experts.
pub fn is_block_matrix(tensor: &TensorEntry) -> bool {
    tensor.name.starts_with("blk.")
        && tensor.name.ends_with(".weight")
        && tensor.shape.len() >= 2
        && !tensor.name.contains("ffn_gate_inp")
}

/// Returns the tensors to tune, in file order: all that match the pattern, by default the block matrices.
///
/// By default matrices of other types are not tuned. A pattern is taken literally, so it must not match those; only
/// vectors, such as norms and biases, are skipped if it also matches something to tune.
///
/// # Errors
/// When there is none, or the pattern matches a matrix whose type cannot be tuned.
pub fn select<'a>(gguf: &'a Gguf, pattern: Option<&Regex>) -> Result<Vec<&'a TensorEntry>, SelectError> {
    let wanted = |tensor: &&TensorEntry| match pattern {
        Some(pattern) => pattern.is_match(&tensor.name),
        None => is_block_matrix(tensor),
    };
    let (tunable, fixed): (Vec<_>, Vec<_>) =
        gguf.tensors().iter().filter(wanted).partition(|tensor| tensor.tensor_type.is_tunable());
    match pattern {
        Some(pattern) => check_pattern(pattern, &tunable, &fixed)?,
        None if tunable.is_empty() => return Err(nothing_tunable(&fixed)),
        None => {}
    }
    Ok(tunable)
}

fn check_pattern(
    pattern: &Regex,
    tunable: &[&TensorEntry],
    fixed: &[&TensorEntry],
) -> Result<(), SelectError> {
    let pattern = pattern.to_string();
    let matrix = fixed.iter().find(|tensor| tensor.shape.len() >= 2);
    match matrix.or(fixed.first().filter(|_| tunable.is_empty())) {
        Some(tensor) => {
            let (name, tensor_type) = (tensor.name.clone(), tensor.tensor_type);
            Err(SelectError::NotTunable { pattern, name, tensor_type })
        }
        None if tunable.is_empty() => Err(SelectError::NothingMatches { pattern }),
        None => Ok(()),
    }
}

fn nothing_tunable(fixed: &[&TensorEntry]) -> SelectError {
    let mut types: Vec<TensorType> = fixed.iter().map(|tensor| tensor.tensor_type).collect();
    types.sort_unstable();
    types.dedup();
    let found =
        if types.is_empty() { "missing (it has no blk.* matrices)".to_owned() } else { names(&types) };
    SelectError::NothingTunable { found }
}

/// Returns a tensor's entry in a log.
pub fn spec(tensor: &TensorEntry) -> TensorSpec {
    let TensorEntry { name, tensor_type, .. } = tensor;
    TensorSpec { name: name.clone(), tensor_type: *tensor_type, codes: tensor.elements(), rows: None }
}

/// Returns the entry of some rows of a tensor in a log.
///
/// # Errors
/// When the tensor does not have them.
pub fn spec_of_rows(tensor: &TensorEntry, rows: Rows) -> Result<TensorSpec, SelectError> {
    let row = tensor.shape.first().copied().unwrap_or(1);
    let has = tensor.elements() / row;
    if rows.count == 0 || rows.end() > has {
        return Err(SelectError::NoSuchRows { name: tensor.name.clone(), has, rows });
    }
    Ok(TensorSpec { codes: rows.count * row, rows: Some(rows), ..spec(tensor) })
}

/// Names of the output matrix, which has a row for each token. Without the first one a model uses its embeddings for it.
const OUTPUT: [&str; 2] = ["output.weight", "token_embd.weight"];

/// Returns the output matrix, which has a row for each token's logit.
pub fn output_matrix(gguf: &Gguf) -> Option<&TensorEntry> {
    OUTPUT.iter().find_map(|name| gguf.tensor(name))
}

/// Returns the rows of these tokens in the output matrix, in rising order.
///
/// # Errors
/// When there is no such matrix, its type cannot be tuned, or it has no such row.
pub fn rows_of_tokens(gguf: &Gguf, tokens: &[u64]) -> Result<Vec<TensorSpec>, SelectError> {
    let matrix = output_matrix(gguf).ok_or(SelectError::NoOutput)?;
    if !matrix.tensor_type.is_tunable() {
        let (name, tensor_type) = (matrix.name.clone(), matrix.tensor_type);
        return Err(SelectError::OutputNotTunable { name, tensor_type });
    }
    let tokens: Vec<u64> = BTreeSet::from_iter(tokens.iter().copied()).into_iter().collect();
    let runs = tokens.chunk_by(|token, next| next - token == 1);
    runs.map(|run| spec_of_rows(matrix, Rows { first: run[0], count: run.len() as u64 })).collect()
}

/// Returns the types of tensors, in the order of first occurrence, each with those of the fields that it has.
pub fn fields(tensors: &[TensorSpec], fields: &[Field]) -> Vec<(TensorType, Field)> {
    let mut found = Vec::new();
    for tensor in tensors {
        for &field in fields.iter().filter(|field| tensor.integers(**field) > 0) {
            if !found.contains(&(tensor.tensor_type, field)) {
                found.push((tensor.tensor_type, field));
            }
        }
    }
    found
}

/// Part of a tensor that is tuned.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// The tensor.
    pub tensor: &'a TensorEntry,
    /// The tuned bytes as a range of the file.
    pub range: Range<usize>,
}

/// Returns the tensors, or parts of them, in a log or a diff, in its order.
///
/// # Errors
/// When one is missing or differs in type or size.
pub fn find<'a>(gguf: &'a Gguf, specs: &[TensorSpec]) -> Result<Vec<Part<'a>>, SelectError> {
    // A search of its own for each would take minutes where both name a million.
    let by_name: HashMap<&str, &TensorEntry> =
        gguf.tensors().iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
    let find = |wanted: &TensorSpec| {
        let tensor =
            *by_name.get(wanted.name.as_str()).ok_or_else(|| SelectError::Missing(wanted.name.clone()))?;
        let found = wanted.rows.map_or_else(|| Ok(spec(tensor)), |rows| spec_of_rows(tensor, rows))?;
        let TensorSpec { name, tensor_type, codes, .. } = found;
        if tensor_type != wanted.tensor_type || codes != wanted.codes {
            return Err(SelectError::Different { name, codes, tensor_type });
        }
        Ok(Part { tensor, range: range_of(tensor, wanted) })
    };
    specs.iter().map(find).collect()
}

/// Returns the range of a tensor's tuned bytes, which it must have.
fn range_of(tensor: &TensorEntry, wanted: &TensorSpec) -> Range<usize> {
    let bytes = tensor.byte_range();
    let Some(rows) = wanted.rows else { return bytes };
    let row = tensor.tensor_type.bytes_of(wanted.codes / rows.count).unwrap_or(0) as usize;
    let start = bytes.start + rows.first as usize * row;
    start..start + rows.count as usize * row
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::gguf::tests::builder::{Builder, Q8_0};
    use crate::seed_log::test_log;

    #[test]
    fn rows_of_tokens_are_where_the_file_has_them() {
        let file = Builder::new().tensor("token_embd.weight", &[64, 5], Q8_0).build();
        let gguf = Gguf::parse(&file).unwrap();
        let specs = rows_of_tokens(&gguf, &[4, 0, 1, 4]).unwrap();
        let rows = |spec: &TensorSpec| spec.rows.map(|rows| (rows.first, rows.count));
        assert_eq!(specs.iter().map(rows).collect::<Vec<_>>(), [Some((0, 2)), Some((4, 1))]);
        assert_eq!(specs.iter().map(|spec| spec.codes).collect::<Vec<_>>(), [128, 64]);
        let whole = output_matrix(&gguf).unwrap().byte_range();
        let row = whole.len() / 5;
        let found = find(&gguf, &specs).unwrap();
        let at = |start, end| whole.start + start * row..whole.start + end * row;
        assert_eq!(found.iter().map(|part| part.range.clone()).collect::<Vec<_>>(), [at(0, 2), at(4, 5)]);
        for tokens in [[4, 5].as_slice(), &[u64::MAX], &[u64::MAX - 1, u64::MAX]] {
            let refused = rows_of_tokens(&gguf, tokens).unwrap_err().to_string();
            assert!(refused.contains("has 5 rows"), "{refused}");
        }
        assert!(rows_of_tokens(&Gguf::parse(&Builder::new().build()).unwrap(), &[0]).is_err());
    }

    #[test]
    fn a_hundred_thousand_tensors_are_found_at_once() {
        let mut file = Builder::new();
        for number in 0..100_000 {
            file = file.tensor(&format!("blk.{number}.weight"), &[32], Q8_0);
        }
        // The builder fills in the data of the first megabyte alone.
        let mut bytes = file.build();
        bytes.resize(bytes.len() + (8 << 20), 0);
        let gguf = Gguf::parse(&bytes).unwrap();
        let mut header = test_log::header(test_log::settings());
        header.tensors = gguf.tensors().iter().rev().map(spec).collect();
        let start = Instant::now();
        let found = find(&gguf, &header.tensors).unwrap();
        assert!(found.iter().zip(&header.tensors).all(|(part, wanted)| part.tensor.name == wanted.name));
        assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    }
}
