//! The coordinator of `tune --fleet`.

use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::{file_of, stored_key, told};
use crate::cli::args::FleetArgs;
use crate::cli::{out, text};
use crate::fleet::nats::{NatsCoordinator, NatsOptions};
use crate::fleet::{Audits, Fleet, FleetOptions, FleetSeat, Inference, Ledger, Notice, Pace, Roster};
use crate::llama::{LlamaEngine, LlamaOptions};
use crate::seed_log::SeedLog;
use crate::store::{read_log_file, read_text};
use crate::tune::Local;

use super::shop::kernel_class;

/// The population of a run on a fleet.
pub type FleetPopulation = Fleet<LlamaEngine, NatsCoordinator>;

/// The resolved flags of a run on a fleet.
#[derive(Clone, Debug)]
pub struct FleetPlan {
    nats: NatsOptions,
    folder: Option<PathBuf>,
    roster: Roster,
    audit: f64,
    deadline: u32,
}

impl FleetPlan {
    /// Resolves the flags; without `--fleet` there is no plan.
    ///
    /// # Errors
    /// When the key or the list of workers cannot be read.
    pub fn new(args: &FleetArgs) -> Result<Option<Self>> {
        let FleetArgs { fleet, fleet_dir, fleet_audit, fleet_deadline, broker } = args;
        let Some(url) = fleet.clone() else { return Ok(None) };
        let (seed, roster) = match fleet_dir {
            Some(folder) => of_folder(folder)?,
            None => {
                out::warn("note: without --fleet-dir, every worker that the server lets in is believed");
                (None, Roster::open())
            }
        };
        let nats = NatsOptions { url, seed, ca: broker.fleet_ca.clone() };
        let (folder, audit, deadline) = (fleet_dir.clone(), *fleet_audit, *fleet_deadline);
        Ok(Some(Self { nats, folder, roster, audit, deadline }))
    }

    /// Connects to the server, before hours of work.
    ///
    /// # Errors
    /// When it cannot be reached, or refuses.
    pub fn connect(&self) -> Result<NatsCoordinator> {
        Ok(NatsCoordinator::connect(&self.nats)?)
    }

    /// Returns the ledger of a log's file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn ledger(log: &Path) -> Result<Ledger> {
        Ok(Ledger::of(&String::from_utf8_lossy(&read_log_file(log)?)))
    }

    /// Returns the population of a run.
    pub fn population(
        &self,
        bus: NatsCoordinator,
        local: Local<LlamaEngine>,
        ledger: Ledger,
        log: &SeedLog,
        inference: &LlamaOptions,
        model: &Path,
    ) -> FleetPopulation {
        let inference = Inference {
            ctx_size: inference.ctx_size,
            parallel: inference.parallel.and_then(|parallel| u32::try_from(parallel).ok()),
            context_bytes: inference.context_bytes,
            repack: inference.repack,
        };
        let options = FleetOptions {
            class: kernel_class(inference.repack),
            one_class: log.header.task.depends_on_own_replies(),
            inference,
            roster: self.roster.clone(),
            audits: Audits { secret: secret(), share: self.audit },
            pace: Pace { stall: Duration::from_secs(self.deadline.into()), ..Pace::default() },
            model: Some((model.to_owned(), log.header.base.sha256.clone())),
        };
        let notes = Box::new(|notice: &Notice| told::of_coordinator(notice));
        Fleet::new(local, FleetSeat { bus, ledger, notes }, options)
    }

    /// Returns the flags that resume a run on the same fleet.
    pub fn flags(&self) -> String {
        let mut flags = format!(" --fleet {}", self.nats.url);
        if let Some(folder) = &self.folder {
            flags += &format!(" --fleet-dir {}", text::quoted(folder));
        }
        if let Some(ca) = &self.nats.ca {
            flags += &format!(" --fleet-ca {}", text::quoted(ca));
        }
        flags
    }
}

/// Reads the coordinator's key and the list of workers.
fn of_folder(folder: &Path) -> Result<(Option<String>, Roster)> {
    let key = stored_key(&file_of(folder, "coordinator.nk"), true)?;
    let path = file_of(folder, "workers.txt");
    let roster = Roster::parse(&read_text(&path)?).with_context(|| path.display().to_string())?;
    Ok((key.map(|key| key.seed()).transpose()?, roster))
}

/// Returns a number that nobody can foresee.
fn secret() -> u64 {
    // The standard library seeds this from the system's source of randomness.
    std::hash::RandomState::new().hash_one(())
}
