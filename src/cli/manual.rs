//! `qes-gguf completions` and `qes-gguf man`: completions for shells, and manual pages.

use anyhow::{Context, Result};
use clap_complete::Shell;

use super::args::{ManArgs, command};
use super::{CommandEnd, out};
use crate::store::{Artefact, make_folder};

/// Prints a script that completes commands and flags.
pub fn completions(shell: Shell) -> Result<CommandEnd> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "qes-gguf", &mut script);
    out::line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(CommandEnd::Success)
}

/// Writes a page for the program and one for each command.
pub fn man(args: &ManArgs) -> Result<CommandEnd> {
    make_folder(&args.folder)?;
    let mut program = command().disable_help_subcommand(true);
    program.build();
    let commands: Vec<clap::Command> = program.get_subcommands().cloned().collect();
    for command in std::iter::once(program).chain(commands) {
        let name = command.get_display_name().unwrap_or("qes-gguf").to_owned();
        let place = args.folder.join(format!("{name}.1"));
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page).context("cannot write a manual page")?;
        let mut file = Artefact::begin(&place)?;
        file.write_all(&page)?;
        file.publish()?;
        out::line(place.display())?;
    }
    Ok(CommandEnd::Success)
}
