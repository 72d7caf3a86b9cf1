//! Flags that llama.cpp has too, and those of threads.

use clap::{ArgAction, Args};

/// Flags of every command that runs inference.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Inference")]
pub struct InferenceArgs {
    /// Threads for inference and updates [default: one for each core, on a machine with cores of several kinds for each big one]
    #[arg(short, long, value_name = "N", env = "LLAMA_ARG_THREADS")]
    pub threads: Option<usize>,
    /// Sequences evaluated side by side, also as -np [default: as many as pay]
    #[arg(long, value_name = "N", env = "LLAMA_ARG_N_PARALLEL")]
    pub parallel: Option<usize>,
    /// Tokens of context for all sequences together [default: 1024]
    #[arg(short, long, value_name = "N", env = "LLAMA_ARG_CTX_SIZE")]
    pub ctx_size: Option<u32>,
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
}

impl InferenceArgs {
    /// Whether llama.cpp may keep weights in its interleaved layouts.
    pub fn repacks(&self) -> bool {
        self.repack && !self.no_repack
    }
}

/// Flags of commands that only replay logs.
#[derive(Clone, Debug, Default, Args)]
pub struct ThreadsArgs {
    /// Threads that replay [default: one for each processor]
    #[arg(short, long, value_name = "N", env = "LLAMA_ARG_THREADS")]
    pub threads: Option<usize>,
}

/// What llama.cpp takes for yes and no in the environment.
fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "enabled" | "true" | "1" => Ok(true),
        "off" | "disabled" | "false" | "0" => Ok(false),
        _ => Err("expected on or off; without the flag, LLAMA_ARG_REPACK is read".to_owned()),
    }
}
