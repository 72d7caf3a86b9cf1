//! Flags of GPUs, which llama.cpp has too.

use clap::{Args, ValueEnum};

use crate::llama::{Layers, Offload, SplitMode};

/// Flags of GPUs.
#[derive(Clone, Debug, Args)]
pub struct OffloadArgs {
    /// Layers of the model that are put on GPUs, the last ones first: a number, auto (as many as fit), or all; also as -ngl. 0 for the
    /// processor alone [default: auto]
    #[arg(
        long,
        visible_alias = "gpu-layers",
        value_name = "N|auto|all",
        env = "LLAMA_ARG_N_GPU_LAYERS",
        allow_hyphen_values = true,
        value_parser = layers
    )]
    n_gpu_layers: Option<Layers>,
    /// The devices to use, by the names that --list-devices shows, or none; also as -dev [default: all GPUs]
    #[arg(long, value_name = "NAME,...", env = "LLAMA_ARG_DEVICE")]
    device: Option<String>,
    /// How several GPUs share a model, also as -sm: one takes all layers, or each takes some [default: layer]
    #[arg(long, value_name = "MODE", env = "LLAMA_ARG_SPLIT_MODE")]
    split_mode: Option<SplitArg>,
    /// The share of the layers of each GPU, such as 3,1, also as -ts [default: by their free memory]
    #[arg(long, value_name = "N,...", env = "LLAMA_ARG_TENSOR_SPLIT", value_parser = shares)]
    tensor_split: Option<Shares>,
    /// The GPU that takes all layers with --split-mode none, by its place in the list, also as -mg [default: 0]
    #[arg(long, value_name = "N", env = "LLAMA_ARG_MAIN_GPU")]
    main_gpu: Option<usize>,
    /// Use flash attention, also as -fa: on, off, or auto for llama.cpp's choice [default: auto]
    #[arg(long, value_name = "on|off|auto", env = "LLAMA_ARG_FLASH_ATTN", value_parser = flash)]
    flash_attn: Option<Flash>,
}

impl OffloadArgs {
    /// Returns what is to be put where.
    pub fn offload(&self) -> Offload {
        let names = |names: &str| -> Vec<String> {
            let names = names.split(',').map(str::trim).filter(|name| !name.is_empty() && *name != "none");
            names.map(str::to_owned).collect()
        };
        Offload {
            layers: self.n_gpu_layers.unwrap_or_default(),
            devices: self.device.as_deref().map(names),
            split: match self.split_mode {
                Some(SplitArg::None) => SplitMode::None,
                Some(SplitArg::Layer) | None => SplitMode::Layer,
            },
            shares: self.tensor_split.clone().unwrap_or_default().0,
            main: self.main_gpu.unwrap_or(0),
        }
    }

    /// Returns whether to use flash attention, where that is said.
    pub fn flash_attention(&self) -> Option<bool> {
        self.flash_attn.and_then(|Flash(wanted)| wanted)
    }
}

/// How several GPUs share a model. llama.cpp has modes too in which they share each tensor, whose parts cannot be edited.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum SplitArg {
    None,
    Layer,
}

/// The share of each device.
#[derive(Clone, Debug, Default)]
pub struct Shares(Vec<f32>);

/// Use of flash attention; `None` leaves it to llama.cpp.
#[derive(Clone, Copy, Debug)]
pub struct Flash(Option<bool>);

/// Parses a number of layers, and llama.cpp's numbers for auto and all.
fn layers(text: &str) -> Result<Layers, String> {
    match text {
        "auto" | "-1" => Ok(Layers::Auto),
        "all" | "-2" => Ok(Layers::All),
        number => number.parse().map(Layers::Count).map_err(|_| "expected a number, auto, or all".to_owned()),
    }
}

fn shares(text: &str) -> Result<Shares, String> {
    let wrong = || "expected numbers such as 3,1, of which one at least is not 0".to_owned();
    let share =
        |text: &str| text.trim().parse().ok().filter(|&share: &f32| share >= 0.0 && share.is_finite());
    let shares: Option<Vec<f32>> = text.split([',', '/']).map(share).collect();
    shares.filter(|shares| shares.iter().sum::<f32>() > 0.0).map(Shares).ok_or_else(wrong)
}

/// Parses llama.cpp's values for on, off and auto.
fn flash(text: &str) -> Result<Flash, String> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "enabled" | "true" | "1" => Ok(Flash(Some(true))),
        "off" | "disabled" | "false" | "0" => Ok(Flash(Some(false))),
        "auto" | "-1" => Ok(Flash(None)),
        _ => Err("expected on, off, or auto".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_read_as_llama_cpp_reads_them() {
        for (text, expected) in [
            ("auto", Layers::Auto),
            ("-1", Layers::Auto),
            ("all", Layers::All),
            ("-2", Layers::All),
            ("0", Layers::Count(0)),
            ("99", Layers::Count(99)),
        ] {
            assert_eq!(layers(text), Ok(expected), "{text}");
        }
        for text in ["", "-3", "many", "1.5"] {
            assert!(layers(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shares_are_numbers_of_which_one_counts() {
        assert_eq!(shares("3,1").unwrap().0, [3.0, 1.0]);
        assert_eq!(shares("0/2.5").unwrap().0, [0.0, 2.5]);
        for text in ["", "3,", "0,0", "-1,2", "inf", "NaN,1", "x"] {
            assert!(shares(text).is_err(), "{text}");
        }
    }
}
