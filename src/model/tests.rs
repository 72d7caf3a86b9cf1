use std::fs;

use super::*;
use crate::seed_log::test_log;

/// The bundled model under a name of its own, and the folder that it goes with.
fn copied() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("base.gguf");
    fs::copy("models/arith-tiny-q4_k.gguf", &path).unwrap();
    (folder, path)
}

#[test]
fn opening_a_model_and_finding_its_tensors_does_not_read_the_whole_file() {
    let (_folder, path) = copied();
    let model = Model::open(&path).unwrap();
    let names = model.gguf.tensors().iter().filter(|tensor| tensor.name.ends_with("ffn_up.weight"));
    let specs: Vec<TensorSpec> = names.map(crate::select::spec).collect();
    assert_eq!(model.ranges(&specs).unwrap().len(), specs.len());
    assert!(model.identity.get().is_none());
    let missing = TensorSpec { name: "nosuch".to_owned(), ..specs[0].clone() };
    assert!(matches!(model.ranges(&[missing]), Err(ModelError::Select { .. })));
}

#[test]
fn a_model_that_is_opened_again_is_known_unless_its_file_has_changed() {
    let (_folder, path) = copied();
    let model = Model::open(&path).unwrap();
    assert!(model.reopen().unwrap().identity.get().is_none(), "nobody has asked which it is");
    let identity = model.identity().clone();
    assert_eq!(model.reopen().unwrap().identity.get(), Some(&identity));
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path.with_extension("new"), bytes).unwrap();
    fs::rename(path.with_extension("new"), &path).unwrap();
    let other = model.reopen().unwrap();
    assert!(other.identity.get().is_none());
    assert!(other.check_base(&identity).is_err() && model.check_base(&identity).is_ok());
}

#[test]
fn changed_codes_leave_a_model_the_base_that_it_was() {
    let (_folder, path) = copied();
    let mut model = Model::open(&path).unwrap();
    model.working.bytes_mut().fill(0);
    let identity = Model::open(&path).unwrap().identity().clone();
    model.check_base(&identity).unwrap();
    let other = test_log::header(test_log::settings()).base;
    let error = model.check_base(&other).unwrap_err().to_string();
    assert!(error.contains("made for another model") && error.contains(&identity.sha256), "{error}");
}
