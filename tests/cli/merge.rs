//! Models in several files: refused as they are, and merged.

use std::fs;

use qes_gguf::gguf::Gguf;

use super::gguf_bytes::{Q4_K, gguf};
use super::helper::{Dir, TINY};

/// A file of a split model: metadata entries, then some of a model's tensors with their data.
fn part(model: &[u8], number: u16, count: u16, tensors: &[usize]) -> Vec<u8> {
    let whole = Gguf::parse(model).unwrap();
    let string = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let u16_entry = |key: &str, value: u16| {
        [string(key), 2_u32.to_le_bytes().to_vec(), value.to_le_bytes().to_vec()].concat()
    };
    let mut entries = [u16_entry("split.no", number), u16_entry("split.count", count)].concat();
    let mut entry_count = 2_u64;
    if number == 0 {
        // All that the model has between its header and its list of tensors.
        let name = string(&whole.tensors()[0].name);
        let list = model.windows(name.len()).rposition(|window| window == name).unwrap();
        entries.extend(&model[24..list]);
        entry_count += u64::from_le_bytes(model[16..24].try_into().unwrap());
    }
    let (mut list, mut data) = (Vec::new(), Vec::new());
    for tensor in tensors.iter().map(|number| &whole.tensors()[*number]) {
        list.extend(string(&tensor.name));
        list.extend((tensor.shape.len() as u32).to_le_bytes());
        list.extend(tensor.shape.iter().flat_map(|length| length.to_le_bytes()));
        list.extend(tensor.tensor_type.ggml_id().to_le_bytes());
        list.extend((data.len() as u64).to_le_bytes());
        data.extend(&model[tensor.range.start as usize..tensor.range.end as usize]);
        data.resize(data.len().next_multiple_of(32), 0);
    }
    let counts = [(tensors.len() as u64).to_le_bytes(), entry_count.to_le_bytes()].concat();
    let mut file = [&b"GGUF"[..], &3_u32.to_le_bytes(), &counts, &entries, &list].concat();
    file.resize(file.len().next_multiple_of(32), 0);
    file.extend(data);
    file
}

/// The bundled model in three files.
pub fn split() -> Dir {
    let dir = Dir::new();
    let model = dir.read("base.gguf");
    let count = Gguf::parse(&model).unwrap().tensors().len();
    let numbers: Vec<usize> = (0..count).collect();
    let (first, rest) = numbers.split_at(5);
    let (second, third) = rest.split_at(10);
    for (number, tensors) in [first, second, third].into_iter().enumerate() {
        dir.write(&format!("m-0000{}-of-00003.gguf", number + 1), part(&model, number as u16, 3, tensors));
    }
    dir
}

#[test]
fn parts_are_merged_into_the_model_that_they_were() {
    let dir = split();
    for part in ["m-00001-of-00003.gguf", "m-00003-of-00003.gguf"] {
        let said = dir.run(&format!("merge {part} -o merged.gguf")).ok();
        assert!(said.contains("wrote merged.gguf"), "{said}");
        let (merged, model) = (dir.read("merged.gguf"), dir.read("base.gguf"));
        let (of_merged, of_model) = (Gguf::parse(&merged).unwrap(), Gguf::parse(&model).unwrap());
        assert!(
            merged[of_merged.data_start() as usize..].starts_with(&model[of_model.data_start() as usize..])
        );
        assert_eq!(
            of_merged.tensors(),
            of_model.tensors(),
            "metadata is as long, so all places are the same"
        );
    }
    dir.run(&format!("tune merged.gguf -o run.qes --export tuned.gguf {TINY}")).ok();
    dir.run("verify merged.gguf run.qes tuned.gguf").ok();
}

