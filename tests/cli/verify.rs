//! `verify`: is everything what it claims to be?

use qes_gguf::gguf::Gguf;

use super::forge::reweighted;
use super::helper::Dir;

#[test]
fn a_log_and_its_model_are_verified() {
    let dir = Dir::tuned();
    assert!(dir.run("verify base.gguf run.qes").ok().ends_with("verified\n"));
    let said = dir.run("verify base.gguf run.qes tuned.gguf").ok();
    assert!(said.contains("tuned.gguf is exactly what base and log make"), "{said}");
}

#[test]
fn one_digest_is_not_told_as_many() {
    let dir = Dir::tuned();
    // The header, the evaluation of the base, a generation.
    dir.cut("run.qes", 3, "short.qes");
    let said = dir.run("verify base.gguf short.qes").ok();
    assert!(
        said.contains("digests    the one that the run logged on its way is that of the replay"),
        "{said}"
    );
    dir.cut("run.qes", 1, "bare.qes");
    let said = dir.run("verify base.gguf bare.qes").ok();
    assert!(said.contains("digests    the run logged none that could be compared"), "{said}");
}

#[test]
fn one_different_byte_is_told_with_its_tensor() {
    let dir = Dir::tuned();
    let tuned = dir.read("tuned.gguf");
    let gguf = Gguf::parse(&tuned).unwrap();
    // A tuned tensor, and one that is left alone.
    for name in ["blk.2.ffn_up.weight", "output_norm.weight"] {
        let range = gguf.tensor(name).unwrap().range.clone();
        for at in [range.start, range.end - 1] {
            let mut bytes = tuned.clone();
            bytes[at as usize] ^= 1;
            dir.write("bad.gguf", bytes);
            let done = dir.run("verify base.gguf run.qes bad.gguf").ends(1);
            assert!(
                done.stdout.contains(&format!("first different byte is {at}, in tensor {name}")),
                "{done}"
            );
            assert!(done.stdout.ends_with("not verified\n"), "{done}");
        }
    }
}

#[test]
fn a_byte_outside_all_tensors_counts_too() {
    let dir = Dir::tuned();
    let mut bytes = dir.read("tuned.gguf");
    bytes[100] ^= 1;
    dir.write("bad.gguf", bytes);
    let done = dir.run("verify base.gguf run.qes bad.gguf").ends(1);
    assert!(done.stdout.contains("first different byte is 100, outside all tensors"), "{done}");
}

#[test]
fn a_shorter_model_is_told_with_both_lengths() {
    let dir = Dir::tuned();
    let tuned = dir.read("tuned.gguf");
    dir.write("bad.gguf", &tuned[..tuned.len() - 1]);
    let done = dir.run("verify base.gguf run.qes bad.gguf").ends(1);
    let (short, whole) = (tuned.len() - 1, tuned.len());
    assert!(done.stdout.contains(&format!("it has {short} bytes, not {whole}")), "{done}");
}

#[test]
fn the_base_itself_is_not_the_tuned_model() {
    let done = Dir::tuned().run("verify base.gguf run.qes base.gguf").ends(1);
    assert!(done.stdout.contains("DIFFERENT"), "{done}");
}

#[test]
fn a_torn_log_is_not_verified() {
    let dir = Dir::tuned();
    let log = dir.read("run.qes");
    dir.write("torn.qes", &log[..log.len() - 10]);
    let done = dir.run("verify base.gguf torn.qes").ends(1);
    assert!(done.stdout.contains("torn.qes: the last"), "{done}");
    assert!(done.stdout.ends_with("not verified\n"), "{done}");
}

/// Every hash of the chain is right, but the codes are not those that the run had in memory.
#[test]
fn a_log_that_replays_to_other_codes_is_not_verified() {
    let dir = Dir::tuned();
    dir.write("forged.qes", reweighted(&dir.text("run.qes"), 3, "0.75,-0.25,1.5,0"));
    let done = dir.run("verify base.gguf forged.qes").ends(1);
    assert!(done.stdout.contains("but the run logged"), "{done}");
}

#[test]
fn a_tuned_model_that_is_not_there_is_named() {
    Dir::tuned().run("verify base.gguf run.qes nosuch.gguf").fails(1, &["nosuch.gguf"]);
}
