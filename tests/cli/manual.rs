//! Completions and manual pages.

use super::helper::Dir;

const COMMANDS: [&str; 9] = ["tune", "probe", "eval", "export", "verify", "inspect", "report", "pull", "man"];

#[test]
fn shells_are_told_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = Dir::new().run(&format!("completions {shell}")).ok();
        for word in COMMANDS.iter().chain(["eval-problems", "completions"].iter()) {
            assert!(script.contains(word), "{shell}: no {word}");
        }
    }
    Dir::new().run("completions tcsh").fails(2, &["tcsh", "bash"]);
}

#[test]
fn every_command_has_a_page() {
    let dir = Dir::new();
    let told = dir.run("man pages/man1").ok();
    for command in COMMANDS {
        let page = dir.text(&format!("pages/man1/qes-gguf-{command}.1"));
        assert!(page.starts_with(".ie") && page.contains(".SH SYNOPSIS"), "{page}");
        assert!(told.contains(&format!("qes-gguf-{command}.1")), "{told}");
    }
    assert!(
        dir.text("pages/man1/qes-gguf.1").contains("qes\\-gguf\\-tune(1)"),
        "the program's page names the commands"
    );
    assert!(dir.text("pages/man1/qes-gguf-tune.1").contains("\\-\\-population"));
}

#[test]
fn pages_cannot_be_written_where_a_file_is() {
    Dir::new().run("man base.gguf").fails(1, &["base.gguf"]);
}

#[test]
fn the_version_tells_llama_cpp_s_too() {
    let told = Dir::new().run("--version").ok();
    assert!(
        told.starts_with(&format!("qes-gguf {}\nllama.cpp with ggml 0.", env!("CARGO_PKG_VERSION"))),
        "{told}"
    );
    assert_eq!(Dir::new().run("-V").ok(), format!("qes-gguf {}\n", env!("CARGO_PKG_VERSION")));
}