#[test]
fn a_part_is_refused_as_a_model_with_the_command_that_merges() {
    let dir = split();
    let words = ["m-00002-of-00003.gguf is one of 3 parts", "qes-gguf merge m-00001-of-00003.gguf -o"];
    dir.run(&format!("tune base.gguf -o run.qes {TINY}")).ok();
    for line in [
        "inspect PART",
        "tune PART -o new.qes --task arith",
        "probe PART --task arith",
        "eval PART --task arith",
        "eval PART --log run.qes",
        "eval base.gguf --task arith --compare PART",
        "export PART run.qes -o tuned.gguf",
        "apply PART run.qes -o tuned.gguf",
        "verify PART run.qes",
        "report run.qes --model PART",
    ] {
        dir.run(&line.replace("PART", "m-00002-of-00003.gguf")).fails(1, &words);
    }
    assert!(!dir.path("tuned.gguf").exists() && !dir.path("new.qes").exists());
    fs::remove_file(dir.path("m-00003-of-00003.gguf")).unwrap();
    let words = ["of which m-00003-of-00003.gguf is not there; get all parts"];
    dir.run("inspect m-00001-of-00003.gguf").fails(1, &words);
}

#[test]
fn what_is_no_whole_set_is_not_merged() {
    let dir = split();
    fs::remove_file(dir.path("m-00002-of-00003.gguf")).unwrap();
    let line = "merge m-00001-of-00003.gguf -o merged.gguf";
    dir.run(line).fails(1, &["m-00002-of-00003.gguf is not there", "get all parts"]);
    dir.write("m-00002-of-00003.gguf", dir.read("m-00003-of-00003.gguf"));
    dir.run(line).fails(1, &["m-00002-of-00003.gguf: it is part 3 of 3, but part 2 of 3 belongs here"]);
    dir.write(
        "m-00002-of-00003.gguf",
        gguf("llama", &[("split.no", 1), ("split.count", 3)], "token_embd.weight", Q4_K),
    );
    dir.run(line).fails(1, &["m-00002-of-00003.gguf: tensor \"token_embd.weight\" is in two of the parts"]);
    dir.write("m-00002-of-00003.gguf", "GGUF");
    dir.run(line).fails(1, &["m-00002-of-00003.gguf", "the file ends"]);
    dir.run("merge base.gguf -o merged.gguf").fails(1, &["base.gguf is not named as a part"]);
    fs::copy(dir.path("base.gguf"), dir.path("w-00001-of-00001.gguf")).unwrap();
    dir.run("merge w-00001-of-00001.gguf -o merged.gguf").fails(1, &["no part of a split model"]);
    dir.run("merge m-00001-of-00003.gguf -o m-00003-of-00003.gguf").fails(2, &["one of the parts"]);
    assert!(!dir.path("merged.gguf").exists());
}

/// Parts that were joined byte by byte are no model, and advice must not lead in a circle.
#[test]
fn parts_that_were_joined_with_cat_are_told_to_be_so() {
    let dir = split();
    let all: Vec<u8> =
        (1..=3).flat_map(|number| dir.read(&format!("m-0000{number}-of-00003.gguf"))).collect();
    dir.write("c.gguf", all);
    let words = ["c.gguf", "one of 3 parts", "joined with cat", "NAME-00001-of-00003.gguf"];
    for line in ["eval c.gguf --task arith", "merge c.gguf -o x.gguf", "inspect c.gguf"] {
        dir.run(line).fails(1, &words);
    }
    assert!(!dir.names().contains(&"x.gguf".to_owned()));
}

#[test]
fn pieces_of_a_file_are_to_be_joined_with_cat() {
    let dir = Dir::new();
    let model = dir.read("base.gguf");
    let (first, second) = model.split_at(model.len() / 2);
    dir.write("p.gguf.part1of2", first);
    dir.write("p.gguf.part2of2", second);
    for piece in ["p.gguf.part1of2", "p.gguf.part2of2"] {
        for line in [format!("inspect {piece}"), format!("merge {piece} -o x.gguf")] {
            dir.run(&line).fails(1, &[piece, "cat p.gguf.part1of2 p.gguf.part2of2 > p.gguf"]);
        }
    }
}
