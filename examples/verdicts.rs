//! Judges replies to sums: reads JSON objects with `problem` (`12+34`) and `reply` from the standard input, one a line, and prints for
//! each whether the task arith takes the reply for right.

use std::io::Read;

use anyhow::{Context, Result};
use qes_gguf::task::arith::Arith;
use qes_gguf::task::{Problem, Task};
use serde::Deserialize;

#[derive(Deserialize)]
struct Replied {
    problem: String,
    reply: String,
}

fn main() -> Result<()> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("reading replies")?;
    let task = Arith::default();
    let problems = task.held_out(usize::MAX);
    for line in text.lines() {
        let Replied { problem, reply } = serde_json::from_str(line)?;
        let is_meant = |known: &&Problem| known.prompt.plain.trim_end_matches('=') == problem;
        let known = problems.iter().find(is_meant).with_context(|| format!("{problem} is not held out"))?;
        println!("{}", task.judge(known, &reply).right);
    }
    Ok(())
}
