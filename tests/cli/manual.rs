//! Completions and manual pages.

use super::helper::Dir;

/// All commands, as the program's help has them.
fn commands() -> Vec<String> {
    let help = Dir::new().run("--help").ok();
    let list = help.split_once("Commands:\n").unwrap().1.split_once("\n\n").unwrap().0;
    // A command stands in the second column, what follows of its description further to the right.
    let lines = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = lines.map(|line| line.split_whitespace().next().unwrap().to_owned());
    names.filter(|name| name != "help").collect()
}

#[test]
fn commands_are_those_of_the_program() {
    let commands = commands();
    for name in ["tune", "apply", "revert", "merge", "man"] {
        assert!(commands.iter().any(|command| command == name), "{commands:?}");
    }
    for command in &commands {
        let usage = format!("Usage: qes-gguf {command}");
        assert!(Dir::new().run(&format!("{command} --help")).ok().contains(&usage), "{command}");
    }
}

#[test]
fn shells_are_told_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = Dir::new().run(&format!("completions {shell}")).ok();
        for word in commands().iter().map(String::as_str).chain(["eval-problems"]) {
            assert!(script.contains(word), "{shell}: no {word}");
        }
    }
    Dir::new().run("completions tcsh").fails(2, &["tcsh", "bash"]);
}

#[test]
fn every_command_has_a_page() {
    let dir = Dir::new();
    let told = dir.run("man pages/man1").ok();
    let commands = commands();
    for command in &commands {
        let page = dir.text(&format!("pages/man1/qes-gguf-{command}.1"));
        assert!(page.starts_with(".ie") && page.contains(".SH SYNOPSIS"), "{page}");
        assert!(told.contains(&format!("qes-gguf-{command}.1")), "{told}");
    }
    assert_eq!(told.lines().count(), commands.len() + 1, "and one of the program: {told}");
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
