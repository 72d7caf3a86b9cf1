//! A diff: the file that it is applied to, and the one that it leads to.

use crate::cli::json::DiffFacts;
use crate::cli::text;
use crate::export::DiffFile;

/// Returns it as text.
pub fn text(diff: &DiffFile) -> String {
    let header = diff.diff().header();
    let codes: u64 = header.tensors.iter().map(|tensor| tensor.codes).fold(0, u64::saturating_add);
    [
        format!("{}: diff, format {}, {}", diff.path().display(), header.version, text::bytes(diff.bytes())),
        format!("  written by  {}", header.tool.escape_debug()),
        format!("  base        {} ({})", header.base.file.escape_debug(), text::bytes(header.base.bytes)),
        format!("              SHA-256 {}", header.base.sha256.escape_debug()),
        format!("  result      {}", text::bytes(header.result.bytes)),
        format!("              SHA-256 {}", header.result.sha256.escape_debug()),
        format!("  tuned       {} codes in {}", text::count(codes), text::tensors(&header.tensors)),
        format!(
            "  log         {}, hash {}",
            text::generations(header.generations),
            header.log_sha256.escape_debug()
        ),
    ]
    .join("\n")
}

/// Returns it as JSON.
pub fn facts(diff: &DiffFile) -> DiffFacts<'_> {
    DiffFacts { header: diff.diff().header(), bytes: diff.bytes() }
}
