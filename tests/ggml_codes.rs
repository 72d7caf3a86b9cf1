//! Codes as this crate reads them against ggml itself: bytes made by ggml's quantizer, values read by ggml's
//! dequantizer.

mod ggml;

use std::path::PathBuf;

use ggml::{ROW, dequantized};
use qes_gguf::block::{Arrangement, CodeBlock, Codes, Field, Integers, integers_of_block, read_code};
use qes_gguf::gguf::{Gguf, TensorEntry};
use qes_gguf::recipe;
use qes_gguf::select::select;
use qes_gguf::tensor_type::TensorType;
use qes_gguf::{with_block, with_integers};

/// Values without a pattern, both signs, no two blocks alike.
fn values() -> Vec<f32> {
    (0..ROW as i32).map(|i| (i * 37 % 101 - 50) as f32 / 10.0).collect()
}

fn quantized(tensor_type: TensorType) -> Vec<u8> {
    ggml::quantized(tensor_type, &values())
}

fn codes(tensor_type: TensorType, bytes: &[u8]) -> Vec<i16> {
    with_block!(tensor_type, B => (0..ROW).map(|i| read_code::<B>(bytes, i)).collect())
}

/// Where the golden bytes of the unit tests lie.
fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/block/testdata").join(name)
}

/// The types whose codes can be changed.
fn with_codes() -> impl Iterator<Item = TensorType> {
    TensorType::TUNABLE.into_iter().filter(|of| of.code_range().is_some())
}

#[test]
fn the_golden_bytes_are_what_ggml_makes() {
    for tensor_type in with_codes() {
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

/// The value of the code at `index` of `base` when it is set to `code`. Checks that no value besides it leaves `before`.
fn value_at(tensor_type: TensorType, (base, before): (&[u8], &[f32]), index: usize, code: i16) -> f32 {
    let mut bytes = base.to_vec();
    with_block!(tensor_type, B => {
        let block = index / B::LEN * B::BYTES;
        B::write(&mut bytes[block..block + B::BYTES], index % B::LEN, code);
    });
    let after = dequantized(tensor_type, &bytes);
    for other in (0..ROW).filter(|&other| other != index) {
        assert_eq!(after[other], before[other], "{tensor_type}: code {index} changed value {other}");
    }
    after[index]
}

/// The entries of the table of IQ4_NL and IQ4_XS (`kvalues_iq4nl` in ggml-common.h); every other type's values are evenly spaced.
const IQ4_NL: [i16; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// Where the code's value lies among all values of its place, from 0 for that of the lowest code to 1 for the highest's.
fn share(tensor_type: TensorType, code: i16) -> f32 {
    let (lo, hi) = tensor_type.code_range().unwrap();
    let place = |code| match tensor_type {
        TensorType::IQ4_NL | TensorType::IQ4_XS => f32::from(IQ4_NL[code as usize]),
        _ => f32::from(code),
    };
    (place(code) - place(lo)) / (place(hi) - place(lo))
}

#[test]
fn one_more_in_a_code_is_one_step_in_the_value_ggml_reads() {
    for tensor_type in with_codes() {
        let base = quantized(tensor_type);
        let (before, codes) = (dequantized(tensor_type, &base), codes(tensor_type, &base));
        let (lo, hi) = tensor_type.code_range().unwrap();
        for index in 0..ROW {
            let values: Vec<f32> =
                (lo..=hi).map(|code| value_at(tensor_type, (&base, &before), index, code)).collect();
            let (first, last) = (values[0], values[values.len() - 1]);
            assert_eq!(values[(codes[index] - lo) as usize], before[index]);
            // A negative scale makes the values fall; one of 0 would hide what a code means.
            assert!(first != last, "{tensor_type} code {index}");
            for (code, value) in (lo..=hi).zip(values) {
                let expected = first + (last - first) * share(tensor_type, code);
                let error = (expected - value).abs() / (last - first).abs();
                assert!(error < 1e-4, "{tensor_type}: {value} is not {expected} for code {code} at {index}");
            }
        }
    }
}

/// The block matrices of the bundled Q8_0 model.
fn bundled_weights() -> Vec<f32> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models/arith-tiny-q8_0.gguf");
    let file = std::fs::read(path).unwrap();
    let gguf = Gguf::parse(&file).unwrap();
    let tensors = select(&gguf, None).unwrap();
    let bytes = |tensor: &TensorEntry| &file[tensor.range.start as usize..tensor.range.end as usize];
    tensors.into_iter().flat_map(|tensor| dequantized(tensor.tensor_type, bytes(tensor))).collect()
}

/// Adds `delta` to every integer of a field that can take it: the sum of the values' squared changes, and how many took it.
fn change(tensor_type: TensorType, field: Field, bytes: &[u8], values: &[f32], delta: i16) -> (f64, u64) {
    let mut shifted = bytes.to_vec();
    let integers = values.len() as u64 / tensor_type.block_len() * integers_of_block(tensor_type, field);
    let moved = with_integers!(Arrangement::plain(tensor_type), field, I => {
        let mut blocks = Codes::new(&mut shifted, 1, 0);
        (0..integers as usize).filter(|&index| I::nudge(&mut blocks, index, delta)).count()
    });
    (squares(dequantized(tensor_type, &shifted).iter().zip(values).map(|(a, b)| a - b)), moved as u64)
}

fn squares(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|value| f64::from(value).powi(2)).sum()
}

/// What an integer of a field is worth in a model made with this type: the RMS of the change of all weights by one step up or
/// down of all of them, over the RMS of the weights.
fn relative_step((tensor_type, field): (TensorType, Field), weights: &[f32]) -> f64 {
    // ggml searches long for places in tables of vectors.
    let share = if tensor_type.code_range().is_some() { 1 } else { 16 };
    let weights = &weights[..weights.len() / share / ROW * ROW];
    let bytes = ggml::quantized(tensor_type, weights);
    let values = dequantized(tensor_type, &bytes);
    let changes = [1, -1].map(|delta| change(tensor_type, field, &bytes, &values, delta));
    let (sum, moved) = (changes[0].0 + changes[1].0, changes[0].1 + changes[1].1);
    let weights_moved = moved * tensor_type.block_len() / integers_of_block(tensor_type, field);
    let rms = (squares(values.iter().copied()) / values.len() as f64).sqrt();
    (sum / weights_moved as f64).sqrt() / rms
}

#[test]
fn the_recipe_knows_what_an_integer_of_each_type_is_worth() {
    let weights = bundled_weights();
    let fields = |of| Field::ALL.map(|field| (of, field)).into_iter();
    let all = TensorType::TUNABLE.into_iter().flat_map(fields).filter(|of| integers_of_block(of.0, of.1) > 0);
    let steps = all.map(|of| (of, relative_step(of, &weights), recipe::relative_step(of.0, of.1)));
    let wrong: Vec<String> = steps
        .filter(|(_, measured, known)| (measured / known - 1.0).abs() > 0.02)
        .map(|((of, field), measured, known)| format!("{field} of {of}: {measured:.7}, not {known:.7}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
