//! Quantization of models by llama.cpp's own quantizer.

use super::Failure;
use std::ffi::CString;
use std::path::Path;

use llama_cpp_sys_2 as sys;

use super::{log, processor};
use crate::engine::EngineError;
use crate::tensor_type::TensorType;

/// A regular expression on tensors' names, and the type of the tensors that match.
pub type Exception = (String, TensorType);

/// Writes a copy of the model `input` in which every matrix, embedding and output included, has this type. Tensors
/// that match a pattern in `exceptions` get its type instead; the first match is taken.
///
/// Rows that do not fill whole blocks of the type get a smaller one that llama.cpp chooses. A quantized model may be
/// quantized again, which loses more than quantizing the original.
///
/// # Errors
/// When `output` exists, llama.cpp has no recipe for the type, a pattern is invalid, or reading or writing fails.
pub fn quantize(
    input: &Path,
    output: &Path,
    tensor_type: TensorType,
    exceptions: &[Exception],
    threads: usize,
) -> Result<(), EngineError> {
    run(input, output, tensor_type, exceptions, threads)
        .map_err(|source| EngineError::new(format!("quantizing {}", input.display()), source))
}

fn run(
    input: &Path,
    output: &Path,
    tensor_type: TensorType,
    exceptions: &[Exception],
    threads: usize,
) -> Result<(), Failure> {
    processor::check()?;
    log::start();
    if output.exists() {
        return Err(format!("{} exists; remove it or choose another name", output.display()).into());
    }
    let Some(recipe) = recipe(tensor_type) else {
        let types: Vec<_> = recipes().map(TensorType::name).collect();
        let types = types.join(", ");
        return Err(format!("models cannot be made in {tensor_type}; choose one of {types}").into());
    };
    let from = CString::new(input.as_os_str().as_encoded_bytes())?;
    let to = CString::new(output.as_os_str().as_encoded_bytes())?;
    let patterns: Vec<CString> =
        exceptions.iter().map(|(pattern, _)| CString::new(pattern.as_str())).collect::<Result<_, _>>()?;
    let overrides = overrides(&patterns, exceptions);
    // SAFETY: takes nothing and returns plain data.
    let mut params = unsafe { sys::llama_model_quantize_default_params() };
    params.ftype = recipe;
    params.nthread = i32::try_from(threads)?;
    params.pure_ = true;
    params.allow_requantize = true;
    params.tt_overrides = overrides.as_ptr();
    log::take_errors("");
    // SAFETY: both paths are null-terminated, and the parameters are the defaults with plain values changed, and a list
    // that ends in a null pointer and outlives the call.
    match unsafe { sys::llama_model_quantize(from.as_ptr(), to.as_ptr(), &raw const params) } {
        0 => Ok(()),
        code => {
            // Whatever llama.cpp has written by now is no model; when it has written nothing, there is none to remove.
            let _ = std::fs::remove_file(output);
            Err(log::take_errors(&format!("llama.cpp returned {code}")).into())
        }
    }
}

/// Returns the exceptions in llama.cpp's form: a list of pointers to the patterns, the last one null.
fn overrides(patterns: &[CString], exceptions: &[Exception]) -> Vec<sys::llama_model_tensor_override> {
    let of = |pattern, tensor_type: TensorType| sys::llama_model_tensor_override {
        pattern,
        type_: tensor_type.ggml_id() as sys::ggml_type,
    };
    let listed = patterns.iter().zip(exceptions).map(|(pattern, (_, to))| of(pattern.as_ptr(), *to));
    listed.chain([sys::llama_model_tensor_override { pattern: std::ptr::null(), type_: 0 }]).collect()
}

/// Returns the tunable types for which llama.cpp has recipes.
pub fn recipes() -> impl Iterator<Item = TensorType> {
    TensorType::TUNABLE.into_iter().filter(|&of| recipe(of).is_some())
}

/// Returns llama.cpp's recipe with this main type.
fn recipe(tensor_type: TensorType) -> Option<sys::llama_ftype> {
    match tensor_type {
        TensorType::Q4_0 => Some(sys::LLAMA_FTYPE_MOSTLY_Q4_0),
        TensorType::Q4_1 => Some(sys::LLAMA_FTYPE_MOSTLY_Q4_1),
        TensorType::Q5_0 => Some(sys::LLAMA_FTYPE_MOSTLY_Q5_0),
        TensorType::Q5_1 => Some(sys::LLAMA_FTYPE_MOSTLY_Q5_1),
        TensorType::Q8_0 => Some(sys::LLAMA_FTYPE_MOSTLY_Q8_0),
        TensorType::Q2_K => Some(sys::LLAMA_FTYPE_MOSTLY_Q2_K),
        TensorType::Q3_K => Some(sys::LLAMA_FTYPE_MOSTLY_Q3_K_S),
        TensorType::Q4_K => Some(sys::LLAMA_FTYPE_MOSTLY_Q4_K_S),
        TensorType::Q5_K => Some(sys::LLAMA_FTYPE_MOSTLY_Q5_K_S),
        TensorType::Q6_K => Some(sys::LLAMA_FTYPE_MOSTLY_Q6_K),
        TensorType::IQ4_NL => Some(sys::LLAMA_FTYPE_MOSTLY_IQ4_NL),
        TensorType::IQ4_XS => Some(sys::LLAMA_FTYPE_MOSTLY_IQ4_XS),
        TensorType::IQ3_S => Some(sys::LLAMA_FTYPE_MOSTLY_IQ3_S),
        TensorType::TQ1_0 => Some(sys::LLAMA_FTYPE_MOSTLY_TQ1_0),
        TensorType::TQ2_0 => Some(sys::LLAMA_FTYPE_MOSTLY_TQ2_0),
        // llama.cpp makes the others only by the activations of a calibration text (an "imatrix").
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(input: &Path, output: &Path, tensor_type: &str) -> String {
        quantize(input, output, tensor_type.parse().unwrap(), &[], 1).unwrap_err().to_string()
    }

    #[test]
    fn what_exists_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("out.gguf");
        std::fs::write(&output, b"mine").unwrap();
        assert!(message(&dir.path().join("in.gguf"), &output, "Q4_K").contains("out.gguf exists"));
        assert_eq!(std::fs::read(&output).unwrap(), b"mine");
    }

    #[test]
    fn a_failure_leaves_no_output() {
        let dir = tempfile::tempdir().unwrap();
        let (input, output) = (dir.path().join("in.gguf"), dir.path().join("out.gguf"));
        std::fs::write(&input, b"GGUF, but not really").unwrap();
        assert!(message(&input, &output, "Q8_0").contains("quantizing"));
        assert!(!output.exists());
    }

    #[test]
    fn a_pattern_that_is_none_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let input = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/arith-tiny-q8_0.gguf");
        let quantize = |pattern: &str| {
            let exceptions = [(pattern.to_owned(), TensorType::Q6_K)];
            let done = quantize(&input, &dir.path().join("out.gguf"), TensorType::Q4_K, &exceptions, 1);
            done.unwrap_err().to_string()
        };
        assert!(quantize("attn_(q").contains("quantizing"));
        assert!(quantize("attn\0").contains("nul byte"));
        assert!(!dir.path().join("out.gguf").exists());
    }

    #[test]
    fn types_without_a_recipe_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let (input, output) = (dir.path().join("in.gguf"), dir.path().join("out.gguf"));
        let message = message(&input, &output, "IQ2_XXS");
        assert!(message.contains("IQ2_XXS") && message.contains("Q4_0, Q4_1"), "{message}");
    }
}
