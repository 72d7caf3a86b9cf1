//! The folder of caches.

use std::path::PathBuf;

use anyhow::Result;

use crate::cli::UsageError;

/// Returns the folder for this program in the user's folder of caches.
pub fn cache() -> Result<PathBuf> {
    let of = |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let caches = of("XDG_CACHE_HOME").or_else(|| Some(of("HOME")?.join(".cache")));
    let none =
        || UsageError("neither HOME nor XDG_CACHE_HOME names a folder; give one with --cache".to_owned());
    Ok(caches.ok_or_else(none)?.join("qes-gguf"))
}
