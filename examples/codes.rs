//! Reads the codes of a GGUF: `codes [MODEL]` tells for each tensor how often each code is used.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use qes_gguf::block::read_codes;
use qes_gguf::gguf::Gguf;

/// A tensor's name and how often each code is in it.
pub type Histogram = (String, BTreeMap<i16, usize>);

/// The histograms of all tensors that have codes which can be tuned.
pub fn histograms(model: &Path) -> Result<Vec<Histogram>> {
    let bytes = std::fs::read(model).with_context(|| model.display().to_string())?;
    let gguf = Gguf::parse(&bytes)?;
    let codes = |tensor: &qes_gguf::gguf::TensorEntry| {
        let codes = read_codes(tensor.tensor_type, &bytes[tensor.byte_range()])?;
        let mut counts = BTreeMap::new();
        codes.into_iter().for_each(|code| *counts.entry(code).or_default() += 1);
        Some((tensor.name.clone(), counts))
    };
    Ok(gguf.tensors().iter().filter_map(codes).collect())
}

#[allow(dead_code)] // A test calls `histograms` alone.
fn main() -> Result<()> {
    let model = std::env::args().nth(1).map_or("models/arith-tiny-q4_k.gguf".into(), PathBuf::from);
    for (name, counts) in histograms(&model)? {
        let all: usize = counts.values().sum();
        let share = |count: &usize| format!("{:.1}", 100.0 * *count as f64 / all as f64);
        let shares: Vec<String> = counts.values().map(share).collect();
        println!("{name:24} {all:8} codes, in percent from the lowest: {}", shares.join(" "));
    }
    Ok(())
}
