//! Replacement of pictures in a build without the feature `png`.

use thiserror::Error;

/// Error of rendering a figure as a picture.
#[derive(Debug, Error)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum PngError {
    #[error(
        "this build of qes-gguf makes no PNG files; write the charts with --svg, or build it with the feature png, which is on by \
         default"
    )]
    NotBuiltIn,
}

/// Checks that this build can render pictures.
///
/// # Errors
/// Always: it cannot.
pub fn check_png() -> Result<(), PngError> {
    Err(PngError::NotBuiltIn)
}

/// Fails in this build.
///
/// # Errors
/// Always: see [`check_png`].
pub fn png(_svg: &str) -> Result<Vec<u8>, PngError> {
    Err(PngError::NotBuiltIn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_refused_with_what_to_do() {
        for refused in [check_png().unwrap_err(), png("<svg/>").unwrap_err()] {
            let told = refused.to_string();
            assert!(told.contains("--svg") && told.contains("feature png"), "{told}");
        }
    }
}
