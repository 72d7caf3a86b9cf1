//! Has a model reply greedily: `reply MODEL [TOKENS [plain]]` reads prompts from the standard input, each a JSON string on a line of
//! its own, and prints the replies in the same way.
//!
//! With `plain`, weights stay in the file's layout, as with `--no-repack`. One thread, so that replies are the same each time.

use std::io::Read;

use anyhow::Context;
use qes_gguf::engine::{Decoding, Engine, Request};
use qes_gguf::llama::{LlamaEngine, LlamaOptions};
use qes_gguf::store::WorkingCopy;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (model, tokens, plain) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [model] => (model, "16", false),
        [model, tokens] => (model, tokens, false),
        [model, tokens, "plain"] => (model, tokens, true),
        _ => anyhow::bail!("usage: reply MODEL [TOKENS [plain]] < prompts.jsonl"),
    };
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("reading prompts")?;
    let request = |line: &str| Ok(Request::new(serde_json::from_str::<String>(line)?, ""));
    let requests = text.lines().map(request).collect::<anyhow::Result<Vec<_>>>()?;
    let options = LlamaOptions { threads: 1, repack: !plain, ..LlamaOptions::default() };
    let mut engine = LlamaEngine::load(WorkingCopy::open(model)?, Vec::new(), &options)?;
    let batch = engine.prepare(&requests)?;
    for reply in engine.complete(&batch, &Decoding::greedy(tokens.parse()?))? {
        println!("{}", serde_json::to_string(&reply)?);
    }
    Ok(())
}
