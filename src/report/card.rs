//! The model card of an exported model in Hugging Face's format: a README.md with YAML in front.
//!
//! It repeats the log's facts and nothing that is not known: if the base model does not name its repository or
//! licence, a comment marks the place for the user to fill in.

mod usage;

use std::fmt::Write;
use std::path::Path;

use super::facts::facts;
use super::words::shown;
use crate::block::Field;
use crate::diff::Digest;
use crate::gguf::Gguf;
use crate::seed_log::{EvaluationRecord, Header, SeedLog};
use crate::text;
use usage::usage;

/// Contents of a model card.
#[derive(Clone, Debug)]
pub struct Card<'a> {
    /// The run.
    pub log: &'a SeedLog,
    /// Generations of it that are in the model.
    pub generations: u64,
    /// The base model.
    pub base: &'a Gguf,
    /// Name of the model's file.
    pub file: String,
    /// Digest of that file.
    pub digest: Digest,
    /// SHA-256 of its tuned tensors.
    pub codes_sha256: &'a str,
    /// Name of the log's file.
    pub log_file: String,
    /// Name of a diff between both, if there is one.
    pub diff_file: Option<String>,
    /// `true` if there is a Modelfile beside it.
    pub has_modelfile: bool,
    /// Flags with which `export` makes the same file, with a space before each.
    pub flags: String,
}

/// Returns the card's text.
pub fn card(card: &Card<'_>) -> String {
    let header = &card.log.header;
    let base = card.base.name().filter(|name| !name.is_empty()).unwrap_or(&header.base.file);
    let task = &header.task.definition;
    let mut text = front_matter(card);
    // A String takes whatever is written to it.
    let _ = write!(
        text,
        "\n# {} tuned on {}\n\n\
         {} is {} after {} of [Quantized Evolution Strategies](https://arxiv.org/abs/2602.03120): the {} of its \
         quantized blocks were tuned in place by `qes-gguf`, rewarded by {}{} on the task {}. All else \
         is the base model's, and llama.cpp loads it as it loads that.\n\n",
        plain(base),
        plain(&task.name),
        code(&card.file),
        code(&header.base.file),
        text::generations(card.generations),
        header.settings.fields().map(Field::name).collect::<Vec<_>>().join(", "),
        imitated(header),
        code(&task.rewards_text()),
        code(&task.name),
    );
    text += &results(card);
    text += &usage(card);
    text += &reproduction(card);
    text += &settings(card.log);
    text
}

/// Returns words before the names of the rewards, if the base model's own right replies are imitated.
fn imitated(header: &Header) -> &'static str {
    if header.task.right_replies {
        "the likelihood of the base model's own replies, or of their ends, where they are right by "
    } else {
        ""
    }
}

fn front_matter(card: &Card<'_>) -> String {
    let base_model = match repository(card.base) {
        Some(repository) => format!("base_model: {}", quoted(&repository)),
        None => format!(
            "# base_model: OWNER/NAME of {}, if it is on Hugging Face",
            shown(&card.log.header.base.file)
        ),
    };
    let license = match card.base.metadata_str("general.license").filter(|license| !license.is_empty()) {
        Some(license) => format!("license: {}", quoted(license)),
        None => "# license: that of the base model".to_owned(),
    };
    format!(
        "---\n{base_model}\nbase_model_relation: finetune\n{license}\nlibrary_name: gguf\npipeline_tag: text-generation\n\
         tags:\n- gguf\n- qes-gguf\n- evolution-strategies\n---\n"
    )
}

/// Returns the base model's repository on Hugging Face, if its metadata names it.
fn repository(base: &Gguf) -> Option<String> {
    let keys = ["general.repo_url", "general.source.repo_url", "general.source.huggingface.repository"];
    let is_name =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    keys.iter().filter_map(|key| base.metadata_str(key)).find_map(|url| {
        let path = url.strip_prefix("https://huggingface.co/").unwrap_or(url);
        let (owner, name) = path.trim_end_matches('/').split_once('/')?;
        (is_name(owner) && is_name(name)).then(|| format!("{owner}/{name}"))
    })
}

