//! What a worker works with on this machine: the base model, llama.cpp, and the task's judges.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::rest::Rest;
use crate::cli::args::WorkerArgs;
use crate::cli::sentence;
use crate::fleet::{Announcement, Inference, Shop, WorkerError};
use crate::llama::{HAS_GPU_BACKEND, LlamaEngine, LlamaOptions, instructions, version};
use crate::model::Model;
use crate::plan::Memory;
use crate::seed_log::{Header, SeedLog, TOOL};
use crate::store::{make_folder, suitable_threads};
use crate::tune::{Evaluators, Local};
use crate::tuning::engine;
use crate::workload::Workloads;

/// Returns the kernel class of this machine: all that the last bits of results depend on.
pub fn kernel_class(repack: bool) -> String {
    let repack = if repack { "interleaved" } else { "not interleaved" };
    let gpu = if HAS_GPU_BACKEND { ", with a GPU backend" } else { "" };
    let instructions = instructions().join("+");
    format!("{TOOL}, {}, {} {instructions}, {repack}{gpu}", version(), std::env::consts::ARCH)
}

/// A worker's machine.
pub struct LlamaShop {
    /// The base model that was named.
    model: Option<PathBuf>,
    /// The folder of models that were fetched.
    models: PathBuf,
    data: Option<PathBuf>,
    trusted: bool,
    threads: usize,
    rest: Rest,
}

impl LlamaShop {
    /// Returns this machine, as the flags describe it.
    ///
    /// # Errors
    /// When the folder of caches cannot be made.
    pub fn new(args: &WorkerArgs, cache: PathBuf) -> Result<Self> {
        let WorkerArgs { model, data, trust_log, threads, rest, .. } = args;
        let rest = Rest::new(rest);
        let models = cache.join("models");
        if model.is_none() {
            make_folder(&models)?;
        }
        let threads =
            threads.filter(|threads| *threads > 0).map_or_else(suitable_threads, |threads| threads as usize);
        // Fails only when the pool exists already, and then there is nothing to do.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
        Ok(Self { model: model.clone(), models, data: data.clone(), trusted: *trust_log, threads, rest })
    }

    /// Opens the base model of a run.
    fn model(&self, header: &Header) -> Result<Model, WorkerError> {
        let sha256 = header.base.sha256.clone();
        let place = self.models.join(format!("{sha256}.gguf"));
        let path: &Path = match &self.model {
            Some(path) => path,
            None if place.exists() => &place,
            None => return Err(WorkerError::LacksModel { sha256, place }),
        };
        let model = Model::open(path).map_err(shop)?;
        model.check_base(&header.base).map_err(shop)?;
        Ok(model)
    }

    fn evaluators(&self, header: &Header) -> Result<Evaluators> {
        let workloads = Workloads::of_log(&header.task, self.data.as_deref(), self.trusted)?;
        Ok(workloads.evaluators(header.settings.seed)?)
    }

    fn local(&self, log: &SeedLog, model: Model, inference: &Inference) -> Result<Local<LlamaEngine>> {
        let options = LlamaOptions {
            threads: self.threads,
            parallel: inference.parallel.map(|parallel| parallel as usize),
            ctx_size: inference.ctx_size,
            context_bytes: inference.context_bytes,
            repack: inference.repack,
            ..LlamaOptions::default()
        };
        let mode = Memory::of(&model, &options, None, None).plan(&log.header)?.mode;
        let mut evaluators = self.evaluators(&log.header)?;
        let engine = engine(model, &log.header.tensors, &options)?;
        evaluators.skip_long(&engine)?;
        Ok(Local::for_members(engine, evaluators, log, mode)?)
    }
}

/// Returns a worker's error.
fn shop(error: impl Into<anyhow::Error>) -> WorkerError {
    WorkerError::Shop(sentence(&error.into()))
}

impl Shop for LlamaShop {
    type Engine = LlamaEngine;

    fn class(&self, announcement: &Announcement) -> String {
        kernel_class(announcement.inference.repack)
    }

    fn open(
        &mut self,
        log: &SeedLog,
        announcement: &Announcement,
    ) -> Result<Local<LlamaEngine>, WorkerError> {
        let model = self.model(&log.header)?;
        self.local(log, model, &announcement.inference).map_err(shop)
    }

    fn may_work(&mut self) -> bool {
        self.rest.may_work()
    }
}
