//! Devices, on whatever Vulkan driver there is: `scripts/test-vulkan` runs this on one that computes on the processor, so that no
//! GPU is needed. What a device computes may differ from what a processor does in the last bits; what is tuned may not at all.

mod ggml;

#[path = "cli/helper.rs"]
#[allow(dead_code)] // This uses its part.
mod helper;

use std::fs;
use std::path::{Path, PathBuf};

use ggml::random::Kind;
use helper::{Dir, Done, Q4_K, Q8_0, bundled};
use qes_gguf::block::{CodeBlock, CodeLayout, Codes};
use qes_gguf::engine::{Changed, Engine, TensorBytes};
use qes_gguf::gguf::Gguf;
use qes_gguf::llama::{Layers, LlamaEngine, LlamaOptions, Offload, TensorSlot, Uploads, devices};
use qes_gguf::store::WorkingCopy;
use qes_gguf::tensor_type::TensorType;
use qes_gguf::with_layout;

/// The driver is looked for where it is asked for, since llama.cpp passes over those that compute on the processor.
const DRIVER: (&str, &str) = ("GGML_VK_VISIBLE_DEVICES", "0");

/// A run that moves codes and has a middle.
const RUN: &str = "--task arith --generations 3 --population 4 --prompts 4 --eval-problems 4 --eval-every 1 --window 1 --alpha 5% \
                   --neutral none";

fn run(dir: &Dir, line: &str) -> Done {
    dir.run_with(&[DRIVER], line)
}

/// Every matrix with codes, the embedding and the output matrix too.
fn slots(path: &Path) -> Vec<TensorSlot> {
    let gguf = Gguf::parse(&fs::read(path).unwrap()).unwrap();
    let matrices =
        gguf.tensors().iter().filter(|tensor| tensor.tensor_type.is_tunable() && tensor.shape.len() > 1);
    matrices.map(TensorSlot::whole).collect()
}

fn engine_of(working: WorkingCopy, layers: Layers) -> LlamaEngine {
    assert!(
        !devices().is_empty(),
        "no Vulkan driver was found; scripts/test-vulkan installs one and says which to use"
    );
    let slots = slots(working.path());
    let offload = Offload { layers, ..Offload::default() };
    let options = LlamaOptions { threads: 1, repack: false, offload, ..LlamaOptions::default() };
    let engine = LlamaEngine::load(working, slots, &options).unwrap();
    assert_eq!(engine.on_devices().is_some(), layers != Layers::Count(0));
    engine
}

fn engine(path: &Path, layers: Layers) -> LlamaEngine {
    engine_of(WorkingCopy::open(path).unwrap(), layers)
}

/// Flips the lowest bit of every 97th code in the first rows of every tensor, and of one in its last row.
fn flip(engine: &mut LlamaEngine) {
    let edited = engine.edit_codes(&|TensorBytes { bytes, arrangement, .. }| {
        let row = arrangement.row_blocks * arrangement.tensor_type.block_bytes() as usize;
        let (first, last) = (bytes.len() / row / 3 * row, bytes.len() - row);
        with_layout!(*arrangement, L => {
            let in_row = arrangement.row_blocks * <L as CodeLayout>::Block::LEN;
            let rows = bytes.len() / row;
            let mut codes = Codes::<L>::new(bytes, arrangement.row_blocks, 0);
            let chosen = (0..rows / 3 * in_row).step_by(97).chain(Some((rows - 1) * in_row + 5));
            for index in chosen {
                let (group, row, index) = codes.at(index);
                let flipped = L::read_row(group, row, index) ^ 1;
                if (<L as CodeLayout>::Block::LO..=<L as CodeLayout>::Block::HI).contains(&flipped) {
                    L::write_row(group, row, index, flipped);
                }
            }
        });
        Changed::of([0..first, last..bytes.len()])
    });
    edited.unwrap();
}

/// The file that the engine's model would be, its tensors read back from where they are.
fn as_file(engine: &mut LlamaEngine, path: &Path) -> Vec<u8> {
    let mut tensors = Vec::new();
    engine.read_tensors(&mut |bytes| tensors.extend_from_slice(bytes)).unwrap();
    let mut file = fs::read(path).unwrap();
    for slot in slots(path) {
        let rest = tensors.split_off(slot.range.len());
        file[slot.range].copy_from_slice(&tensors);
        tensors = rest;
    }
    assert!(tensors.is_empty());
    file
}

