//! Of the commands that write or check files.

use serde::Serialize;

/// The files of an export.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "export"))]
pub struct ExportOutput<'a> {
    /// The tuned model that was written.
    pub output: Option<String>,
    /// The diff that was written.
    pub as_diff: Option<String>,
    /// The model card that was written.
    pub card: Option<String>,
    /// The Modelfile that was written.
    pub modelfile: Option<String>,
    /// Generations in the tuned model.
    pub generations: u64,
    /// Generations in the log.
    pub generations_logged: usize,
    /// SHA-256 over the bytes of the tuned tensors, as in logs.
    #[cfg_attr(test, schemars(regex(pattern = "^[0-9a-f]{64}$")))]
    pub codes_sha256: &'a str,
    /// Bytes of the tuned model, whether it was written or not.
    pub bytes: u64,
    /// SHA-256 of the tuned model.
    #[cfg_attr(test, schemars(regex(pattern = "^[0-9a-f]{64}$")))]
    pub sha256: &'a str,
    /// Seconds that it took.
    #[cfg_attr(test, schemars(range(min = 0.0)))]
    pub seconds: f64,
}

/// A model that was written.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "written"))]
pub struct WrittenOutput<'a> {
    /// The model that was written.
    pub output: String,
    /// Its bytes.
    pub bytes: u64,
    /// Its SHA-256.
    #[cfg_attr(test, schemars(regex(pattern = "^[0-9a-f]{64}$")))]
    pub sha256: &'a str,
    /// Seconds that it took.
    #[cfg_attr(test, schemars(range(min = 0.0)))]
    pub seconds: f64,
}

/// Result of a check. The exit code is 1 where `verified` is false.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "verify"))]
pub struct VerifyOutput<'a> {
    /// True where every check passed.
    pub verified: bool,
    /// The base model.
    pub model: String,
    /// The log.
    pub log: String,
    /// The tuned model that was compared.
    pub tuned: Option<String>,
    /// Generations of the log in the model that it was compared with.
    pub generations: u64,
    /// Generations in the log.
    pub generations_logged: u64,
    /// SHA-256 over the bytes of the tuned tensors after `generations`.
    #[cfg_attr(test, schemars(regex(pattern = "^[0-9a-f]{64}$")))]
    pub codes_sha256: &'a str,
    /// Number of digests that the run logged and the replay confirmed.
    pub digests_compared: u64,
    /// Differences that were found, as sentences; empty where `verified` is true.
    pub findings: &'a [String],
}

/// The report that was written.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "report"))]
pub struct ReportOutput<'a> {
    /// The page that was written.
    pub output: String,
    /// Its bytes.
    pub bytes: u64,
    /// Names of the logs on the page, in their order.
    pub runs: &'a [String],
    /// Figures of `--svg`.
    pub svg: &'a [String],
    /// Figures of `--png`.
    pub png: &'a [String],
    /// Event files of `--tensorboard`.
    pub tensorboard: &'a [String],
}

/// The model that was fetched.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "pull"))]
pub struct PullOutput<'a> {
    /// The repository.
    pub repository: &'a str,
    /// The model, or the first of its files.
    pub path: String,
    /// All files of the model.
    pub files: Vec<String>,
}
