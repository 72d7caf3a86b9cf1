//! Makes a quantized model from a floating-point one: `quantize IN OUT TYPE`.

use std::path::Path;

use anyhow::Context;
use qes_gguf::llama;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, output, tensor_type] = arguments.as_slice() else {
        anyhow::bail!("usage: quantize IN OUT TYPE");
    };
    let threads = std::thread::available_parallelism().context("counting the processors")?.get();
    llama::quantize(Path::new(input), Path::new(output), tensor_type.parse()?, threads)?;
    Ok(())
}
