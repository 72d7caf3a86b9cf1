//! What an exported model's metadata says of where it comes from.

use qes_gguf::gguf::Gguf;
use qes_gguf::seed_log::SeedLog;
use sha2::{Digest, Sha256};

use super::forge::{contents, sealed};
use super::gguf_bytes::with_text;
use super::helper::{Dir, TINY};

fn gguf(dir: &Dir, name: &str) -> Gguf {
    Gguf::parse(&dir.read(name)).unwrap()
}

#[test]
fn an_exported_model_says_from_what_and_how_it_was_made() {
    let dir = Dir::tuned();
    let (base, tuned) = (dir.read("base.gguf"), gguf(&dir, "tuned.gguf"));
    let log = SeedLog::parse(&dir.read("run.qes")).unwrap();
    let text = |key: &str| tuned.metadata_str(key).unwrap_or_else(|| panic!("no {key}")).to_owned();
    let sha256: String = Sha256::digest(&base).iter().map(|byte| format!("{byte:02x}")).collect();
    for (key, expected) in [
        ("qes.tune.0.base_file", "base.gguf"),
        ("qes.tune.0.base_sha256", &sha256),
        ("qes.tune.0.log_sha256", &log.hash_after(3).unwrap().hex()),
        ("qes.tune.0.codes_sha256", &log.evaluations.last().unwrap().codes_sha256),
        ("qes.tune.0.tool", &log.header.tool),
        ("qes.tune.0.task", "arith"),
        ("qes.tune.0.reward", "loglik"),
        ("qes.tune.0.method", "qes"),
        ("qes.tune.0.sigma", "Q4_K.scales=12,Q4_K.mins=14"),
        ("qes.tune.0.window", "1"),
        ("general.finetune", "arith"),
    ] {
        assert_eq!(text(key), expected, "{key}");
    }
    for (key, expected) in [
        ("qes.tune.count", 1),
        ("qes.tune.0.generations", 3),
        ("qes.tune.0.seed", 0),
        ("qes.tune.0.population", 4),
        ("qes.tune.0.base_bytes", base.len() as u64),
        ("general.base_model.count", 1),
    ] {
        assert_eq!(tuned.metadata_u64(key), Some(expected), "{key}");
    }
    let name = Gguf::parse(&base).unwrap().name().unwrap_or("base.gguf").to_owned();
    assert_eq!(text("general.base_model.0.name"), name);
    let tags = tuned.metadata_texts(&dir.read("tuned.gguf"), "general.tags").unwrap();
    assert_eq!(tags, ["qes-gguf"]);
    let said = dir.run("inspect tuned.gguf").ok();
    assert!(said.contains("tuned         3 generations on arith from base.gguf, log "), "{said}");
    let tunes = dir.run("inspect tuned.gguf --json").json()["tunes"].clone();
    assert_eq!((tunes[0]["generations"].as_u64(), tunes[0]["task"].as_str()), (Some(3), Some("arith")));
    assert!(dir.run("inspect base.gguf --json").json()["tunes"].as_array().unwrap().is_empty());
}

#[test]
fn without_provenance_only_codes_differ_from_the_base() {
    let dir = Dir::tuned();
    dir.run("export base.gguf run.qes -o bare.gguf --no-provenance").ok();
    let (base, bare, tuned) = (dir.read("base.gguf"), dir.read("bare.gguf"), dir.read("tuned.gguf"));
    let of_base = Gguf::parse(&base).unwrap();
    let start = of_base.data_start() as usize;
    assert_eq!(base.len(), bare.len());
    assert!(base[..start] == bare[..start]);
    let of_tuned = Gguf::parse(&tuned).unwrap();
    assert!(bare[start..] == tuned[of_tuned.data_start() as usize..], "the tensors are the same");
    assert!(dir.run("verify base.gguf run.qes bare.gguf").ok().ends_with("verified\n"));
    assert!(
        dir.run(&format!("tune base.gguf -o 2.qes --export 2.gguf --no-provenance {TINY}"))
            .ok()
            .contains("2.gguf")
    );
    assert!(dir.read("2.gguf") == bare);
}

