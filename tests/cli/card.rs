//! `export --card`: a model card beside the model.

use super::helper::{Dir, TINY};

#[test]
fn a_card_says_what_was_reached_and_how_to_make_it_again() {
    let dir = Dir::tuned();
    std::fs::create_dir(dir.path("out")).unwrap();
    let said = dir.run("export base.gguf run.qes -o out/m.gguf --as-diff out/m.qesdiff --card").ok();
    assert!(said.contains("wrote out/m.gguf, out/m.qesdiff, out/README.md after 3"), "{said}");
    let card = dir.text("out/README.md");
    for part in [
        "---\n# base_model: ",
        "\nbase_model_relation: finetune\n",
        "\ntags:\n- gguf\n",
        "| base model | ",
        "| after 3 generations | ",
        "95% interval",
        "qes-gguf export base.gguf run.qes -o m.gguf\n",
        "qes-gguf apply base.gguf m.qesdiff -o m.gguf\n",
        "llama-server -m m.gguf",
        "| Q4\\_K.scales sigma | `12 in hits of 48` |",
    ] {
        assert!(card.contains(part), "no {part:?} in {card}");
    }
    assert!(!card.contains(dir.path("").to_str().unwrap()), "no path of this machine: {card}");
    // What it says can be done.
    for line in [
        "export base.gguf run.qes -o again.gguf",
        "verify base.gguf run.qes out/m.gguf",
        "apply base.gguf out/m.qesdiff -o again.gguf",
    ] {
        dir.run(line).ok();
    }
    assert!(dir.read("again.gguf") == dir.read("out/m.gguf"));
}

#[test]
fn a_readme_that_is_there_stays_unless_told_otherwise() {
    let dir = Dir::tuned();
    dir.write("README.md", "mine");
    let words = ["README.md exists already", "--overwrite"];
    dir.run("export base.gguf run.qes -o x.gguf --card").fails(1, &words);
    assert_eq!((dir.text("README.md").as_str(), dir.path("x.gguf").exists()), ("mine", false));
    dir.run("export base.gguf run.qes -o x.gguf --card --overwrite").ok();
    assert!(dir.text("README.md").starts_with("---\n"));
    dir.run("export base.gguf run.qes -o x.gguf --overwrite")
        .fails(2, &["--overwrite", "give --card or --ollama"]);
    dir.run("export base.gguf run.qes --as-diff x.qesdiff --card").fails(2, &["--output"]);
}

#[test]
fn flags_that_the_file_depends_on_are_in_the_commands() {
    let dir = Dir::tuned();
    dir.run("export base.gguf run.qes -o x.gguf --card --generation 1 --no-provenance").ok();
    let card = dir.text("README.md");
    assert!(card.contains("export base.gguf run.qes -o x.gguf --generation 1 --no-provenance\n"), "{card}");
    assert!(card.contains("verify base.gguf run.qes x.gguf --generation 1\n"), "{card}");
    assert!(card.contains("did not evaluate the model after just 1 generation"), "{card}");
}

#[test]
fn what_is_retained_is_told() {
    let dir = Dir::new();
    dir.run(&format!("tune base.gguf -o run.qes --retain countdown {TINY}")).ok();
    dir.run("export base.gguf run.qes -o x.gguf --card").ok();
    let card = dir.text("README.md");
    assert!(card.contains("| retained |") && card.contains("Retained: mean reward on `countdown`"), "{card}");
}

#[test]
fn tune_writes_the_same_card_as_export() {
    let dir = Dir::new();
    let said = dir.run(&format!("tune base.gguf -o run.qes --export x.gguf --card {TINY}")).ok();
    assert!(said.contains("wrote x.gguf, and ./README.md; try it:"), "{said}");
    let card = dir.text("README.md");
    dir.run("export base.gguf run.qes -o x.gguf --card --overwrite").ok();
    assert_eq!(dir.text("README.md"), card);
    // Where the best model is not the last, the card is about the best, and says how to make it.
    let line = format!(
        "tune base.gguf -o best.qes --export y.gguf --card --overwrite --eval-every 1 --patience 1 {TINY}"
    );
    dir.run(&line).ok();
    let card = dir.text("README.md");
    dir.run("export base.gguf best.qes -o y.gguf --card --overwrite --generation best").ok();
    assert_eq!(
        dir.text("README.md").replace(" --generation best", ""),
        card.replace(" --generation best", "")
    );
}

#[test]
fn tune_refuses_before_the_run_to_lose_a_readme() {
    let dir = Dir::new();
    dir.write("README.md", "mine");
    let line = format!("tune base.gguf -o run.qes --export x.gguf --card {TINY}");
    dir.run(&line).fails(1, &["README.md exists already", "--overwrite"]);
    assert_eq!(dir.names(), ["README.md", "base.gguf"]);
    dir.run(&format!("{line} --overwrite")).ok();
    assert!(dir.text("README.md").starts_with("---\n"));
    let resume = "tune base.gguf -o run.qes --resume --export x.gguf --card";
    dir.run(resume).fails(2, &["README.md exists already", "--resume replaces nothing"]);
    std::fs::remove_file(dir.path("README.md")).unwrap();
    dir.run(resume).ok();
    assert!(dir.path("README.md").exists());
    dir.run(&format!("tune base.gguf -o other.qes --card {TINY}")).fails(2, &["--export"]);
}
