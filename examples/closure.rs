//! Tunes from code with a reward that is a Rust function: `closure [MODEL] [FOLDER]`.
//!
//! The bundled model adds two-digit numbers. Here a reply is worth more the nearer its number is to the sum, which no
//! reward of the program counts. Writes `closure.qes` into the folder and takes some seconds.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use qes_gguf::judge::Asked;
use qes_gguf::task::arith::Arith;
use qes_gguf::tune::Event;
use qes_gguf::tuning::{Finished, Tuning};

/// 1 for the right number, a half for one that is off by one, a third for two; nothing for what is no number.
fn nearness(asked: &Asked<'_>) -> f64 {
    let number = |text: &str| text.trim().parse::<i64>().ok();
    match (number(asked.reply), asked.wanted.and_then(number)) {
        (Some(reply), Some(wanted)) => 1.0 / (1.0 + reply.abs_diff(wanted) as f64),
        _ => 0.0,
    }
}

pub fn tune(model: &Path, log: &Path) -> Result<Finished> {
    let mut show = |event: &Event<'_>| match event {
        Event::Generation { record, .. } => println!("{:2}  {:.4}", record.generation, record.fitness.mean),
        Event::Evaluation(found) => println!("held out: {:.4} mean reward", found.mean_reward),
        _ => (),
    };
    let run = Tuning::new(model, Arith::default(), nearness)
        .name("nearness")
        .generations(8)
        .population(16)
        .prompts(32)
        .evaluations(0, 256)
        .reply_tokens(5);
    Ok(run.run(log, &AtomicBool::new(false), &mut show)?)
}

#[allow(dead_code)] // A test calls `tune` alone.
fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).map(PathBuf::from);
    let model = arguments.next().unwrap_or_else(|| "models/arith-tiny-q4_k.gguf".into());
    let log = arguments.next().unwrap_or_else(std::env::temp_dir).join("closure.qes");
    let finished = tune(&model, &log)?;
    println!("{} generations in {:.1} s", finished.summary.generations, finished.summary.seconds);
    println!("wrote {}; try: qes-gguf export {} {0} -o tuned.gguf", log.display(), model.display());
    Ok(())
}
