//! Every type that can be tuned, alone and mixed with others, from `tune` to a file that llama.cpp would load; and types
//! that cannot. That llama.cpp computes with such a file what it computes live is checked in `tests/llama_engine.rs`.

use qes_gguf::gguf::{Gguf, TensorEntry};
use qes_gguf::llama;
use qes_gguf::select::is_block_matrix;
use qes_gguf::tensor_type::TensorType;

use super::helper::Dir;
use crate::ggml;

/// As [`TINY`](super::helper::TINY), with step sizes that move some codes of every type within three generations.
const BRIEF: &str = "--task arith --generations 3 --population 4 --prompts 8 --eval-problems 16 --window 1 \
                     --alpha 5%";

/// What llama-quantize makes of a model in its recipe Q4_K_M, and of one whose rows do not fill super-blocks.
const MIXTURES: [(TensorType, &[(&str, TensorType)]); 2] = [
    (TensorType::Q4_K, &[("attn_v|ffn_down", TensorType::Q6_K)]),
    (TensorType::Q5_0, &[("attn_v", TensorType::Q8_0), ("ffn_down", TensorType::Q4_1)]),
];

fn bytes<'a>(tensor: &TensorEntry, file: &'a [u8]) -> &'a [u8] {
    &file[tensor.range.start as usize..tensor.range.end as usize]
}

/// Tensors of the blocks that differ between two files.
fn changed(base: &[u8], tuned: &[u8]) -> Vec<(String, TensorType)> {
    let (gguf, of_tuned) = (Gguf::parse(base).unwrap(), Gguf::parse(tuned).unwrap());
    let differs =
        |tensor: &&TensorEntry| bytes(tensor, base) != bytes(of_tuned.tensor(&tensor.name).unwrap(), tuned);
    gguf.tensors().iter().filter(differs).map(|tensor| (tensor.name.clone(), tensor.tensor_type)).collect()
}

/// Tunes, exports and verifies a model, and checks that every matrix of its blocks has changed.
fn assert_tuned(model: Vec<u8>, types: &[TensorType]) {
    let dir = Dir::with_base(model);
    dir.run(&format!("tune base.gguf -o run.qes --export tuned.gguf {BRIEF}")).ok();
    dir.run("export base.gguf run.qes -o again.gguf").ok();
    assert!(dir.read("again.gguf") == dir.read("tuned.gguf"));
    assert!(dir.run("verify base.gguf run.qes tuned.gguf").ok().ends_with("verified\n"));
    let changed = changed(&dir.read("base.gguf"), &dir.read("tuned.gguf"));
    assert_eq!(changed.len(), 28, "{changed:?}");
    for tensor_type in types {
        assert!(changed.iter().any(|(_, of)| of == tensor_type), "no {tensor_type} in {changed:?}");
        assert!(dir.run("inspect run.qes").ok().contains(tensor_type.name()));
    }
}

#[test]
fn a_model_of_each_type_is_tuned_exported_and_verified() {
    for tensor_type in llama::recipes() {
        assert_tuned(ggml::model(tensor_type, &[]), &[tensor_type]);
    }
}

#[test]
fn mixed_models_are_tuned_in_all_their_types() {
    for (main, exceptions) in MIXTURES {
        let types: Vec<TensorType> = [main].into_iter().chain(exceptions.iter().map(|(_, of)| *of)).collect();
        assert_tuned(ggml::model(main, exceptions), &types);
    }
}

/// A model with every type: a name for each but Q4_K, which is the rest's.
fn with_every_type() -> Vec<u8> {
    let exceptions = [
        ("attn_q", TensorType::Q4_0),
        ("attn_k", TensorType::Q4_1),
        ("attn_v", TensorType::Q5_0),
        ("attn_output", TensorType::Q5_1),
        ("ffn_up", TensorType::Q8_0),
        ("0.ffn_gate", TensorType::Q2_K),
        ("1.ffn_gate", TensorType::Q3_K),
        ("2.ffn_gate", TensorType::Q5_K),
        ("3.ffn_gate", TensorType::Q6_K),
        ("0.ffn_down", TensorType::IQ4_NL),
        ("1.ffn_down", TensorType::IQ4_XS),
        ("2.ffn_down", TensorType::IQ3_S),
        ("3.ffn_down", TensorType::TQ1_0),
        ("3.ffn_up", TensorType::TQ2_0),
    ];
    ggml::model(TensorType::Q4_K, &exceptions)
}

/// RMS of the change from one model to another over the RMS of the weights, by type, of the matrices that are tuned.
fn relative_changes(from: &[u8], to: &[u8]) -> Vec<f64> {
    let gguf = Gguf::parse(from).unwrap();
    let of_type = |tensor_type| {
        let (mut changes, mut weights) = (0.0, 0.0);
        let is_tuned = |tensor: &&TensorEntry| tensor.tensor_type == tensor_type && is_block_matrix(tensor);
        for tensor in gguf.tensors().iter().filter(is_tuned) {
            let values = |file| ggml::dequantized(tensor_type, bytes(tensor, file));
            for (before, after) in values(from).into_iter().zip(values(to)) {
                changes += f64::from(after - before).powi(2);
                weights += f64::from(before).powi(2);
            }
        }
        (changes / weights).sqrt()
    };
    llama::recipes().map(of_type).collect()
}