/// Where the program runs, what files are called there, and what the log says after the last generation decide nothing.
#[test]
fn base_and_log_decide_every_byte() {
    let dir = Dir::tuned();
    let lines = contents(&dir.text("run.qes"));
    dir.write("short.qes", sealed(&lines[..5]));
    std::fs::copy(dir.path("base.gguf"), dir.path("other name.gguf")).unwrap();
    std::fs::create_dir(dir.path("folder")).unwrap();
    for line in [
        "export base.gguf short.qes -o folder/x.gguf",
        "export 'other name.gguf' run.qes -o folder/x.gguf",
        "export base.gguf run.qes --generation 3 -o folder/x.gguf",
    ] {
        dir.run(line).ok();
        assert!(dir.read("folder/x.gguf") == dir.read("tuned.gguf"), "{line}");
    }
}

#[test]
fn what_the_base_says_of_itself_is_kept_or_passed_on() {
    let model = std::fs::read(super::helper::bundled(super::helper::Q4_K)).unwrap();
    let mut model = with_text(&model, "general.repo_url", "https://huggingface.co/Owner/Name");
    for (key, text) in [
        ("general.base_model.0.name", "Grandmother"),
        ("general.finetune", "Instruct"),
        ("general.quantized_by", "Somebody"),
        ("Some-Key of others", "kept"),
    ] {
        model = with_text(&model, key, text);
    }
    let dir = Dir::with_base(model);
    dir.run(&format!("tune base.gguf -o run.qes --export tuned.gguf {TINY}")).ok();
    let tuned = gguf(&dir, "tuned.gguf");
    for (key, expected) in [
        ("general.base_model.0.repo_url", "https://huggingface.co/Owner/Name"),
        ("general.finetune", "Instruct-arith"),
        ("general.quantized_by", "Somebody"),
        ("Some-Key of others", "kept"),
    ] {
        assert_eq!(
            tuned.metadata_str(key).map(|text| text.replace(' ', "")),
            Some(expected.to_owned()),
            "{key}"
        );
    }
    assert_ne!(tuned.metadata_str("general.base_model.0.name"), Some("Grandmother"));
    assert!(dir.run("verify base.gguf run.qes tuned.gguf").ok().ends_with("verified\n"));
    dir.run("eval tuned.gguf --task arith --problems 4").ok();
}

#[test]
fn a_different_byte_in_the_metadata_is_told() {
    let dir = Dir::tuned();
    let mut bytes = dir.read("tuned.gguf");
    let at = bytes.windows(8).position(|window| window == b"qes.tune").unwrap();
    bytes[at] ^= 1;
    dir.write("bad.gguf", bytes);
    let done = dir.run("verify base.gguf run.qes bad.gguf").ends(1);
    assert!(done.stdout.contains(&format!("first different byte is {at}, outside all tensors")), "{done}");
}

#[test]
fn the_data_of_a_task_is_named_without_its_folder() {
    let dir = Dir::new();
    std::fs::create_dir(dir.path("private")).unwrap();
    dir.write(
        "private/sums.jsonl",
        super::helper::sums(|sum| serde_json::json!({"completion": sum.to_string()})),
    );
    let task =
        "--task sft --data private/sums.jsonl --generations 1 --population 4 --prompts 4 --eval-problems 4";
    dir.run(&format!("tune base.gguf -o run.qes --export tuned.gguf {task}")).ok();
    let tuned = gguf(&dir, "tuned.gguf");
    assert_eq!(tuned.metadata_u64("general.dataset.count"), Some(1));
    assert_eq!(tuned.metadata_str("general.dataset.0.name"), Some("sums.jsonl"));
    assert_eq!(tuned.metadata_str("qes.tune.0.data_sha256").map(str::len), Some(64));
    assert!(!dir.read("tuned.gguf").windows(7).any(|window| window == b"private"));
}
