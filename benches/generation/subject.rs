//! One model in the middle of a run, and what is timed on it.

use std::path::Path;

use anyhow::{Context, Result};
use qes_gguf::block::integers_of_block;
use qes_gguf::engine::{Engine, Request};
use qes_gguf::llama::{LlamaEngine, LlamaOptions, Prepared, TensorSlot};
use qes_gguf::model::Model;
use qes_gguf::noise::NoiseSeed;
use qes_gguf::perturb::{Applied, Edit, Member, Sign};
use qes_gguf::recipe;
use qes_gguf::replay::History;
use qes_gguf::rng::{Domain, Source};
use qes_gguf::seed_log::Header;
use qes_gguf::settings::TypeSettings;
use qes_gguf::store::WorkingCopy;
use qes_gguf::sweep::{PerTile, ResidualStore, edit_all, per_tile, update_all};
use qes_gguf::task::{Problem, Task, arith::Arith};
use qes_gguf::tensor_type::TensorType;
use qes_gguf::update::Moves;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::clock::{Samples, rounds, time};
use crate::forged;
use crate::stock::{self, Stock};

/// Generations of history, all of which a replayed residual draws again.
pub const HISTORY: u64 = 48;

/// What a model is tuned on, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// 64 texts of 64 random letters, 32 members that hit one code in 125, the residual replayed.
    Letters,
    /// What a bare `tune --task arith` does.
    Defaults,
}

impl Workload {
    fn header(self, model: &Model) -> Result<Header> {
        match self {
            Self::Letters => forged::header(model, forged::POPULATION, forged::codes),
            Self::Defaults => forged::header(model, recipe::POPULATION, defaults),
        }
    }

    fn requests(self) -> Vec<Request> {
        match self {
            Self::Letters => (0..64).map(letters).collect(),
            Self::Defaults => {
                let problems = Arith::default().training(0, HISTORY, recipe::PROMPTS as usize);
                let request =
                    |problem: Problem| Request::new(problem.prompt.plain, problem.wanted.unwrap_or_default());
                problems.into_iter().map(request).collect()
            }
        }
    }

    /// Whether a bare `tune` would keep the residual in memory.
    fn stores_residual(self, header: &Header, history: &History) -> bool {
        self == Self::Defaults && recipe::stores_residual(header.integers() * history.residual_bytes())
    }
}

/// What a bare `tune` tunes of a type.
fn defaults(tensor_type: TensorType) -> Vec<TypeSettings> {
    let fields = recipe::FIELDS.into_iter().filter(|field| integers_of_block(tensor_type, *field) > 0);
    fields.map(|field| recipe::type_settings(tensor_type, field, forged::scope(recipe::POPULATION))).collect()
}

/// A text that is 64 tokens to evaluate on a model of bytes: what begins a text, 55 letters of prompt, 8 of completion.
fn letters(number: u64) -> Request {
    let mut stream = Source::new(0, Domain::Problems).stream(number);
    let mut text = |len| -> String { (0..len).map(|_| char::from(b'a' + stream.below(26) as u8)).collect() };
    Request::new(text(55), text(8))
}

/// A model in the middle of a run.
pub struct Subject {
    pub header: Header,
    pub residual: ResidualStore,
    history: History,
    requests: Vec<Request>,
    /// With tunable tensors, as `tune` has it.
    engine: LlamaEngine,
    applied: PerTile<Applied>,
    repeats: usize,
    options: LlamaOptions,
}

impl Subject {
    /// Loads a model as `tune` does and forges its history.
    pub fn load(path: &Path, workload: Workload, threads: usize, repeats: usize) -> Result<Self> {
        let model = Model::open(path)?;
        let header = workload.header(&model)?;
        let mut history = History::new(&header)?;
        (0..HISTORY).for_each(|generation| history.push(&forged::record(&header, generation)));
        let residual = if workload.stores_residual(&header, &history) {
            ResidualStore::Stored(per_tile(&history))
        } else {
            ResidualStore::Replay
        };
        let applied = per_tile(&history);
        let slot = |name: &String| {
            let tensor = model.gguf.tensor(name).with_context(|| format!("{name} is not in the model"))?;
            Ok(TensorSlot::whole(tensor))
        };
        let slots = header.tensors.iter().map(|spec| slot(&spec.name)).collect::<Result<Vec<_>>>()?;
        let options = LlamaOptions { threads, ..LlamaOptions::default() };
        let engine = LlamaEngine::load(model.working, slots, &options)?;
        let requests = workload.requests();
        Ok(Self { header, history, residual, requests, engine, applied, repeats, options })
    }

