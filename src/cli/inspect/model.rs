//! A model: its tensors by type, the tunable ones, and the memory for tuning.

use crate::block::Field;
use crate::chat::{ChatSettings, Speaker, Template};
use crate::cli::json::{ModelFacts, ModelTensor, PlannedMemory};
use crate::cli::text;
use crate::export::{PastTune, past_tunes};
use crate::gguf::{Gguf, TensorEntry};
use crate::model::Model;
use crate::plan::MemoryForecast;
use crate::recipe::FIELDS;
use crate::replay::STORED_BYTES;
use crate::seed_log::TensorSpec;
use crate::select::{is_block_matrix, select, spec};
use crate::store::today;
use crate::task::Message;
use crate::tensor_type::TensorType;
use crate::tune::ResidualMode;

/// Tensors of one type.
struct Group {
    tensor_type: TensorType,
    tensors: u64,
    elements: u64,
    bytes: u64,
    tuned: u64,
}

fn bytes_of(tensor: &TensorEntry) -> u64 {
    tensor.range.end - tensor.range.start
}

fn is_tuned(tensor: &TensorEntry) -> bool {
    tensor.tensor_type.is_tunable() && is_block_matrix(tensor)
}

fn groups(model: &Model) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for tensor in model.gguf.tensors() {
        let tensor_type = tensor.tensor_type;
        let known = groups.iter().position(|group| group.tensor_type == tensor_type);
        let index = known.unwrap_or_else(|| {
            groups.push(Group { tensor_type, tensors: 0, elements: 0, bytes: 0, tuned: 0 });
            groups.len() - 1
        });
        let group = &mut groups[index];
        group.tensors += 1;
        group.elements += tensor.elements();
        group.bytes += bytes_of(tensor);
        group.tuned += u64::from(is_tuned(tensor));
    }
    groups
}

/// Returns the codes and bytes of the tensors that a bare `tune` tunes.
fn tuned(model: &Model) -> (u64, u64) {
    let tuned = || model.gguf.tensors().iter().filter(|tensor| is_tuned(tensor));
    (tuned().map(TensorEntry::elements).sum(), tuned().map(bytes_of).sum())
}

/// Returns whether a bare `tune` finds something to tune.
pub fn is_tunable(model: &Model) -> bool {
    tuned(model).0 > 0
}

/// Returns it as text. `on_devices` describes what `tune` would put on GPUs.
pub fn text(model: &Model, forecast: Option<MemoryForecast>, on_devices: Option<String>) -> String {
    let gguf = &model.gguf;
    let size = model.working.base().len() as u64;
    let mut lines = vec![
        format!("{}: GGUF version {}, {}", model.working.path().display(), gguf.version(), text::bytes(size)),
        format!("  name          {}", gguf.name().unwrap_or("(none)").escape_debug()),
        format!("  architecture  {}", gguf.architecture().escape_debug()),
        format!(
            "  chat          {}",
            match (gguf.has_chat_template(), template_error(gguf)) {
                (false, _) => "no template".to_owned(),
                (true, None) => "has a template".to_owned(),
                (true, Some(error)) =>
                    format!("has a template that cannot be used: {}", error.escape_debug()),
            }
        ),
    ];
    lines.extend(warnings(gguf).into_iter().map(|warning| format!("  warning       {warning}")));
    lines.extend(past_tunes(gguf).iter().map(past));
    lines.extend([
        String::new(),
        format!("  {:<8} {:>8} {:>16} {:>10}  {}", "type", "tensors", "elements", "size", "tuned by default"),
    ]);
    for group in groups(model) {
        let note = match (group.tensor_type.is_tunable(), group.tuned) {
            (false, _) => "not tunable, left alone".to_owned(),
            (true, tuned) => format!("{tuned} of {}", group.tensors),
        };
        lines.push(format!(
            "  {:<8} {:>8} {:>16} {:>10}  {note}",
            group.tensor_type,
            group.tensors,
            text::count(group.elements),
            text::bytes(group.bytes),
        ));
    }
    lines.push(String::new());
    let (codes, bytes) = tuned(model);
    if codes == 0 {
        lines.push("  nothing in this model can be tuned".to_owned());
    } else {
        lines.push(format!("  tuning changes {} in {} of tensors", changed(model), text::bytes(bytes)));
        lines.push(
            forecast.map_or_else(|| unknown(residual_bytes(model)), |forecast| memory(size, &forecast)),
        );
    }
    lines.extend(on_devices.map(|layers| format!("  `tune` and `eval` put {layers}")));
    lines.join("\n")
}

/// Returns the error of the model's chat template, if it has one that cannot render a question.
fn template_error(gguf: &Gguf) -> Option<String> {
    let text = gguf.metadata_str("tokenizer.chat_template")?;
    let settings = ChatSettings { date: Some(today()), ..ChatSettings::default() };
    let written = Template::new(text, &Speaker::default(), &settings)
        .and_then(|template| template.render(&[Message::user("Hello")], true));
    written.err().map(|error| error.to_string())
}

