//! Provenance in the metadata of exported models.
//!
//! All of it follows from the base file and from the log up to the exported generation: no clock, no path and no
//! version of the exporting program, so that the same base and log give the same bytes everywhere. The keys are
//! described in docs/EXPORTING.md. A model that was tuned before keeps its earlier entries.

use std::path::Path;

use serde::Serialize;

use crate::gguf::{Entry, Gguf, Value};
use crate::seed_log::{Header, SeedLog};
use crate::settings::TypeSettings;

/// Key for the number of times that a model was tuned.
const TUNES: &str = "qes.tune.count";

/// The tag that is added.
const TAG: &str = "qes-gguf";

/// Returns whether a key names the base of the base model; the tuned model has another base.
pub(super) fn is_of_base(key: &str) -> bool {
    key.starts_with("general.base_model.")
}

/// Returns the metadata key of a fact about tune number `tune`, from 0.
fn tune_key(tune: u32, name: &str) -> String {
    format!("qes.tune.{tune}.{name}")
}

/// A tune that a model's metadata tells of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "past_tune"))]
pub struct PastTune {
    /// Name of the base model's file.
    pub base_file: String,
    /// SHA-256 of that file.
    pub base_sha256: String,
    /// The log's hash after the last of the generations.
    pub log_sha256: String,
    /// Generations that are in the model.
    pub generations: u64,
    /// Name of the task.
    pub task: String,
}

/// Returns the tunes recorded in a model's metadata, the first one first.
pub fn past_tunes(gguf: &Gguf) -> Vec<PastTune> {
    let told = |tune: u32| {
        let text = |name: &str| gguf.metadata_str(&tune_key(tune, name)).map(str::to_owned);
        Some(PastTune {
            base_file: text("base_file")?,
            base_sha256: text("base_sha256")?,
            log_sha256: text("log_sha256")?,
            generations: gguf.metadata_u64(&tune_key(tune, "generations"))?,
            task: text("task")?,
        })
    };
    (0..number(gguf, TUNES)).map_while(told).collect()
}

/// Returns the metadata entries of the model after the log's first `generations` generations, with this digest of its
/// tuned tensors.
pub(super) fn entries(
    gguf: &Gguf,
    file: &[u8],
    log: &SeedLog,
    generations: u64,
    codes_sha256: &str,
) -> Vec<Entry> {
    let mut entries = general(gguf, file, &log.header);
    let tune = number(gguf, TUNES);
    entries.push(Entry::new(TUNES, tune.saturating_add(1)));
    let mut add = |name: &str, value: Value| entries.push(Entry::new(tune_key(tune, name), value));
    let Header { tool, base, settings, task, .. } = &log.header;
    add("tool", tool.as_str().into());
    add("base_file", base.file.as_str().into());
    add("base_bytes", base.bytes.into());
    add("base_sha256", base.sha256.as_str().into());
    add("log_sha256", log.hash_after(generations).unwrap_or(&log.chain).hex().into());
    add("generations", generations.into());
    add("codes_sha256", codes_sha256.into());
    add("task", task.definition.name.as_str().into());
    add("reward", task.definition.rewards_text().into());
    if let Some(sha256) = &task.data_sha256 {
        add("data_sha256", sha256.as_str().into());
    }
    add("seed", settings.seed.into());
    add("population", settings.population.into());
    add("prompts", task.prompts.into());
    if let Some(candidates) = task.candidates {
        add("candidates", candidates.into());
    }
    add("method", settings.method.name().into());
    add("sigma", by_type(&settings.types, |of_type| of_type.sigma).into());
    add("alpha", by_type(&settings.types, |of_type| of_type.alpha).into());
    add("alpha_final", by_type(&settings.types, |of_type| of_type.alpha_final).into());
    add("decay", settings.decay.into());
    add("window", settings.window.to_string().into());
    add("anchor", settings.anchor.into());
    entries
}

/// Returns the entries under keys that every GGUF may have.
fn general(gguf: &Gguf, file: &[u8], header: &Header) -> Vec<Entry> {
    let task = &header.task.definition;
    let finetune = match gguf.metadata_str("general.finetune") {
        Some(before) if !before.is_empty() => format!("{before}-{}", task.name),
        _ => task.name.clone(),
    };
    let mut entries = vec![Entry::new("general.finetune", finetune)];
    let mut tags = gguf.metadata_texts(file, "general.tags").unwrap_or_default();
    if !tags.iter().any(|tag| tag == TAG) {
        tags.push(TAG.to_owned());
        entries.push(Entry::new("general.tags", tags));
    }
    let name = gguf.name().filter(|name| !name.is_empty()).unwrap_or(&header.base.file);
    entries.push(Entry::new("general.base_model.count", 1_u32));
    entries.push(Entry::new("general.base_model.0.name", name));
    for fact in ["version", "organization", "repo_url"] {
        if let Some(text) = gguf.metadata_str(&format!("general.{fact}")) {
            entries.push(Entry::new(format!("general.base_model.0.{fact}"), text));
        }
    }
    let data = task.problems.data().and_then(|options| Path::new(&options.path).file_name());
    if let Some(data) = data {
        let count = number(gguf, "general.dataset.count");
        entries.push(Entry::new("general.dataset.count", count.saturating_add(1)));
        entries
            .push(Entry::new(format!("general.dataset.{count}.name"), data.to_string_lossy().into_owned()));
    }
    entries
}

fn number(gguf: &Gguf, key: &str) -> u32 {
    gguf.metadata_u64(key).and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
}

/// Returns a setting of each type in the form of the command line.
fn by_type(types: &[TypeSettings], value: impl Fn(&TypeSettings) -> f64) -> String {
    let one = |of_type: &TypeSettings| format!("{}={}", of_type.name(), value(of_type));
    types.iter().map(one).collect::<Vec<_>>().join(",")
}
