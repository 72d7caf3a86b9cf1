//! The `qes-gguf` program: turns the outcome of a command into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    qes_gguf::cli::main()
}
