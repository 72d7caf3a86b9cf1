//! Greedy replies of very different lengths: all at once, where a place that is free is taken by the next prompt, and group
//! by group, where each group waits for its slowest.

use std::path::Path;

use anyhow::{Context, Result};
use qes_gguf::engine::{Decoding, Engine, Request};
use qes_gguf::llama::{LlamaEngine, LlamaOptions, Prepared};
use qes_gguf::rng::{Domain, Source};
use qes_gguf::store::WorkingCopy;

use crate::clock::{Samples, rounds, time};

/// Longest reply.
const NEW_TOKENS: usize = 64;

/// Letters of a prompt; with the token that begins a text one more token.
const LETTERS: usize = 7;

/// What fits side by side into 1024 cells: 1 for the common beginning, and the letters and reply of each.
const GROUP: usize = (1024 - 1) / (LETTERS + NEW_TOKENS);
const GROUPS: usize = 4;

/// Ends a reply at a length that the prompt's own tokens decide, anything up to `NEW_TOKENS` and half of them below a quarter
/// of it: random weights hardly ever end one.
fn is_over(prompt: &[i32], replied: usize) -> bool {
    let hash = prompt.iter().fold(0_u32, |hash, &token| (hash ^ token as u32).wrapping_mul(0x9E37_79B1));
    let share = f64::from(hash >> 16) / f64::from(1 << 16);
    replied as f64 >= share * share * NEW_TOKENS as f64
}

/// Times both ways on a model, and prints them.
pub fn measure(path: &Path, threads: usize, repeats: usize) -> Result<()> {
    let options = LlamaOptions { threads, ctx_size: Some(1024), ..LlamaOptions::default() };
    let mut engine = LlamaEngine::load(WorkingCopy::open(path)?, Vec::new(), &options)?;
    let how = Decoding::greedy(NEW_TOKENS);
    let all = engine.prepare(&prompts())?;
    let groups = prompts().chunks(GROUP).map(|group| engine.prepare(group)).collect::<Result<Vec<_>, _>>()?;
    let lengths: Vec<usize> =
        engine.complete_until(&all, &how, is_over)?.iter().map(|reply| reply.chars().count()).collect();
    let samples = rounds(repeats, |_| {
        let at_once = time(|| Ok(engine.complete_until(&all, &how, is_over)?))?;
        let mut complete = |group: &Prepared| engine.complete_until(group, &how, is_over);
        let by_group = time(|| Ok(groups.iter().try_for_each(|group| complete(group).map(drop))?))?;
        Ok(vec![at_once, by_group])
    })?;
    let [at_once, by_group]: [Samples; 2] = samples.try_into().expect("two ways");
    let tokens: usize = lengths.iter().sum();
    let rate = |samples: &Samples| tokens as f64 / samples.timing().seconds;
    println!(
        "{}: {} replies of {} to {} tokens, {tokens} in all, {threads} threads\n  all at once {:.0} tokens/s, groups of {GROUP} \
         {:.0} tokens/s, ratio {:.3}, medians of {}",
        path.display(),
        lengths.len(),
        lengths.iter().min().context("no replies")?,
        lengths.iter().max().context("no replies")?,
        rate(&at_once),
        rate(&by_group),
        by_group.ratio(&at_once),
        at_once.timing().runs,
    );
    Ok(())
}

/// Texts of random letters, in order, as completion takes them anyway.
fn prompts() -> Vec<Request> {
    let prompt = |number: usize| {
        let mut stream = Source::new(0, Domain::Problems).stream(number as u64);
        let prompt: String = (0..LETTERS).map(|_| char::from(b'a' + stream.below(26) as u8)).collect();
        Request::new(prompt, "x")
    };
    let mut prompts: Vec<Request> = (0..GROUP * GROUPS).map(prompt).collect();
    prompts.sort_by(|a, b| a.prompt.cmp(&b.prompt));
    prompts
}
