//! Which tensors of a model are tuned.

use std::collections::HashMap;

use regex::Regex;
use thiserror::Error;

use crate::block::Field;
use crate::gguf::{Gguf, TensorEntry};
use crate::seed_log::TensorSpec;
use crate::tensor_type::TensorType;

/// Why no tensors, or not those of a log, can be tuned.
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
}

fn names(types: &[TensorType]) -> String {
    types.iter().map(|t| t.name()).collect::<Vec<_>>().join(", ")
}

/// Whether a tensor is tuned when no pattern is given: the weight matrices of the blocks, but neither embeddings, norms
/// nor the router of a mixture of experts.
pub fn is_block_matrix(tensor: &TensorEntry) -> bool {
    tensor.name.starts_with("blk.")
        && tensor.name.ends_with(".weight")
        && tensor.shape.len() >= 2
        && !tensor.name.contains("ffn_gate_inp")
}

/// The tensors to tune, in file order: all that match the pattern, by default the block matrices.
///
/// By default matrices of other types are left alone. A pattern is meant as it is written, so it may not match those;
/// only vectors, such as norms and biases, are passed over where it matches something to tune too.
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

/// A tensor as a log names it.
pub fn spec(tensor: &TensorEntry) -> TensorSpec {
    TensorSpec { name: tensor.name.clone(), tensor_type: tensor.tensor_type, codes: tensor.elements() }
}

/// Returns the types among tensors, in the order of their first ones, each with those of the fields that it has.
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

/// The tensors that a log or a diff names, in its order.
///
/// # Errors
/// When one is missing or differs in type or size.
pub fn find<'a>(gguf: &'a Gguf, specs: &[TensorSpec]) -> Result<Vec<&'a TensorEntry>, SelectError> {
    // A search of its own for each would take minutes where both name a million.
    let by_name: HashMap<&str, &TensorEntry> =
        gguf.tensors().iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
    let find = |wanted: &TensorSpec| {
        let tensor =
            *by_name.get(wanted.name.as_str()).ok_or_else(|| SelectError::Missing(wanted.name.clone()))?;
        let TensorSpec { name, tensor_type, codes } = spec(tensor);
        if tensor_type != wanted.tensor_type || codes != wanted.codes {
            return Err(SelectError::Different { name, codes, tensor_type });
        }
        Ok(tensor)
    };
    specs.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::gguf::tests::builder::{Builder, Q8_0};
    use crate::seed_log::test_log;

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
        assert!(found.iter().zip(&header.tensors).all(|(tensor, wanted)| tensor.name == wanted.name));
        assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    }
}