/// Writes the run's results before tuning and for this model.
fn results(card: &Card<'_>) -> String {
    let evaluations = &card.log.evaluations;
    let at = |generations: u64| evaluations.iter().rev().find(|record| record.generations == generations);
    let (before, after) = (at(0), at(card.generations));
    let Some(first) = before.or(after) else {
        return "## Results\n\nThe run evaluated neither the base model nor this one.\n\n".to_owned();
    };
    let retained = card.log.header.task.retain.as_ref();
    let mut lines = vec![
        "## Results\n".to_owned(),
        format!("On {} of the same task{}:\n", text::held_out(first.problems), tuned_on(card.log)),
    ];
    let measure = text::measure(&text::summary_of(first));
    let (head, rule) = if retained.is_some() { (" retained |", "---|") } else { ("", "") };
    lines.push(format!("| | {measure} | mean reward |{head}\n|---|---|---|{rule}"));
    let row = |name: &str, record: &EvaluationRecord| {
        let more = retained.map_or(String::new(), |_| {
            format!(" {} |", record.retained.map_or(String::new(), |mean| format!("{mean:.4}")))
        });
        format!(
            "| {name} | {} | {:.4} |{more}",
            text::headline(&text::summary_of(record)),
            record.mean_reward
        )
    };
    lines.extend(before.map(|record| row("base model", record)));
    if card.generations > 0 {
        lines.extend(
            after.map(|record| row(&format!("after {}", text::generations(card.generations)), record)),
        );
    }
    let mut text = lines.join("\n");
    if after.is_none() {
        text += &format!(
            "\n\nThe run did not evaluate the model after just {}.",
            text::generations(card.generations)
        );
    }
    if let Some(record) = after.filter(|record| record.generations > 0) {
        text += &drift(card.log, record);
    }
    if let Some(retain) = retained {
        text += &format!("\n\nRetained: mean reward on {}.", code(&retain.definition.name));
    }
    text + "\n\n"
}

/// Writes the model's drift from the base.
fn drift(log: &SeedLog, record: &EvaluationRecord) -> String {
    let Some(drift) = &record.drift else { return String::new() };
    let before = log.base_evaluation().and_then(|base| base.drift.as_ref()).and_then(text::drift::replies);
    let perplexity =
        text::drift::perplexity(drift).map(|told| format!("Perplexity against the base model: {told}."));
    let replies = text::drift::replies(drift).map(|told| {
        format!(
            "Of replies generated freely, {told}{}.",
            before.map_or(String::new(), |before| format!(" (base model: {before})"))
        )
    });
    let damage =
        text::drift::damage(log, record).into_iter().map(|sentence| format!("**Beware**: {sentence}."));
    let told: Vec<String> = perplexity.into_iter().chain(replies).chain(damage).collect();
    if told.is_empty() { String::new() } else { format!("\n\n{}", told.join(" ")) }
}

/// Returns a note on whether the run tuned on its held-out problems. An earlier version's log does not tell.
fn tuned_on(log: &SeedLog) -> String {
    match log.header.task.definition.problems.data().map(|options| options.shared) {
        None | Some(Some(0)) => ", which the run never tuned on".to_owned(),
        Some(Some(shared)) => {
            format!("; the run tuned on the prompts of {} of its held-out examples too", text::count(shared))
        }
        Some(None) => String::new(),
    }
}

fn reproduction(card: &Card<'_>) -> String {
    let base = &card.log.header.base;
    let (base_file, file, log) = (shell(&base.file), shell(&card.file), shell(&card.log_file));
    let mut text = format!(
        "## How to reproduce\n\n\
         Base model and seed log make this file, byte for byte, on any machine:\n\n\
         ```sh\nqes-gguf export {base_file} {log} -o {file}{}\nqes-gguf verify {base_file} {log} {file}{}\n```\n\n\
         | file | bytes | SHA-256 |\n|---|---|---|\n| {} | {} | {} |\n| {} | {} | {} |\n\n\
         The log's hash after the last of these generations is {}, the tuned codes' SHA-256 {}.\n\n",
        card.flags,
        card.flags.replace(" --no-provenance", ""),
        code(&base.file),
        base.bytes,
        code(&base.sha256),
        code(&card.file),
        card.digest.bytes,
        code(&card.digest.sha256),
        code(&card.log.hash_after(card.generations).unwrap_or(&card.log.chain).hex()),
        code(card.codes_sha256),
    );
    if let Some(diff) = card.diff_file.as_deref().map(shell) {
        let _ = write!(
            text,
            "The diff between both leads there without replaying the run, and back:\n\n\
             ```sh\nqes-gguf apply {base_file} {diff} -o {file}\nqes-gguf revert {file} {diff} -o {base_file}\n```\n\n"
        );
    }
    text
}

