//! Fleets: the coordinator of `tune --fleet`, `qes-gguf worker`, and the files of `qes-gguf fleet`.

mod files;
mod place;
mod rest;
mod seat;
mod shop;
mod told;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};

use super::args::WorkerArgs;
use super::{CommandEnd, interrupt, out};
use crate::fleet::nats::{NatsOptions, NatsWorker};
use crate::fleet::{NodeKey, Notice, Pace, Worker};
use crate::llama::check_built_in;
use crate::store::read_text;
pub use files::run as files;
pub use seat::FleetPlan;
use shop::LlamaShop;

/// Wait between attempts, and for a unit.
const WAIT: Duration = Duration::from_secs(1);

/// Runs `qes-gguf worker`.
pub fn work(args: &WorkerArgs) -> Result<CommandEnd> {
    let cache = args.cache.clone().map_or_else(place::cache, Ok)?;
    let key_file = args.key.clone().unwrap_or_else(|| cache.join("worker.nk"));
    if args.enroll {
        return files::enroll(&key_file);
    }
    check_built_in()?;
    let Some(url) = args.fleet.clone() else { return Ok(CommandEnd::Negative) };
    let stored = stored_key(&key_file, args.key.is_some())?;
    let seed = stored.as_ref().map(NodeKey::seed).transpose()?;
    let key = stored.unwrap_or_else(NodeKey::random);
    let options = NatsOptions { url, seed, ca: args.broker.fleet_ca.clone() };
    let stop = interrupt::flag()?;
    let shop = LlamaShop::new(args, cache)?;
    let Some(bus) = connected(&options, key.public(), &stop)? else { return Ok(CommandEnd::Interrupted) };
    out::progress(format!("connected to {} as {}", options.url, key.public()));
    let pace = Pace { poll: WAIT, ..Pace::default() };
    let notes = Box::new(|notice: &Notice| told::of_worker(notice));
    Worker::new(shop, bus, key, pace, notes).work(&stop)?;
    Ok(CommandEnd::Interrupted)
}

/// Reads a key's file; without one, there is none unless it is `wanted`.
fn stored_key(path: &Path, wanted: bool) -> Result<Option<NodeKey>> {
    if !wanted && !path.exists() {
        return Ok(None);
    }
    let text = read_text(path)?;
    Ok(Some(NodeKey::parse(&text).with_context(|| path.display().to_string())?))
}

/// Connects, as soon as the server can be reached. Returns nothing if it was asked to stop meanwhile.
fn connected(options: &NatsOptions, key: &str, stop: &AtomicBool) -> Result<Option<NatsWorker>> {
    let mut is_told = false;
    while !stop.load(Ordering::Relaxed) {
        match NatsWorker::connect(options, key) {
            Ok(bus) => return Ok(Some(bus)),
            Err(error) if error.is_final => return Err(error.into()),
            Err(error) if !std::mem::replace(&mut is_told, true) => {
                out::warn(format!("{error}; trying again until it is there"));
            }
            Err(_) => {}
        }
        sleep(WAIT);
    }
    Ok(None)
}

/// Returns the path of a file of a fleet's folder.
fn file_of(folder: &Path, name: &str) -> PathBuf {
    folder.join(name)
}
