//! Codes as this crate reads them against ggml itself: bytes made by ggml's quantizer, values read by ggml's
//! dequantizer.

use std::path::PathBuf;

use llama_cpp_sys_2 as ggml;
use qes_gguf::block::{CodeBlock, read_code};
use qes_gguf::tensor_type::TensorType;
use qes_gguf::with_block;

const LEN: usize = 256;

/// Values without a pattern, both signs, no two blocks alike.
fn values() -> Vec<f32> {
    (0..LEN as i32).map(|i| (i * 37 % 101 - 50) as f32 / 10.0).collect()
}

fn ggml_type(tensor_type: TensorType) -> ggml::ggml_type {
    tensor_type.ggml_id() as ggml::ggml_type
}

fn quantized(tensor_type: TensorType) -> Vec<u8> {
    let mut bytes = vec![0; tensor_type.bytes_of(LEN as u64).unwrap() as usize];
    // SAFETY: source and destination are as long as one row of LEN values.
    let written = unsafe {
        let destination = bytes.as_mut_ptr().cast();
        let source = values();
        ggml::ggml_quantize_chunk(
            ggml_type(tensor_type),
            source.as_ptr(),
            destination,
            0,
            1,
            LEN as i64,
            std::ptr::null(),
        )
    };
    assert_eq!(written, bytes.len());
    bytes
}

fn dequantized(tensor_type: TensorType, bytes: &[u8]) -> Vec<f32> {
    let mut values = vec![0.0; LEN];
    // SAFETY: the traits of a known type are static, and both buffers hold one row.
    unsafe {
        let traits = &*ggml::ggml_get_type_traits(ggml_type(tensor_type));
        traits.to_float.unwrap()(bytes.as_ptr().cast(), values.as_mut_ptr(), LEN as i64);
    }
    values
}

fn codes(tensor_type: TensorType, bytes: &[u8]) -> Vec<i16> {
    with_block!(tensor_type, B => (0..LEN).map(|i| read_code::<B>(bytes, i)).collect())
}

/// Where the golden bytes of the unit tests lie.
fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/block/testdata").join(name)
}

#[test]
fn the_golden_bytes_are_what_ggml_makes() {
    for tensor_type in TensorType::TUNABLE {
        let name = tensor_type.name().to_lowercase();
        let bytes = quantized(tensor_type);
        if std::env::var_os("QES_WRITE_GOLDEN").is_some() {
            let text: Vec<String> = codes(tensor_type, &bytes).iter().map(i16::to_string).collect();
            std::fs::write(golden(&format!("ggml-{name}.bin")), &bytes).unwrap();
            std::fs::write(golden(&format!("ggml-{name}.codes")), text.join(" ") + "\n").unwrap();
        }
        assert_eq!(std::fs::read(golden(&format!("ggml-{name}.bin"))).unwrap(), bytes, "{tensor_type}");
    }
}

#[test]
fn one_more_in_a_code_is_one_step_in_the_value_ggml_reads() {
    for tensor_type in TensorType::TUNABLE {
        let base = quantized(tensor_type);
        let before = dequantized(tensor_type, &base);
        let (lo, hi) = tensor_type.code_range().unwrap();
        for index in 0..LEN {
            let at = |code: i16| {
                let mut bytes = base.clone();
                with_block!(tensor_type, B => {
                    let block = index / B::LEN * B::BYTES;
                    B::write(&mut bytes[block..block + B::BYTES], index % B::LEN, code);
                });
                let after = dequantized(tensor_type, &bytes);
                for other in (0..LEN).filter(|&other| other != index) {
                    assert_eq!(
                        after[other], before[other],
                        "{tensor_type}: code {index} changed value {other}"
                    );
                }
                after[index]
            };
            let code = codes(tensor_type, &base)[index];
            assert_eq!(at(code), before[index]);
            let step = (at(hi) - at(lo)) / f32::from(hi - lo);
            let expected = at(lo) + step * f32::from(code - lo);
            assert!((expected - before[index]).abs() <= 1e-5, "{tensor_type} code {index}");
            assert!(step > 0.0);
        }
    }
}