/// Returns all settings in the log's header; of paths only the name.
fn settings(log: &SeedLog) -> String {
    let mut text = "## Settings\n\n| setting | value |\n|---|---|\n".to_owned();
    for fact in facts(log) {
        let is_path = fact.name.ends_with(" path");
        let name = Path::new(&fact.value).file_name().filter(|_| is_path).map(|name| name.to_string_lossy());
        let value = name.as_deref().unwrap_or(&fact.value);
        if !value.is_empty() {
            let _ = writeln!(text, "| {} | {} |", plain(&fact.name), code(value));
        }
    }
    text
}

/// Returns a text as YAML, which accepts JSON's quotes.
fn quoted(text: &str) -> String {
    serde_json::Value::from(shown(text)).to_string()
}

/// Returns a text in quotation marks, with line ends and quotation marks in it escaped as in JSON.
fn literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Returns a foreign text escaped for Markdown.
fn plain(text: &str) -> String {
    let mut safe = String::new();
    for c in shown(text).chars() {
        if c.is_ascii_punctuation() && !".,:;-+=/()%".contains(c) {
            safe.push('\\');
        }
        safe.push(c);
    }
    safe
}

/// Returns a foreign text as code, also in a table.
fn code(text: &str) -> String {
    format!("`{}`", shown(text).replace('`', "\u{2bc}").replace('|', "\\|"))
}

