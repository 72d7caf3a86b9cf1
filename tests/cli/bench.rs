//! The log that the benchmark of an export forges is one that `export` takes.

use qes_gguf::model::Model;

use super::helper::Dir;

#[path = "../../benches/generation/forged.rs"]
mod forged;

#[test]
fn a_forged_log_of_300_generations_is_exported() {
    let dir = Dir::new();
    let model = Model::open(&dir.path("base.gguf")).unwrap();
    dir.write("forged.qes", forged::log(&model).unwrap());
    let said = dir.run("export base.gguf forged.qes -o tuned.gguf").ok();
    assert!(said.contains("after 300 of 300 generations"), "{said}");
    let different =
        dir.read("base.gguf").iter().zip(dir.read("tuned.gguf")).filter(|(a, b)| **a != *b).count();
    assert!(different > 100_000, "only {different} bytes differ");
}
