//! A model: tensors by type, what can be tuned, what tuning needs.

use serde_json::{Value, json};

use crate::cli::text;
use crate::export::Model;
use crate::gguf::TensorEntry;
use crate::replay::STORED_BYTES;
use crate::select::is_block_matrix;
use crate::tensor_type::TensorType;

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

/// Codes and bytes of the tensors that a bare `tune` tunes.
fn tuned(model: &Model) -> (u64, u64) {
    let tuned = || model.gguf.tensors().iter().filter(|tensor| is_tuned(tensor));
    (tuned().map(TensorEntry::elements).sum(), tuned().map(bytes_of).sum())
}

/// For people.
pub fn text(model: &Model) -> String {
    let gguf = &model.gguf;
    let size = model.working.base().len() as u64;
    let mut lines = vec![
        format!("{}: GGUF version {}, {}", model.working.path().display(), gguf.version(), text::bytes(size)),
        format!("  name          {}", gguf.name().unwrap_or("(none)").escape_debug()),
        format!("  architecture  {}", gguf.architecture().escape_debug()),
        format!(
            "  chat          {}",
            if gguf.has_chat_template() { "has a template" } else { "no template" }
        ),
        String::new(),
        format!("  {:<8} {:>8} {:>16} {:>10}  {}", "type", "tensors", "elements", "size", "tuned by default"),
    ];
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
    lines.push(if codes == 0 {
        "  nothing in this model can be tuned".to_owned()
    } else {
        format!(
            "  tuning changes {} codes; it needs the memory of inference, of which {} for the tuned tensors,\n  and {} \
             more where the residual is stored",
            text::count(codes),
            text::bytes(bytes),
            text::bytes(STORED_BYTES * codes),
        )
    });
    lines.join("\n")
}

/// For programs.
pub fn json(model: &Model) -> Value {
    let gguf = &model.gguf;
    let (codes, bytes) = tuned(model);
    let tensor = |tensor: &TensorEntry| {
        json!({
            "name": tensor.name,
            "type": tensor.tensor_type,
            "shape": tensor.shape,
            "bytes": bytes_of(tensor),
            "tunable": tensor.tensor_type.is_tunable(),
            "tuned_by_default": is_tuned(tensor),
        })
    };
    json!({
        "kind": "model",
        "bytes": model.working.base().len(),
        "gguf_version": gguf.version(),
        "name": gguf.name(),
        "architecture": gguf.architecture(),
        "has_chat_template": gguf.has_chat_template(),
        "tuned_codes": codes,
        "tuned_bytes": bytes,
        "stored_residual_bytes": STORED_BYTES * codes,
        "tensors": gguf.tensors().iter().map(tensor).collect::<Vec<_>>(),
    })
}