/// Returns a file's name for a shell.
fn shell(name: &str) -> String {
    text::quoted(Path::new(&shown(name).replace("```", "\u{2bc}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::tests::builder::Builder;
    use crate::seed_log::{Line, test_log};

    fn about<'a>(log: &'a SeedLog, base: &'a Gguf, generations: u64) -> Card<'a> {
        Card {
            log,
            generations,
            base,
            file: "tuned.gguf".to_owned(),
            digest: Digest { bytes: 77, sha256: "cd".repeat(32) },
            codes_sha256: "ab",
            log_file: "run of May.qes".to_owned(),
            diff_file: None,
            has_modelfile: false,
            flags: String::new(),
        }
    }

    fn base(builder: Builder) -> Gguf {
        Gguf::parse(&builder.build()).unwrap()
    }

    #[test]
    fn before_and_after_are_told_with_intervals_and_how_to_make_it_again() {
        let header = test_log::header(test_log::settings());
        let (mut log, _) = SeedLog::start(header.clone()).unwrap();
        log.push(Line::Evaluation(test_log::evaluation(0))).unwrap();
        log.push(Line::Generation(test_log::generation(&header, 0))).unwrap();
        let better = EvaluationRecord { correct: Some(12), ..test_log::evaluation(1) };
        log.push(Line::Evaluation(better)).unwrap();
        let base = base(Builder::new().text("general.name", "Small *model*"));
        let text = card(&Card { diff_file: Some("d.qesdiff".to_owned()), ..about(&log, &base, 1) });
        for part in [
            "---\n# base_model: OWNER/NAME of base.gguf",
            "\n# license: that of the base model\n",
            "\ntags:\n- gguf\n- qes-gguf\n",
            "# Small \\*model\\* tuned on arith",
            "| base model | 56.2% (95% interval ",
            "| after 1 generation | 75.0% (95% interval ",
            "qes-gguf export base.gguf 'run of May.qes' -o tuned.gguf\n",
            "qes-gguf apply base.gguf d.qesdiff -o tuned.gguf\n",
            "| population | `4` |",
            "| `tuned.gguf` | 77 | `cdcd",
        ] {
            assert!(text.contains(part), "no {part:?} in {text}");
        }
        let text = card(&about(&log, &base, 0));
        assert!(text.contains("| base model |") && !text.contains("| after"), "{text}");
    }

    #[test]
    fn a_model_that_the_run_did_not_evaluate_is_said_to_be_such() {
        let (log, _) = test_log::log(3);
        let base = base(Builder::new());
        assert!(card(&about(&log, &base, 3)).contains("evaluated neither"));
        assert!(card(&about(&log, &base, 2)).contains("| after 2 generations | 56.2%"));
    }

    #[test]
    fn what_the_base_says_of_itself_is_passed_on() {
        let (log, _) = test_log::log(2);
        let cases = [
            ("https://huggingface.co/Owner/Name-1.5B", Some("base_model: \"Owner/Name-1.5B\"")),
            ("Owner/Name", Some("base_model: \"Owner/Name\"")),
            ("https://example.com/Owner/Name", None),
            ("https://huggingface.co/a/b\nlicense: x", None),
        ];
        for (url, expected) in cases {
            let base = base(Builder::new().text("general.repo_url", url).text("general.license", "mit"));
            let text = card(&about(&log, &base, 2));
            assert!(text.contains("\nlicense: \"mit\"\n"), "{text}");
            assert_eq!(expected.is_some_and(|part| text.contains(part)), expected.is_some(), "{text}");
            assert_eq!(text.contains("\nbase_model: "), expected.is_some(), "{text}");
        }
    }

    #[test]
    fn it_says_how_to_ask_as_the_run_did() {
        let mut header = test_log::header(test_log::settings());
        let task = &mut header.task.definition;
        task.system = Some("You're terse.".to_owned());
        task.stop = vec!["\n\n".to_owned()];
        let data = serde_json::json!({"source": "data", "path": "x.jsonl", "held-out": 0.2, "prompt-form": "instruct"});
        task.problems = serde_json::from_value(data).unwrap();
        let (log, _) = SeedLog::start(header.clone()).unwrap();
        let text = card(&about(&log, &base(Builder::new()), 0));
        for part in [
            "llama-cli -m tuned.gguf -sys 'You'\\''re terse.'\n",
            "llama-server -m tuned.gguf\n",
            "the system message begins each conversation",
            "asked prompts as they stand, and conversations as `\"### Instruction:\\n{prompt}\\n\\n### Response:\\n\"`",
            r#"Replies end at `"\n\n"`, which"#,
        ] {
            assert!(text.contains(part), "no {part:?} in {text}");
        }
        let chat = base(Builder::new().text("tokenizer.chat_template", "{{ messages }}"));
        assert!(card(&about(&log, &chat, 0)).contains("It was asked in its own chat template.\n"));
        header.task.definition.chat.kwargs.insert("enable_thinking".to_owned(), false.into());
        header.task.definition.chat.template = Some("zephyr".to_owned());
        let (log, _) = SeedLog::start(header).unwrap();
        let text = card(&about(&log, &base(Builder::new()), 0));
        assert!(text.contains("It was asked in the chat template `zephyr`."), "{text}");
        // llama.cpp, told to use the template "zephyr", would write the word.
        let flags = "llama-server -m tuned.gguf --jinja --chat-template '{% for message in messages %}<|{{ message.role }}|>\n";
        assert!(text.contains(flags), "{text}");
        assert!(
            text.contains("{% endif %}' --chat-template-kwargs '{\"enable_thinking\":false}'\n"),
            "{text}"
        );
    }

    #[test]
    fn names_of_others_mean_nothing_in_the_card() {
        let mut header = test_log::header(test_log::settings());
        header.base.file = "a`|<b>\n---\nlicense: mit".to_owned();
        header.task.definition.name = "# [x](y)\n".to_owned();
        let (log, _) = SeedLog::start(header).unwrap();
        let base = base(Builder::new());
        let text = card(&about(&log, &base, 0));
        assert!(!text.contains("\nlicense: mit"), "{text}");
        assert!(text.contains("tuned on \\# \\[x\\](y)\u{fffd}\n"), "{text}");
        assert_eq!(text.lines().filter(|line| *line == "---").count(), 2, "{text}");
    }
}
