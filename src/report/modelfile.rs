//! A Modelfile, with which Ollama serves a tuned model with the same prompts as in the run.
//!
//! Ollama runs no Jinja. It accepts a model's own template only if it recognises its text, and fills in a version of
//! its own, which may lack a part with which the model was tuned, such as a default system message; any other model
//! gets prompts without a form. So the template is rewritten here in Ollama's language if there is one and it can be
//! taken apart, and left out if prompts stand as they are.

use super::words::shown;
use crate::chat::{NONE, Outline, Speaker, Template, TemplateError};
use crate::gguf::Gguf;
use crate::seed_log::SeedLog;
use crate::task::{Definition, Message};

/// The model that a Modelfile serves, and the form of its prompts.
#[derive(Clone, Debug)]
pub struct Served<'a> {
    /// The run.
    pub log: &'a SeedLog,
    /// The base model.
    pub base: &'a Gguf,
    /// The tokens that begin and end the base model's texts.
    pub speaker: Speaker,
    /// Name of the tuned model's file.
    pub file: String,
}

/// Form of the prompts.
enum PromptStyle {
    /// As they stand.
    Bare,
    /// Texts around messages.
    Outlined(Outline),
    /// A form that Ollama's templates cannot express.
    Beyond,
}

/// Returns the text of a Modelfile.
pub fn modelfile(served: &Served<'_>) -> String {
    let task = &served.log.header.task.definition;
    let mut lines = vec![
        format!("# {} for Ollama: ollama create NAME -f Modelfile", shown(&served.file)),
        format!("FROM ./{}", shown(&served.file)),
    ];
    lines.extend(template(served, task));
    if let Some(system) = &task.system {
        lines.push(match quoted(system) {
            Some(system) => format!("SYSTEM {system}"),
            None => "# The system message has three quotation marks in a row, which no Modelfile can hold: give it with each request."
                .to_owned(),
        });
    }
    for stop in stops(served, task) {
        lines.extend(quoted(&stop).map(|stop| format!("PARAMETER stop {stop}")));
    }
    if task.reads_replies() {
        lines.push(format!(
            "# As it was asked; Ollama's own default is 0.8.\nPARAMETER temperature {}",
            task.temp
        ));
    }
    lines.join("\n") + "\n"
}

/// Returns the lines of the template.
fn template(served: &Served<'_>, task: &Definition) -> Vec<String> {
    let of_model = served.base.metadata_str("tokenizer.chat_template");
    let text = match form(served, task) {
        PromptStyle::Bare if of_model.is_none() => return Vec::new(),
        PromptStyle::Bare => Some("{{ .Prompt }}".to_owned()),
        PromptStyle::Outlined(outline) => written(&outline, begins(served)),
        PromptStyle::Beyond => None,
    };
    let Some(text) = text.as_deref().and_then(quoted) else {
        return vec![
            "# The model's chat template does more than a template of Ollama's can, and Ollama does not run it: what it is asked through \
             Ollama is not what it was tuned on. llama-server runs it."
                .to_owned(),
        ];
    };
    let mut lines = vec![
        "# Ollama does not run the chat templates of models; this is the form that the model was asked in."
            .to_owned(),
    ];
    if let PromptStyle::Outlined(Outline { trims: true, .. }) = form(served, task) {
        lines.push(
            "# White space around messages, which the model's own template cuts off, is left in by Ollama."
                .to_owned(),
        );
    }
    if of_model.is_none() && task.chat.template.is_none() {
        lines.push("# A prompt that is one text was asked as it stands: for such data put {{ .Prompt }} here instead.".to_owned());
    }
    lines.push(format!("TEMPLATE {text}"));
    lines
}

/// Returns the form of the prompts.
fn form(served: &Served<'_>, task: &Definition) -> PromptStyle {
    let outlined = |outline: Option<Outline>| outline.map_or(PromptStyle::Beyond, PromptStyle::Outlined);
    match task.chat.text(served.base.metadata_str("tokenizer.chat_template")) {
        Ok(Some(text)) => {
            let Ok(template) = Template::new(text, &served.speaker, &task.chat) else {
                return PromptStyle::Beyond;
            };
            outlined(Outline::of(|conversation| template.render(conversation, true)))
        }
        Ok(None) => match task.problems.data().and_then(|options| options.prompt_form.as_ref()) {
            Some(form) if task.chat.template.as_deref() != Some(NONE) => {
                outlined(Outline::of(|conversation: &[Message]| {
                    Ok::<_, TemplateError>(form.written(conversation))
                }))
            }
            _ => PromptStyle::Bare,
        },
        Err(_) => PromptStyle::Beyond,
    }
}

/// Returns the token that the tokenizer puts before a text, so that the template must not.
fn begins<'a>(served: &'a Served<'_>) -> &'a str {
    let adds = served.base.metadata_bool("tokenizer.ggml.add_bos_token");
    // What llama.cpp takes for granted where the metadata do not say.
    let of_kind = || served.base.metadata_str("tokenizer.ggml.model") == Some("llama");
    let of_cut =
        || served.base.metadata_str("tokenizer.ggml.pre").is_some_and(|pre| pre.starts_with("llama"));
    if adds.unwrap_or_else(|| of_kind() || of_cut()) { &served.speaker.bos } else { "" }
}

/// Returns an outline in Ollama's language; `None` if its texts contain that language's own marks.
fn written(outline: &Outline, bos: &str) -> Option<String> {
    let Outline { begin, system, asked, lead, replied, opens, .. } = outline;
    let bare = |text: &str| text.strip_prefix(bos).unwrap_or(text).to_owned();
    let begin = match system {
        Some((before, after)) => {
            let before = bare(before);
            format!(
                "{{{{ if .System }}}}{before}{{{{ .System }}}}{after}{{{{ else }}}}{}{{{{ end }}}}",
                bare(begin)
            )
        }
        None => bare(begin),
    };
    let system = system.iter().flat_map(|(before, after)| [before, after]);
    let mut texts = [&outline.begin, asked, lead, replied, opens].into_iter().chain(system);
    let is_clean = texts.all(|text| !text.contains("{{") && !text.contains("}}"));
    is_clean.then(|| {
        format!(
            "{begin}{{{{ range .Messages }}}}{{{{ if eq .Role \"user\" }}}}{{{{ .Content }}}}{asked}\
             {{{{ else if eq .Role \"assistant\" }}}}{lead}{{{{ .Content }}}}{replied}{{{{ end }}}}{{{{ end }}}}{opens}"
        )
    })
}

/// Returns the texts that end a reply: those of the user, and the text that the template writes after one.
fn stops(served: &Served<'_>, task: &Definition) -> Vec<String> {
    let text = task.chat.text(served.base.metadata_str("tokenizer.chat_template")).ok().flatten();
    let template = text.and_then(|text| Template::new(text, &served.speaker, &task.chat).ok());
    let written = template.and_then(|template| template.write(&[Message::user("?")], "!").ok());
    // Of several tokens the first ends the reply.
    let end = written.and_then(|written| written.end.trim().lines().next().map(|end| end.trim().to_owned()));
    let mut stops = task.stop.clone();
    stops.extend(end.filter(|end| !end.is_empty()));
    stops.dedup();
    stops
}

/// Returns a text in a Modelfile's quotes; `None` if it contains the marks that would end them.
fn quoted(text: &str) -> Option<String> {
    let is_plain = !text.contains(['"', '\n']);
    let is_safe = !text.contains("\"\"\"") && !text.ends_with('"');
    if is_plain { Some(format!("\"{text}\"")) } else { is_safe.then(|| format!("\"\"\"{text}\"\"\"")) }
}