/// Models of several types: with an output matrix of its own, with one that is the embedding too, and with experts.
fn models(dir: &Path) -> Vec<PathBuf> {
    let mixed = [("attn_v", TensorType::Q6_K), ("ffn_down", TensorType::Q5_K)];
    let tied = [("token_embd", TensorType::Q8_0), ("ffn_up", TensorType::Q5_1)];
    [
        ("apart.gguf", fs::read(bundled(Q4_K)).unwrap()),
        ("tied.gguf", ggml::random::model(Kind::Narrow, TensorType::Q4_0, &tied)),
        ("experts.gguf", ggml::random::model(Kind::Experts, TensorType::Q4_K, &mixed)),
    ]
    .map(|(name, bytes)| {
        fs::write(dir.join(name), bytes).unwrap();
        dir.join(name)
    })
    .to_vec()
}

/// All layers on the device, the output matrix alone, and blocks with it.
const LAYERS: [Layers; 3] = [Layers::All, Layers::Count(1), Layers::Count(2)];

#[test]
fn a_device_reads_what_was_edited_and_what_is_read_back_is_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let edited = dir.path().join("edited.gguf");
    for model in models(dir.path()) {
        let mut here = engine(&model, Layers::Count(0));
        assert_eq!(here.uploads(), Uploads::default());
        flip(&mut here);
        let file = as_file(&mut here, &model);
        fs::write(&edited, &file).unwrap();
        let expected = here.logits("12+34=").unwrap();
        for layers in LAYERS {
            let case = format!("{}, {layers:?}", model.display());
            let mut there = engine(&model, layers);
            let before = there.logits("12+34=").unwrap();
            flip(&mut there);
            assert!(as_file(&mut there, &model) == file, "{case}: the device has other bytes");
            let after = there.logits("12+34=").unwrap();
            assert_ne!(after, before, "{case}: no edit was seen");
            assert_eq!(
                engine(&edited, layers).logits("12+34=").unwrap(),
                after,
                "{case}: not all edits were seen"
            );
            let largest = expected.iter().fold(0.0_f32, |most, logit| most.max(logit.abs()));
            let apart = expected.iter().zip(&after).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
            assert!(apart < 0.05 * largest, "{case}: {apart} from the processor's, of {largest}");
            let Uploads { changed, bytes, calls } = there.uploads();
            println!("{case}: {changed} bytes changed, {bytes} uploaded by {calls} calls");
            assert!(calls > 0 && changed > 0 && bytes >= changed, "{case}");
        }
    }
}

#[test]
fn edits_made_before_loading_are_on_the_device() {
    let dir = tempfile::tempdir().unwrap();
    let edited = dir.path().join("edited.gguf");
    for model in models(dir.path()) {
        let mut here = engine(&model, Layers::Count(0));
        flip(&mut here);
        let file = as_file(&mut here, &model);
        fs::write(&edited, &file).unwrap();
        for layers in [Layers::All, Layers::Count(1)] {
            let mut working = WorkingCopy::open(&model).unwrap();
            working.bytes_mut().copy_from_slice(&file);
            let mut there = engine_of(working, layers);
            assert!(as_file(&mut there, &model) == file, "{}, {layers:?}", model.display());
            let expected = engine(&edited, layers).logits("7-3=").unwrap();
            assert_eq!(there.logits("7-3=").unwrap(), expected, "{}, {layers:?}", model.display());
        }
    }
}

/// `--paranoid` compares what is read back from the device with a replay after every generation.
#[test]
fn a_run_on_a_device_is_replayed_to_the_byte() {
    for (model, layers, told) in
        [(Q4_K, "all", "5 of 5"), (Q4_K, "3", "3 of 5"), (Q8_0, "auto", "5 of 5"), (Q4_K, "1", "1 of 5")]
    {
        let dir = Dir::with_model(model);
        let flags = format!("{RUN} -ngl {layers} --paranoid");
        let done = run(&dir, &format!("tune base.gguf -o run.qes --export tuned.gguf {flags}")).ends(0);
        let told = format!("{told} layers on Vulkan0");
        assert!(done.stdout.contains(&told) || done.stderr.contains(&told), "no {told} in {done}");
        assert!(dir.read("tuned.gguf") != dir.read("base.gguf"), "no code moved");
        dir.run("export base.gguf run.qes -o again.gguf").ok();
        assert!(dir.read("again.gguf") == dir.read("tuned.gguf"), "{model}, {layers}");
        dir.run("verify base.gguf run.qes tuned.gguf").ok();
    }
}