/// With the default sigma and alpha of each type, in a file that has them all.
#[test]
fn a_generation_changes_the_weights_of_every_type_by_comparable_amounts() {
    let dir = Dir::with_base(with_every_type());
    let settings =
        "--task arith --generations 6 --population 32 --prompts 4 --eval-problems 4 --eval-every 0";
    dir.run(&format!("tune base.gguf -o run.qes {settings}")).ok();
    let after = |generation: u32| {
        dir.run(&format!("export base.gguf run.qes --generation {generation} -o {generation}.gguf")).ok();
        dir.read(&format!("{generation}.gguf"))
    };
    let models: Vec<Vec<u8>> = (2..=6).map(after).collect();
    let changes: Vec<Vec<f64>> = models.windows(2).map(|pair| relative_changes(&pair[0], &pair[1])).collect();
    let mean = |of_type: usize| changes.iter().map(|c| c[of_type]).sum::<f64>() / changes.len() as f64;
    let means: Vec<f64> = (0..llama::recipes().count()).map(mean).collect();
    let table: Vec<String> =
        llama::recipes().zip(&means).map(|(of, mean)| format!("{of:<7} {:.2}%", 100.0 * mean)).collect();
    println!("{}", table.join("\n"));
    let (least, most) = means.iter().fold((f64::MAX, 0.0_f64), |(a, b), &mean| (a.min(mean), b.max(mean)));
    assert!(most / least < 3.0, "{}", table.join("\n"));
}

#[test]
fn sigma_and_alpha_are_given_for_one_type() {
    let dir = Dir::with_base(ggml::model(MIXTURES[0].0, MIXTURES[0].1));
    let none = "--task arith --generations 0 --eval-problems 4";
    let log = |flags: &str| {
        dir.run(&format!("tune base.gguf -o run.qes --overwrite {none} {flags}")).ok();
        dir.text("run.qes")
    };
    let bare = log("");
    let given = log("--sigma Q6_K=20 --alpha Q6_K=0.5");
    let settings = |log: &str, name: &str| -> String {
        let start = log.find(&format!("{{\"type\":\"{name}\"")).unwrap();
        log[start..].split('}').next().unwrap().to_owned()
    };
    assert_eq!(settings(&given, "Q4_K"), settings(&bare, "Q4_K"));
    assert!(settings(&given, "Q6_K").contains("\"sigma\":20.0,\"hit\":80,\"alpha\":0.5"), "{given}");
    assert_ne!(settings(&given, "Q6_K"), settings(&bare, "Q6_K"));
    dir.run(&format!("tune base.gguf -o new.qes {none} --sigma Q5_K=0.3"))
        .fails(2, &["Q5_K=0.3", "Q4_K.scales, Q4_K.mins, Q6_K.scales"]);
}

/// The rest of the model is tuned.
#[test]
fn matrices_of_other_types_are_left_alone_and_listed() {
    let f16 = TensorType::from_ggml_id(1).unwrap();
    let bf16 = TensorType::from_ggml_id(30).unwrap();
    let dir = Dir::with_base(ggml::model(TensorType::Q5_K, &[("attn_v", f16), ("ffn_down", bf16)]));
    let said = dir.run("inspect base.gguf").ok();
    for words in
        [["F16", "not tunable, left alone"], ["BF16", "not tunable, left alone"], ["Q5_K", "20 of 22"]]
    {
        let listed = said.lines().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(listed, "no {words:?} in {said}");
    }
    dir.run(&format!("tune base.gguf -o run.qes --export tuned.gguf {BRIEF}")).ok();
    let changed = changed(&dir.read("base.gguf"), &dir.read("tuned.gguf"));
    assert_eq!(changed.len(), 20, "{changed:?}");
    assert!(changed.iter().all(|(_, of)| *of == TensorType::Q5_K), "{changed:?}");
}

#[test]
fn a_pattern_that_chooses_a_type_that_cannot_be_tuned_is_refused() {
    let f16 = TensorType::from_ggml_id(1).unwrap();
    let dir = Dir::with_base(ggml::model(TensorType::Q4_0, &[("attn_v", f16)]));
    for pattern in ["attn", "attn_v", "blk.0.attn_v"] {
        let words = ["base.gguf", pattern, "blk.0.attn_v.weight", "F16", "Q4_0, Q4_1", "qes-gguf inspect"];
        dir.run(&format!("tune base.gguf -o run.qes --tensors {pattern} {BRIEF}")).fails(1, &words);
    }
    assert_eq!(dir.names(), ["base.gguf"]);
    dir.run(&format!("tune base.gguf -o run.qes --tensors blk.0.attn_[^v] {BRIEF}")).ok();
}
