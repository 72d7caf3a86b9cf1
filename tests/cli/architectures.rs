//! Architectures other than the bundled models', from `tune` to a file that is verified. `scripts/check-architectures` does the same
//! with more of them, and asks another llama.cpp.

use qes_gguf::gguf::Gguf;
use qes_gguf::select::select;
use qes_gguf::tensor_type::TensorType;

use super::helper::{Dir, Done, TINY};
use crate::ggml::random::{Kind, POSITIONS, model};

/// Step sizes that move some codes of every tensor within three generations.
const BRIEF: &str = "--task arith --generations 3 --population 4 --prompts 8 --eval-problems 16 --window 1 --alpha 5% --neutral none";

const Q4_K_M: [(&str, TensorType); 2] = [("attn_v", TensorType::Q6_K), ("ffn_down", TensorType::Q6_K)];

/// Names and types of the tensors that differ between two files.
fn changed(base: &[u8], tuned: &[u8]) -> Vec<(String, TensorType)> {
    let (gguf, of_tuned) = (Gguf::parse(base).unwrap(), Gguf::parse(tuned).unwrap());
    let both = gguf.tensors().iter().zip(of_tuned.tensors());
    both.filter(|(a, b)| base[a.byte_range()] != tuned[b.byte_range()])
        .map(|(tensor, _)| (tensor.name.clone(), tensor.tensor_type))
        .collect()
}

/// In both layouts of weights, every tensor that is to be tuned changes, and nothing else.
fn assert_tuned(model: Vec<u8>, types: &[TensorType]) {
    let dir = Dir::with_base(model);
    let base = dir.read("base.gguf");
    let chosen: Vec<(String, TensorType)> = select(&Gguf::parse(&base).unwrap(), None)
        .unwrap()
        .into_iter()
        .map(|tensor| (tensor.name.clone(), tensor.tensor_type))
        .collect();
    for tensor_type in types {
        assert!(chosen.iter().any(|(_, of)| of == tensor_type), "no {tensor_type} in {chosen:?}");
    }
    for flags in ["", " --no-repack"] {
        dir.run(&format!("tune base.gguf -o run.qes --overwrite --export tuned.gguf {BRIEF}{flags}")).ok();
        assert_eq!(changed(&base, &dir.read("tuned.gguf")), chosen, "{flags}");
        assert!(dir.run("verify base.gguf run.qes tuned.gguf").ok().ends_with("verified\n"));
        dir.run(&format!("eval tuned.gguf --task arith --problems 16{flags}")).ok();
    }
}

#[test]
fn experts_are_tuned() {
    assert_tuned(model(Kind::Experts, TensorType::Q4_K, &Q4_K_M), &[TensorType::Q4_K, TensorType::Q6_K]);
    assert_tuned(model(Kind::Experts, TensorType::Q4_0, &[]), &[TensorType::Q4_0]);
}

#[test]
fn rows_that_fill_no_super_blocks_are_tuned_in_the_types_that_llama_cpp_falls_back_to() {
    let types = [TensorType::Q5_0, TensorType::Q8_0, TensorType::Q6_K];
    assert_tuned(model(Kind::Narrow, TensorType::Q4_K, &Q4_K_M), &types);
}

#[test]
fn learned_positions_are_no_hindrance() {
    assert_tuned(model(Kind::LearnedPositions, TensorType::Q5_0, &[]), &[TensorType::Q5_0]);
}

/// llama.cpp would abort the process.
#[test]
fn a_text_that_is_longer_than_the_learned_positions_is_refused() {
    let dir = Dir::with_base(model(Kind::LearnedPositions, TensorType::Q8_0, &[]));
    let data = |name: &str, tokens: usize| {
        // The beginning, the prompt, a completion of one byte, and the end.
        let prompt = "x".repeat(tokens - 3);
        let line = |i: u32| format!("{{\"prompt\":\"{}\",\"completion\":\"{}\"}}\n", prompt, i % 10);
        dir.write(name, (0..40).map(line).collect::<String>());
    };
    let most = POSITIONS as usize;
    data("fits.jsonl", most);
    data("long.jsonl", most + 1);
    let sft = |name: &str| dir.run(&format!("eval base.gguf --task sft --data {name} --problems 8 -c 512"));
    sft("fits.jsonl").ok();
    let words = ["xxx", "65 tokens", "64 positions"];
    sft("long.jsonl").fails(1, &words);
    let tune = "tune base.gguf -o run.qes --task sft --data long.jsonl --generations 1 --population 4";
    dir.run(tune).fails(1, &words);
    let replies = |n: usize| {
        dir.run(&format!("eval base.gguf --task regex --pattern 1 --data fits.jsonl --problems 8 -n {n}"))
    };
    replies(2).ok();
    replies(3).fails(1, &["reply", "65 tokens", "64 positions"]);
}

/// How often llama.cpp has loaded a model, by what `-vv` tells.
fn loads(done: &Done) -> usize {
    done.stderr.matches("llama.cpp loads the model").count()
}

#[test]
fn blocks_that_inference_does_not_use_are_no_hindrance_to_evaluation_and_are_named_when_tuned() {
    let dir = Dir::with_base(model(Kind::NextTokens, TensorType::Q4_K, &[]));
    let tune = format!("tune base.gguf -o run.qes -vv {BRIEF}");
    let done = dir.run(&tune).ends(1);
    let words = ["inference does not use the tensors blk.1.", " more; leave them out of tuning"];
    assert!(words.iter().all(|word| done.stderr.contains(word)), "{done}");
    assert_eq!(loads(&done), 1, "the same in every layout: {done}");
    let done = dir.run("eval base.gguf --task arith --problems 16 -vv").ends(0);
    assert_eq!(loads(&done), 2, "{done}");
    assert!(done.stderr.contains("loaded again, with no tensor to be tuned"), "{done}");
    dir.run(&format!("{tune} --tensors blk[.]0")).ok();
}

#[test]
fn a_model_that_llama_cpp_cannot_load_is_tried_once() {
    let good = Dir::new().read("base.gguf");
    let name = b"\x05\0\0\0\0\0\0\0llama";
    let at = good.windows(name.len()).position(|window| window == name).unwrap() + 8;
    let dir = Dir::with_base([&good[..at], b"ll4ma", &good[at + 5..]].concat());
    for line in [format!("tune base.gguf -o run.qes {TINY}"), "eval base.gguf --task arith".to_owned()] {
        let done = dir.run(&format!("{line} -vv")).ends(1);
        assert!(done.stderr.contains("unknown model architecture: 'll4ma'"), "{done}");
        assert_eq!(loads(&done), 1, "{done}");
    }
}
