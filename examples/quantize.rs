//! Makes a quantized model from a floating-point one: `quantize IN OUT TYPE [PATTERN=TYPE]...`.
//!
//! TYPE is that of all matrices, and each PATTERN, a regular expression on tensors' names, makes an exception:
//! `quantize f16.gguf mixed.gguf Q4_K attn_v=Q6_K ffn_down=Q6_K`.

use std::path::Path;

use anyhow::Context;
use qes_gguf::llama;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, output, tensor_type, exceptions @ ..] = arguments.as_slice() else {
        anyhow::bail!("usage: quantize IN OUT TYPE [PATTERN=TYPE]...");
    };
    let exceptions = exceptions.iter().map(|text| exception(text)).collect::<anyhow::Result<Vec<_>>>()?;
    let threads = std::thread::available_parallelism().context("counting the processors")?.get();
    llama::quantize(Path::new(input), Path::new(output), tensor_type.parse()?, &exceptions, threads)?;
    Ok(())
}

fn exception(text: &str) -> anyhow::Result<llama::Exception> {
    let (pattern, tensor_type) =
        text.rsplit_once('=').with_context(|| format!("\"{text}\" is not of the form PATTERN=TYPE"))?;
    Ok((pattern.to_owned(), tensor_type.parse()?))
}
