//! Flags that llama.cpp has too, and those of threads.

use clap::{ArgAction, Args, Command, FromArgMatches};

use super::offload::OffloadArgs;

/// Flags of every command that runs inference.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Inference")]
pub struct InferenceArgs {
    /// Threads for inference and updates [default: one for each core, on a machine with cores of several kinds for each big one]
    #[arg(short, long, value_name = "N", env = "LLAMA_ARG_THREADS", allow_negative_numbers = true, value_parser = automatic)]
    threads: Option<u32>,
    /// Sequences evaluated side by side, also as -np [default: as many as pay]
    #[arg(long, value_name = "N", env = "LLAMA_ARG_N_PARALLEL", allow_negative_numbers = true, value_parser = automatic)]
    parallel: Option<u32>,
    /// Tokens of context for all sequences together [default: 1024]
    #[arg(short, long, value_name = "N", env = "LLAMA_ARG_CTX_SIZE", allow_negative_numbers = true, value_parser = automatic)]
    ctx_size: Option<u32>,
    /// Keep all weights in the file's layout, also as -nr: mapped from the file, but slower for some types
    #[arg(long)]
    no_repack: bool,
    /// Let llama.cpp interleave weights where that is faster, which it does unless LLAMA_ARG_REPACK says otherwise
    #[arg(
        long,
        env = "LLAMA_ARG_REPACK",
        action = ArgAction::SetTrue,
        default_value = "true",
        value_parser = switch,
        hide = true
    )]
    repack: bool,
    #[command(flatten)]
    pub offload: OffloadArgs,
}

impl InferenceArgs {
    /// Returns the settings of the environment alone, as if no flag were given.
    ///
    /// # Errors
    /// When a variable makes no sense.
    pub fn of_environment() -> Result<Self, clap::Error> {
        let command = Self::augment_args(Command::new("qes-gguf"));
        Self::from_arg_matches(&command.try_get_matches_from(["qes-gguf"])?)
    }

    /// Threads, where a number is given.
    pub fn threads(&self) -> Option<usize> {
        given(self.threads)
    }

    /// Sequences side by side, where a number is given.
    pub fn parallel(&self) -> Option<usize> {
        given(self.parallel)
    }

    /// Tokens of context, where a number is given.
    pub fn ctx_size(&self) -> Option<u32> {
        self.ctx_size.filter(|&tokens| tokens > 0)
    }

    /// Returns `true` if llama.cpp may keep weights in its interleaved layouts.
    pub fn repacks(&self) -> bool {
        self.repack && !self.no_repack
    }
}

/// Flags of commands that only replay logs.
#[derive(Clone, Debug, Default, Args)]
pub struct ThreadsArgs {
    /// Threads that replay [default: one for each processor]
    #[arg(short, long, value_name = "N", env = "LLAMA_ARG_THREADS", allow_negative_numbers = true, value_parser = automatic)]
    threads: Option<u32>,
}

impl ThreadsArgs {
    /// Threads, where a number is given.
    pub fn threads(&self) -> Option<usize> {
        given(self.threads)
    }
}

impl From<&InferenceArgs> for ThreadsArgs {
    fn from(args: &InferenceArgs) -> Self {
        Self { threads: args.threads }
    }
}

/// A number that is given and not left to the program.
fn given(number: Option<u32>) -> Option<usize> {
    number.filter(|&number| number > 0).map(|number| number as usize)
}

/// A number, or what llama.cpp takes for its own choice, -1 or 0; then 0.
fn automatic(text: &str) -> Result<u32, String> {
    if text == "-1" {
        return Ok(0);
    }
    text.parse().map_err(|_| "expected a number of at least 1, or -1 or 0 for the default".to_owned())
}

/// Parses llama.cpp's values for yes and no in the environment.
fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "enabled" | "true" | "1" => Ok(true),
        "off" | "disabled" | "false" | "0" => Ok(false),
        _ => Err("expected on or off; without the flag, LLAMA_ARG_REPACK is read".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minus_one_and_zero_are_no_numbers() {
        for (text, number) in [("-1", None), ("0", None), ("1", Some(1)), ("4096", Some(4096))] {
            assert_eq!(given(automatic(text).ok()), number, "{text}");
        }
        for text in ["", "-2", "x", "1.5", "4294967296"] {
            assert!(automatic(text).is_err(), "{text}");
        }
    }
}
