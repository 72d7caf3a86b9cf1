//! Names of streams and subjects, and the subjects that a worker may use.

use crate::fleet::message::Unit;

pub(super) const STATE: &str = "QES_STATE";
pub(super) const LINES: &str = "QES_LINES";
pub(super) const UNITS: &str = "QES_UNITS";
pub(super) const REPORTS: &str = "QES_REPORTS";
pub(super) const CONSUMER: &str = "workers";
pub(super) const MODELS: &str = "qes-models";

pub(super) const RUN: &str = "qes.run";
pub(super) const UNIT: &str = "qes.unit";
pub(super) const WORDS: &str = "qes.word.>";
pub(super) const ALL_LINES: &str = "qes.line.>";
pub(super) const ALL_REPORTS: &str = "qes.report.>";

/// Returns the subject of a line.
pub(super) fn line(run: &str, number: u64) -> String {
    format!("qes.line.{run}.{number}")
}

/// Returns the subjects of a run's lines.
pub(super) fn lines(run: &str) -> String {
    format!("qes.line.{run}.*")
}

/// Returns the subject of the coordinator's word to a worker.
pub(super) fn word(worker: &str) -> String {
    format!("qes.word.{worker}")
}

/// Returns the subject of the answer to an issue of a unit.
pub(super) fn answer(worker: &str, unit: &Unit) -> String {
    let Unit { run, generation, first, end, issue, .. } = unit;
    format!("qes.report.{worker}.{run}.{generation}.{first}.{end}.{issue}")
}

/// Returns the subjects of all answers to a generation.
pub(super) fn answers(run: &str, generation: u64) -> String {
    format!("qes.report.*.{run}.{generation}.>")
}

/// Returns the subject of another report, which is the only one of this number.
pub(super) fn other(worker: &str, number: &str) -> String {
    format!("qes.report.{worker}.other.{number}")
}

/// Returns the subjects of all other reports.
pub(super) fn others() -> &'static str {
    "qes.report.*.other.*"
}

/// Returns the start of the subjects at which a machine gets replies.
pub(super) fn inbox(key: &str) -> String {
    format!("_INBOX.{key}")
}

/// Returns the subjects that a worker may publish to, and those that it may subscribe to.
pub fn worker_permissions(key: &str) -> (Vec<String>, Vec<String>) {
    let api = "$JS.API";
    let publish = vec![
        format!("qes.report.{key}.>"),
        format!("{api}.CONSUMER.MSG.NEXT.{UNITS}.{CONSUMER}"),
        format!("{api}.CONSUMER.INFO.{UNITS}.{CONSUMER}"),
        format!("$JS.ACK.{UNITS}.{CONSUMER}.>"),
        format!("{api}.DIRECT.GET.{STATE}.{RUN}"),
        format!("{api}.DIRECT.GET.{STATE}.{}", word(key)),
        format!("{api}.DIRECT.GET.{LINES}.{ALL_LINES}"),
        format!("{api}.STREAM.INFO.OBJ_{MODELS}"),
        format!("{api}.DIRECT.GET.OBJ_{MODELS}.>"),
        format!("{api}.CONSUMER.CREATE.OBJ_{MODELS}"),
        format!("{api}.CONSUMER.CREATE.OBJ_{MODELS}.>"),
        format!("{api}.CONSUMER.DELETE.OBJ_{MODELS}.>"),
        format!("$JS.FC.OBJ_{MODELS}.>"),
    ];
    (publish, vec![format!("{}.>", inbox(key))])
}
