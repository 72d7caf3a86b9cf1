//! `--list-devices`: the GPUs that inference can use. Like llama.cpp's flag of this name, it needs no command.

use std::ffi::OsString;

use anyhow::Result;

use super::{CommandEnd, out, text};
use crate::llama::{Device, HAS_GPU_BACKEND, devices};

/// Returns whether these arguments ask for the list.
pub fn are_asked_for(words: &[OsString]) -> bool {
    words.iter().skip(1).take_while(|word| *word != "--").any(|word| word == "--list-devices")
}

/// Prints the list.
///
/// # Errors
/// When it cannot be written.
pub fn list() -> Result<CommandEnd> {
    out::line(told(&devices()))?;
    Ok(CommandEnd::Success)
}

/// Returns a line for each device, by the name that `--device` takes.
fn told(devices: &[Device]) -> String {
    if devices.is_empty() {
        return if HAS_GPU_BACKEND {
            "no GPU was found; all is computed by the processor".to_owned()
        } else {
            "this build has no GPU backend, so all is computed by the processor; docs/GPU.md says how to build one".to_owned()
        };
    }
    let line = |device: &Device| {
        let kind = if device.is_integrated { ", integrated" } else { "" };
        let memory = match device.total {
            0 => "its memory is not known".to_owned(),
            total => format!("{}, {} free", text::bytes(total), text::bytes(device.free)),
        };
        format!("  {}: {} ({memory}{kind})", device.name, device.description.escape_debug())
    };
    [vec!["Available devices:".to_owned()], devices.iter().map(line).collect()].concat().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_asked_for_anywhere_before_what_are_no_flags() {
        let asked = |line: &str| are_asked_for(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert!(asked("qes-gguf --list-devices"));
        assert!(asked("qes-gguf tune model.gguf --list-devices"));
        assert!(!asked("qes-gguf tune -- --list-devices"));
        assert!(!asked("--list-devices inspect"));
    }

    #[test]
    fn devices_are_told_with_their_memory() {
        let device = Device {
            name: "Vulkan0".to_owned(),
            description: "a \u{1b} GPU".to_owned(),
            total: 8_000_000_000,
            free: 6_000_000_000,
            ..Device::default()
        };
        let unknown = Device { total: 0, is_integrated: true, ..device.clone() };
        let said = told(&[device, unknown]);
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[1], "  Vulkan0: a \\u{1b} GPU (8.0 GB, 6.0 GB free)");
        assert_eq!(lines[2], "  Vulkan0: a \\u{1b} GPU (its memory is not known, integrated)");
    }
}