/// Rewards that do not depend on replies: everything else in a log follows from them.
#[test]
fn the_same_rewards_make_the_same_log_on_a_device_and_on_the_processor() {
    let dir = Dir::new();
    dir.write("sums.jsonl", helper::sums(|_| serde_json::json!({})));
    dir.write(
        "program.sh",
        "n=0; while read -r line; do n=$((n + 1)); echo 0.$((n * 7919 % 9973 + 10000)); done",
    );
    let flags = "--task reward --data sums.jsonl -n 4 --reward-cmd 'sh program.sh' --generations 3 --population 4 --prompts 4 \
                 --eval-problems 4 --window 1 --alpha 5% --neutral none";
    for (log, layers) in [("here.qes", "0"), ("there.qes", "all"), ("both.qes", "2")] {
        run(&dir, &format!("tune base.gguf -o {log} {flags} -ngl {layers}")).ok();
    }
    let of_generations = |log: &str| -> Vec<String> {
        dir.text(log).lines().filter(|line| line.contains("\"weights\"")).map(str::to_owned).collect()
    };
    assert_eq!(of_generations("here.qes").len(), 3);
    assert_eq!(dir.text("there.qes"), dir.text("here.qes"));
    assert_eq!(dir.text("both.qes"), dir.text("here.qes"));
}

#[test]
fn a_log_is_continued_elsewhere_than_it_was_begun() {
    let dir = Dir::new();
    for (begun, continued) in [("all", "0"), ("0", "all"), ("all", "2")] {
        run(&dir, &format!("tune base.gguf -o whole.qes --overwrite {RUN} -ngl {begun}")).ok();
        // Header, evaluation, and the first generations.
        dir.cut("whole.qes", 4, "run.qes");
        run(
            &dir,
            &format!("tune base.gguf -o run.qes --resume --export tuned.gguf --paranoid -ngl {continued}"),
        )
        .ok();
        dir.run("verify base.gguf run.qes tuned.gguf").ok();
        run(&dir, &format!("eval base.gguf --log run.qes --problems 4 -ngl {begun}")).ok();
    }
}

#[test]
fn a_run_that_llama_cpp_gives_up_can_go_on_without_a_device() {
    let dir = Dir::new();
    let line =
        format!("tune base.gguf -o run.qes {} -ngl all", RUN.replace("--generations 3", "--generations 200"));
    let child = std::process::Command::new(env!("CARGO_BIN_EXE_qes-gguf"));
    let mut child = child;
    child.args(line.split_whitespace());
    let mut running = dir.launch(child, &[DRIVER], &line);
    running.until_lines("run.qes", 4);
    running.signal("ABRT");
    running.wait().fails(1, &["llama.cpp gave up", "--resume continues it, with -ngl 0"]);
    dir.run("verify base.gguf run.qes").ok();
    let lines = dir.text("run.qes").lines().count() as u64;
    run(&dir, &format!("tune base.gguf -o run.qes --resume -ngl 0 --generations {lines}")).ok();
    dir.run("verify base.gguf run.qes").ok();
}

#[test]
fn what_devices_cannot_do_is_said() {
    let dir = Dir::new();
    let listed = run(&dir, "--list-devices").ok();
    assert!(listed.contains("  Vulkan0: "), "{listed}");
    assert_eq!(dir.run("--list-devices").ok(), "no GPU was found; all is computed by the processor\n");
    let tune = format!("tune base.gguf -o run.qes {RUN}");
    for (flags, words) in [
        ("--device Vulkan7", &["--device names Vulkan7", "there are: Vulkan0"][..]),
        ("-sm none -mg 1", &["--main-gpu is 1, but counted from 0 there are 1 devices"]),
        ("-ts 1,1", &["--tensor-split has 2 shares, but there are 1 devices"]),
    ] {
        run(&dir, &format!("{tune} {flags}")).fails(2, words);
    }
    dir.run(&format!("{tune} -ngl 3")).fails(2, &["--n-gpu-layers is 3, but no GPU was found"]);
    assert_eq!(dir.names(), ["base.gguf"]);
}
