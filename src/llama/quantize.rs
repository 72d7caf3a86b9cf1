//! Makes quantized models from floating-point ones, with llama.cpp's own quantizer.

use super::Failure;
use std::ffi::CString;
use std::path::Path;

use llama_cpp_sys_2 as sys;

use super::log;
use crate::engine::EngineError;
use crate::tensor_type::TensorType;

/// Writes a copy of the model `input` in which every matrix, embedding and output included, has this type.
///
/// Rows that do not fill whole blocks of the type get a smaller one that llama.cpp chooses.
///
/// # Errors
/// When `output` exists, llama.cpp has no recipe for the type, or reading or writing fails.
pub fn quantize(
    input: &Path,
    output: &Path,
    tensor_type: TensorType,
    threads: usize,
) -> Result<(), EngineError> {
    run(input, output, tensor_type, threads)
        .map_err(|source| EngineError::new(format!("quantizing {}", input.display()), source))
}

fn run(input: &Path, output: &Path, tensor_type: TensorType, threads: usize) -> Result<(), Failure> {
    log::start(false);
    if output.exists() {
        return Err(format!("{} exists; remove it or choose another name", output.display()).into());
    }
    let Some(recipe) = recipe(tensor_type) else {
        return Err(format!("models cannot be made in {tensor_type}; choose Q4_K or Q8_0").into());
    };
    let from = CString::new(input.as_os_str().as_encoded_bytes())?;
    let to = CString::new(output.as_os_str().as_encoded_bytes())?;
    // SAFETY: takes nothing and returns plain data.
    let mut params = unsafe { sys::llama_model_quantize_default_params() };
    params.ftype = recipe;
    params.nthread = i32::try_from(threads)?;
    params.pure_ = true;
    log::take_errors("");
    // SAFETY: both paths are null-terminated, and the parameters are the defaults with plain values changed.
    match unsafe { sys::llama_model_quantize(from.as_ptr(), to.as_ptr(), &raw const params) } {
        0 => Ok(()),
        code => {
            // Whatever llama.cpp has written by now is no model; when it has written nothing, there is none to remove.
            let _ = std::fs::remove_file(output);
            Err(log::take_errors(&format!("llama.cpp returned {code}")).into())
        }
    }
}

/// llama.cpp's recipe whose main type this is.
fn recipe(tensor_type: TensorType) -> Option<sys::llama_ftype> {
    match tensor_type {
        TensorType::Q4_K => Some(sys::LLAMA_FTYPE_MOSTLY_Q4_K_S),
        TensorType::Q8_0 => Some(sys::LLAMA_FTYPE_MOSTLY_Q8_0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(input: &Path, output: &Path, tensor_type: &str) -> String {
        quantize(input, output, tensor_type.parse().unwrap(), 1).unwrap_err().to_string()
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
    fn types_without_a_recipe_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let (input, output) = (dir.path().join("in.gguf"), dir.path().join("out.gguf"));
        assert!(message(&input, &output, "IQ2_XXS").contains("IQ2_XXS"));
    }
}