    /// Number of codes.
    pub fn codes(&self) -> u64 {
        self.header.codes()
    }

    /// Tokens that one member evaluates.
    pub fn tokens(&self) -> Result<usize> {
        Ok(self.prepared()?.scored_tokens())
    }

    fn prepared(&self) -> Result<Prepared> {
        Ok(self.engine.prepare(&self.requests)?)
    }

    /// Bringing a generation's requests into batches.
    pub fn time_preparing(&self) -> Result<Samples> {
        Ok(rounds(self.repeats, |_| Ok(vec![time(|| self.prepared())?]))?.swap_remove(0))
    }

    /// The edits of a member: perturb, restore. The first member, which does not count, also copies the pages that it changes,
    /// which a run pays for once.
    pub fn time_edits(&mut self) -> Result<[Samples; 2]> {
        let seeds = self.history.seeds_of(HISTORY);
        let samples = rounds(self.repeats, |round| {
            let member = Member { seed: &seeds[round % seeds.len()], sign: Sign::Plus };
            let mut edit = |what| time(|| self.edit(what, member));
            Ok(vec![edit(Edit::Perturb)?, edit(Edit::Restore)?])
        })?;
        Ok(samples.try_into().expect("two edits"))
    }

    /// Evaluating a member, in turns: on this engine with a member's codes, on one with the file's layout, and on llama.cpp
    /// by itself. Also how many tokens the last evaluates, which does not share what sequences have in common.
    pub fn time_inference(&mut self, path: &Path) -> Result<([Samples; 3], usize)> {
        let options = LlamaOptions { repack: false, ..self.options.clone() };
        let mut plain = LlamaEngine::load(WorkingCopy::open(path)?, Vec::new(), &options)?;
        let stock = Stock::load(path)?;
        let sequences = stock.sequences(&self.requests);
        let mut context = stock.context(&sequences, options.threads)?;
        let mut batches = stock::batches(&sequences)?;
        let seed = NoiseSeed::new(0);
        self.edit(Edit::Perturb, Member { seed: &seed, sign: Sign::Plus })?;
        let batch = self.prepared()?;
        let engine = &mut self.engine;
        let samples = rounds(self.repeats, |round| {
            let mut seconds = vec![0.0; 3];
            // Whoever comes next finds the other's leavings in the caches, so they change places.
            for turn in 0..3 {
                let which = (round + turn) % 3;
                seconds[which] = time(|| match which {
                    0 => Ok(engine.score(&batch).map(drop)?),
                    1 => Ok(plain.score(&batch).map(drop)?),
                    _ => stock::evaluate(&mut context, &mut batches),
                })?;
            }
            Ok(seconds)
        })?;
        self.edit(Edit::Restore, Member { seed: &seed, sign: Sign::Plus })?;
        let samples = samples.try_into().expect("three engines");
        Ok((samples, sequences.iter().map(Vec::len).sum()))
    }

    /// How many tensors llama.cpp interleaves.
    pub fn interleaved(&self) -> usize {
        self.engine.interleaved()
    }

    /// The update of the newest generation, with each of these numbers of threads, in turns, and what the first one moved:
    /// the same update again and again drives its codes to the ends of their range.
    pub fn time_updates(&mut self, threads: &[usize]) -> Result<(Vec<Samples>, Moves)> {
        let pool = |&threads: &usize| ThreadPoolBuilder::new().num_threads(threads).build();
        let pools: Vec<ThreadPool> = threads.iter().map(pool).collect::<Result<_, _>>()?;
        let mut first = None;
        let samples = rounds(self.repeats, |_| {
            pools.iter().map(|pool| time(|| self.update(pool, &mut first))).collect()
        })?;
        Ok((samples, first.unwrap_or_default()))
    }

    fn edit(&mut self, what: Edit, member: Member<'_>) -> Result<()> {
        let Self { history, engine, applied, .. } = self;
        edit_all(&[(what, member)], history, applied).on(engine)?;
        Ok(())
    }

    fn update(&mut self, pool: &ThreadPool, first: &mut Option<Moves>) -> Result<()> {
        let Self { history, residual, engine, .. } = self;
        let moves = pool.install(|| update_all(history, residual).on(engine))?;
        first.get_or_insert(moves);
        Ok(())
    }
}
