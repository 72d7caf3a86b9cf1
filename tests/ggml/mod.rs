//! What tests ask of ggml and llama.cpp directly: quantizing and dequantizing values, and making models of other types.

#![allow(dead_code)] // Each test file uses its part.

pub mod random;

use std::path::Path;

use llama_cpp_sys_2 as ggml;
use qes_gguf::llama;
use qes_gguf::tensor_type::TensorType;

/// Values in a row: whole blocks of every type.
pub const ROW: usize = 256;

fn ggml_type(tensor_type: TensorType) -> ggml::ggml_type {
    tensor_type.ggml_id() as ggml::ggml_type
}

/// Whole rows of values as ggml's reference quantizer makes them.
pub fn quantized(tensor_type: TensorType, values: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0; tensor_type.bytes_of(values.len() as u64).unwrap() as usize];
    let rows = (values.len() / ROW) as i64;
    // SAFETY: the destination is as long as the source's rows take.
    let written = unsafe {
        let (source, destination) = (values.as_ptr(), bytes.as_mut_ptr().cast());
        // Some types have to be told which columns matter most: all alike.
        let alike = [1.0_f32; ROW];
        let needed = ggml::ggml_quantize_requires_imatrix(ggml_type(tensor_type));
        let weights = if needed { alike.as_ptr() } else { std::ptr::null() };
        ggml::ggml_quantize_chunk(ggml_type(tensor_type), source, destination, 0, rows, ROW as i64, weights)
    };
    assert_eq!(written, bytes.len());
    bytes
}

/// The values of whole blocks as ggml reads them.
pub fn dequantized(tensor_type: TensorType, bytes: &[u8]) -> Vec<f32> {
    let blocks = bytes.len() as u64 / tensor_type.block_bytes();
    let mut values = vec![0.0; (blocks * tensor_type.block_len()) as usize];
    // SAFETY: the traits of a known type are static, and the values are as many as the blocks hold.
    unsafe {
        let traits = &*ggml::ggml_get_type_traits(ggml_type(tensor_type));
        traits.to_float.unwrap()(bytes.as_ptr().cast(), values.as_mut_ptr(), values.len() as i64);
    }
    values
}

/// The bundled model in another type, tensors that match a pattern in yet others.
pub fn model(tensor_type: TensorType, exceptions: &[(&str, TensorType)]) -> Vec<u8> {
    let input = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/arith-tiny-q8_0.gguf");
    quantized_model(&input, tensor_type, exceptions)
}

/// A model's file in another type, tensors that match a pattern in yet others.
pub fn quantized_model(input: &Path, tensor_type: TensorType, exceptions: &[(&str, TensorType)]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("model.gguf");
    let exceptions: Vec<llama::Exception> =
        exceptions.iter().map(|(pattern, of_type)| ((*pattern).to_owned(), *of_type)).collect();
    llama::quantize(input, &output, tensor_type, &exceptions, 1).unwrap();
    std::fs::read(output).unwrap()
}
