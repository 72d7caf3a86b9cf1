//! The figures of one model, printed as they come.

use std::path::Path;

use anyhow::{Context, Result};
use qes_gguf::settings::Settings;
use qes_gguf::sweep::ResidualStore;
use serde::Serialize;

use crate::clock::{Samples, Timing};
use crate::subject::{HISTORY, Subject, Workload};

/// What was measured on one model.
#[derive(Debug, Serialize)]
pub struct Figures {
    model: String,
    model_bytes: u64,
    codes: u64,
    settings: Settings,
    threads: usize,
    /// Bringing a generation's requests into batches.
    prepare: Timing,
    edits: Edits,
    inference: Inference,
    update: Update,
    generation: Generation,
}

/// The edits of a member.
#[derive(Debug, Serialize)]
struct Edits {
    perturb: Timing,
    restore: Timing,
}

/// Evaluating a member.
#[derive(Debug, Serialize)]
struct Inference {
    /// Tokens that the engine evaluates, and that llama.cpp by itself does, where sequences share none.
    tokens: usize,
    stock_tokens: usize,
    /// Tensors that llama.cpp interleaves.
    interleaved: usize,
    tuned: Timing,
    /// With weights in the file's layout.
    plain: Timing,
    /// llama.cpp by itself.
    stock: Timing,
    /// How many times as fast as with the file's layout.
    repacking_gain: f64,
    /// Tokens a second, those of llama.cpp by itself being 1.
    speed_ratio: f64,
}

/// The update of a generation.
#[derive(Debug, Serialize)]
struct Update {
    /// Generations replayed; 1 where the residual is stored.
    replayed: u64,
    codes_moved: u64,
    by_threads: Vec<Threaded>,
}

/// Something done with some number of threads.
#[derive(Debug, Serialize)]
struct Threaded {
    threads: usize,
    timing: Timing,
    /// How many times as fast as with one thread.
    speedup: f64,
}

/// Where a generation's seconds go, computed from the parts.
#[derive(Clone, Copy, Debug, Serialize)]
struct Generation {
    outside_seconds: f64,
    inference_seconds: f64,
    outside_share: f64,
}

impl Figures {
    /// Measures a model.
    pub fn measure(path: &Path, workload: Workload, threads: usize, repeats: usize) -> Result<Self> {
        let mut subject = Subject::load(path, workload, threads, repeats)?;
        let (codes, settings) = (subject.codes(), subject.header.settings.clone());
        let model = path.display().to_string();
        println!("{model}: {codes} codes, {} members, {threads} threads", settings.population);
        let prepare = subject.time_preparing()?.timing();
        show("prepare a generation's requests", prepare, "");
        let edits = Edits::measure(&mut subject)?;
        let inference = Inference::measure(&mut subject, path)?;
        let update = Update::measure(&mut subject, threads)?;
        let newest = update.by_threads.last().context("no update was measured")?;
        let generation =
            Generation::new(settings.population, prepare, &edits, inference.tuned, newest.timing);
        generation.show();
        let model_bytes = subject.header.base.bytes;
        Ok(Self {
            model,
            model_bytes,
            codes,
            settings,
            threads,
            prepare,
            edits,
            inference,
            update,
            generation,
        })
    }
}

impl Edits {
    fn measure(subject: &mut Subject) -> Result<Self> {
        let [perturb, restore] = subject.time_edits()?.map(|samples| samples.timing());
        let edits = [("perturb a member", perturb), ("restore", restore)];
        for (what, timing) in edits {
            show(what, timing, &per_second(subject.codes(), timing, "codes"));
        }
        Ok(Self { perturb, restore })
    }
}

impl Inference {
    fn measure(subject: &mut Subject, path: &Path) -> Result<Self> {
        let tokens = subject.tokens()?;
        let interleaved = subject.interleaved();
        let ([tuned, plain, stock], stock_tokens) = subject.time_inference(path)?;
        let repacking_gain = plain.ratio(&tuned);
        let speed_ratio = stock.ratio(&tuned) * tokens as f64 / stock_tokens as f64;
        let (tuned, plain, stock) = (tuned.timing(), plain.timing(), stock.timing());
        let rate = |tokens: usize, timing| per_second(tokens as u64, timing, "tokens");
        let of_tuned = rate(tokens, tuned);
        show(
            "inference, one member",
            tuned,
            &format!("{of_tuned} ({tokens} tokens, {interleaved} interleaved)"),
        );
        show("with the file's layout", plain, &format!("interleaving is {repacking_gain:.3} times as fast"));
        let of_stock = rate(stock_tokens, stock);
        show("llama.cpp by itself", stock, &format!("{of_stock} ({stock_tokens}), ratio {speed_ratio:.3}"));
        Ok(Self { tokens, stock_tokens, interleaved, tuned, plain, stock, repacking_gain, speed_ratio })
    }
}

impl Update {
    /// With 1, 2 and all threads.
    fn measure(subject: &mut Subject, all: usize) -> Result<Self> {
        let mut threads = vec![1, 2.min(all), all];
        threads.dedup();
        let (samples, moves) = subject.time_updates(&threads)?;
        let threaded = |(&threads, of_threads): (&usize, &Samples)| Threaded {
            threads,
            timing: of_threads.timing(),
            speedup: samples[0].ratio(of_threads),
        };
        let by_threads: Vec<Threaded> = threads.iter().zip(&samples).map(threaded).collect();
        let replayed = if matches!(subject.residual, ResidualStore::Stored(_)) { 1 } else { HISTORY };
        for Threaded { threads, timing, speedup } in &by_threads {
            let what = format!("update of {replayed} generation(s), {threads} thread(s)");
            show(&what, *timing, &format!("{} {speedup:.2}x", per_second(subject.codes(), *timing, "codes")));
        }
        Ok(Self { replayed, codes_moved: moves.moved, by_threads })
    }
}

impl Generation {
    fn new(population: u32, prepare: Timing, edits: &Edits, member: Timing, update: Timing) -> Self {
        let members = f64::from(population);
        let of_member = edits.perturb.seconds + edits.restore.seconds;
        let outside_seconds = prepare.seconds + members * of_member + update.seconds;
        let inference_seconds = members * member.seconds;
        let outside_share = outside_seconds / (outside_seconds + inference_seconds);
        Self { outside_seconds, inference_seconds, outside_share }
    }

    fn show(self) {
        let Self { outside_seconds, inference_seconds, outside_share } = self;
        println!(
            "  a generation, computed from these: {outside_seconds:.2} s outside inference, {inference_seconds:.2} s in \
             it, {:.2}% outside\n",
            100.0 * outside_share
        );
    }
}

fn show(what: &str, timing: Timing, more: &str) {
    println!("  {what:<38} {:>11.3} ms, median of {:>2}  {more}", 1e3 * timing.seconds, timing.runs);
}

fn per_second(count: u64, timing: Timing, unit: &str) -> String {
    format!("{:.2e} {unit}/s", count as f64 / timing.seconds)
}