/// Returns faults that may spoil the model's replies: a byte-pair vocabulary without its pre-tokenizer.
fn warnings(gguf: &Gguf) -> Vec<String> {
    let lacks_cuts = gguf.metadata_str("tokenizer.ggml.model") == Some("gpt2")
        && gguf.metadata_str("tokenizer.ggml.pre").is_none();
    let warning = "tokenizer.ggml.pre is missing, so texts may be cut into other tokens than the model knows, and its replies \
                   are worse for it; convert the model anew";
    lacks_cuts.then(|| warning.to_owned()).into_iter().collect()
}

/// Describes an earlier tune from the model's metadata.
fn past(tune: &PastTune) -> String {
    format!(
        "  tuned         {} on {} from {}, log {}",
        text::generations(tune.generations),
        tune.task.escape_debug(),
        tune.base_file.escape_debug(),
        tune.log_sha256.escape_debug()
    )
}

/// Returns the integers of each field that a bare `tune` changes.
fn integers(model: &Model) -> Vec<(Field, u64)> {
    let tensors = select(&model.gguf, None).unwrap_or_default();
    let specs: Vec<TensorSpec> = tensors.into_iter().map(spec).collect();
    let of_field = |field| specs.iter().map(|tensor| tensor.integers(field)).sum();
    FIELDS.map(|field| (field, of_field(field))).into_iter().filter(|(_, count)| *count > 0).collect()
}

/// Describes these integers.
fn changed(model: &Model) -> String {
    let of_field = |(field, count): (Field, u64)| format!("{} {field}", text::count(count));
    integers(model).into_iter().map(of_field).collect::<Vec<_>>().join(" and ")
}

/// Returns the bytes of the residual that a bare `tune` would store.
fn residual_bytes(model: &Model) -> u64 {
    STORED_BYTES * integers(model).into_iter().map(|(_, count)| count).sum::<u64>()
}

/// Describes memory if inference keeps more than keys and values.
fn unknown(residual: u64) -> String {
    format!(
        "  its memory cannot be told beforehand: what inference takes (`eval`), and {} more where the residual is stored",
        text::bytes(residual)
    )
}

/// Describes the peak that a bare `tune` would plan, and its parts.
fn memory(model_bytes: u64, forecast: &MemoryForecast) -> String {
    let MemoryForecast { mode, threads, contexts, residual, replayed, stored } = *forecast;
    let is_stored = mode == ResidualMode::Stored;
    let (kept, here, flag, other) = if is_stored {
        ("stored", residual, "--residual replay", replayed)
    } else {
        ("replayed", 0, "--residual stored", stored)
    };
    let row = |what: &str, bytes: u64, note: &str| {
        format!("  {what:<10} {:>10}  {note}", text::bytes(bytes)).trim_end().to_owned()
    };
    let threads = if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") };
    [
        format!("  memory that `tune` plans with its defaults and {threads}:"),
        row("model", model_bytes, ""),
        row("contexts", contexts, "of inference, estimated"),
        row("residual", here, kept),
        row(
            "rest",
            replayed - contexts - model_bytes,
            "the program, and what perturbed integers are remembered by",
        ),
        row("peak", forecast.peak(), &format!("with {flag} {}", text::bytes(other))),
    ]
    .join("\n")
}

/// Returns it as JSON.
pub fn facts(model: &Model, forecast: Option<MemoryForecast>) -> ModelFacts<'_> {
    let gguf = &model.gguf;
    let (codes, bytes) = tuned(model);
    let planned = forecast.map(|forecast| PlannedMemory {
        threads: forecast.threads,
        context_bytes: forecast.contexts,
        residual: if forecast.mode == ResidualMode::Stored { "stored" } else { "replay" },
        rss_bytes_replay: forecast.replayed,
        rss_bytes_stored: forecast.stored,
    });
    ModelFacts {
        bytes: model.working.base().len(),
        gguf_version: gguf.version(),
        name: gguf.name(),
        architecture: gguf.architecture(),
        has_chat_template: gguf.has_chat_template(),
        chat_template_error: template_error(gguf),
        warnings: warnings(gguf),
        tunes: past_tunes(gguf),
        tuned_codes: codes,
        tuned_bytes: bytes,
        stored_residual_bytes: residual_bytes(model),
        planned_rss_bytes: forecast.map(|forecast| forecast.peak()),
        planned,
        tensors: gguf.tensors().iter().map(ModelTensor::from).collect(),
    }
}

impl<'a> From<&'a TensorEntry> for ModelTensor<'a> {
    fn from(tensor: &'a TensorEntry) -> Self {
        Self {
            name: &tensor.name,
            tensor_type: tensor.tensor_type,
            shape: &tensor.shape,
            bytes: bytes_of(tensor),
            tunable: tensor.tensor_type.is_tunable(),
            tuned_by_default: is_tuned(tensor),
        }
    }
}
