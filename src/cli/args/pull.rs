//! Flags of `pull`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

#[derive(Clone, Debug, Args)]
pub struct PullArgs {
    /// The repository, as USER/NAME; behind a colon the quantization, in any case, or the file's name
    #[arg(value_name = "REPO[:QUANT|:FILE]", env = "LLAMA_ARG_HF_REPO")]
    pub wanted: Wanted,
    /// The folder to write the model into [default: this folder]
    #[arg(short, long, value_name = "DIR", default_value = ".", hide_default_value = true)]
    pub output: PathBuf,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// A model of Hugging Face.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// `USER/NAME`.
    pub repository: String,
    /// Which of its files.
    pub what: What,
}

/// One of a repository's models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// This file.
    File(String),
    /// The one whose name has this quantization.
    Quant(String),
}

/// The quantization that llama.cpp takes too where none is named.
const USUAL_QUANT: &str = "Q4_K_M";

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (repository, tag) = text.split_once(':').unwrap_or((text, USUAL_QUANT));
        let is_part = |part: &str| {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            // One that begins with a dash would be a flag to the program that is called.
            !part.is_empty() && part.chars().all(is_plain) && !part.starts_with(['-', '.'])
        };
        let parts: Vec<&str> = repository.split('/').collect();
        if parts.len() != 2 || !parts.iter().copied().all(is_part) {
            return Err("expected a repository such as Qwen/Qwen2.5-0.5B-Instruct-GGUF".to_owned());
        }
        let what = match tag {
            file if file.to_ascii_lowercase().ends_with(".gguf") && file.split('/').all(is_part) => {
                What::File(file.to_owned())
            }
            quant if is_part(quant) => What::Quant(quant.to_owned()),
            _ => {
                return Err(
                    "expected a quantization such as Q4_K_M or a .gguf file behind the colon".to_owned()
                );
            }
        };
        Ok(Self { repository: repository.to_owned(), what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_named_by_repository_and_quantization_or_file() {
        let read = |text: &str| text.parse::<Wanted>().ok().map(|wanted| (wanted.repository, wanted.what));
        let named = |what| Some(("me/m-GGUF".to_owned(), what));
        assert_eq!(read("me/m-GGUF"), named(What::Quant("Q4_K_M".to_owned())));
        assert_eq!(read("me/m-GGUF:q8_0"), named(What::Quant("q8_0".to_owned())));
        assert_eq!(read("me/m-GGUF:sub/m.GGUF"), named(What::File("sub/m.GGUF".to_owned())));
        for nonsense in [
            "",
            "m",
            "me/",
            "/m",
            "a/b/c",
            "--me/m",
            "me/m:",
            "me/m:-x",
            "me/m:*",
            "me/m:../x.gguf",
            "me/m:/x.gguf",
            "me/m o",
            "me/m:a/b",
            "me/m:.gguf",
        ] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
    }
}
