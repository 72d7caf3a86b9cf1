//! `export --ollama`: a Modelfile beside the model.

use super::chat::with_template;
use super::helper::{Dir, TINY};

/// The Modelfile of a short run with these flags.
fn modelfile(dir: &Dir, flags: &str) -> String {
    let task = if flags.contains("--task") { TINY.trim_start_matches("--task arith") } else { TINY };
    dir.run(&format!("tune base.gguf -o run.qes {flags} {task}")).ok();
    dir.run("export base.gguf run.qes -o x.gguf --ollama").ok();
    dir.text("Modelfile")
}

#[test]
fn a_prompt_that_stands_as_it_is_needs_no_template() {
    let dir = Dir::new();
    let text = modelfile(&dir, "");
    assert_eq!(text, "# x.gguf for Ollama: ollama create NAME -f Modelfile\nFROM ./x.gguf\n");
    let said = dir.run("export base.gguf run.qes -o x.gguf --ollama --card --overwrite --json").json();
    assert_eq!(said["modelfile"], "./Modelfile");
    assert_eq!(said["card"], "./README.md");
    let card = dir.text("README.md");
    assert!(card.contains("no chat template: it was asked prompts as they stand."), "{card}");
    assert!(card.contains("ollama create NAME -f Modelfile\n"), "{card}");
}

#[test]
fn the_form_system_message_and_stops_of_the_run_are_there() {
    let dir = with_template(include_str!("../chat_templates/smollm2.jinja"));
    let text = modelfile(&dir, "--reward exact --stop '\n\n' --system 'Say \"aye\".'");
    let named = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";
    let template = format!(
        "TEMPLATE \"\"\"{{{{ if .System }}}}<|im_start|>system\n{{{{ .System }}}}<|im_end|>\n<|im_start|>user\n\
         {{{{ else }}}}<|im_start|>system\n{named}<|im_end|>\n<|im_start|>user\n{{{{ end }}}}\
         {{{{ range .Messages }}}}{{{{ if eq .Role \"user\" }}}}{{{{ .Content }}}}<|im_end|>\n<|im_start|>assistant\n\
         {{{{ else if eq .Role \"assistant\" }}}}{{{{ .Content }}}}<|im_end|>\n<|im_start|>user\n{{{{ end }}}}{{{{ end }}}}\"\"\"\n"
    );
    for part in [
        &*template,
        "\nSYSTEM \"\"\"Say \"aye\".\"\"\"\n",
        "\nPARAMETER stop \"\"\"\n\n\"\"\"\n",
        "\nPARAMETER stop \"<|im_end|>\"\n",
        "\nPARAMETER temperature 0\n",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

#[test]
fn a_form_of_the_users_own_is_written_and_one_beyond_ollama_is_told_of() {
    let dir = with_template(include_str!("../chat_templates/like-llama-2.jinja"));
    let text = modelfile(&dir, "");
    // The bundled model's tokenizer begins a text with <s>, so the template does not.
    assert!(text.contains("{{ else }}[INST] {{ end }}{{ range .Messages }}"), "{text}");
    assert!(text.contains("White space around messages"), "{text}");
    let numbered = "{% for m in messages %}{{ loop.index }}: {{ m.content }}{% endfor %}";
    dir.run(&format!("tune base.gguf -o n.qes --chat-template '{numbered}' {TINY}")).ok();
    dir.run("export base.gguf n.qes -o x.gguf --ollama --overwrite").ok();
    let text = dir.text("Modelfile");
    assert!(
        text.contains("does more than a template of Ollama's can") && !text.contains("TEMPLATE"),
        "{text}"
    );
    dir.run(&format!("tune base.gguf -o none.qes --chat-template none {TINY}")).ok();
    dir.run("export base.gguf none.qes -o x.gguf --ollama --overwrite").ok();
    assert!(dir.text("Modelfile").contains("\nTEMPLATE \"{{ .Prompt }}\"\n"), "{}", dir.text("Modelfile"));
}

#[test]
fn a_modelfile_that_is_there_stays_unless_told_otherwise() {
    let dir = Dir::tuned();
    dir.write("Modelfile", "mine");
    let words = ["Modelfile exists already", "--overwrite"];
    dir.run("export base.gguf run.qes -o x.gguf --ollama").fails(1, &words);
    assert_eq!((dir.text("Modelfile").as_str(), dir.path("x.gguf").exists()), ("mine", false));
    dir.run("export base.gguf run.qes -o x.gguf --ollama --overwrite").ok();
    assert!(dir.text("Modelfile").starts_with("# x.gguf for Ollama"));
    dir.run("export base.gguf run.qes --as-diff x.qesdiff --ollama").fails(2, &["--output"]);
    dir.run("export base.gguf run.qes -o Modelfile --ollama --overwrite").fails(2, &["Modelfile"]);
}
