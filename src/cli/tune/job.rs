//! The resolved flags of `tune`.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::cli::args::TuneArgs;
#[cfg(feature = "fleet")]
use crate::cli::fleet::FleetPlan;
use crate::cli::resolve::RunOptions;
use crate::cli::{UsageError, definition, export};
use crate::export::Form;
use crate::store::Artefact;
use crate::workload::Objective;

/// A run that is to be made, or to be continued.
pub struct TuneJob {
    /// The model's file.
    pub model: PathBuf,
    /// The log's file.
    pub log: PathBuf,
    pub from: From,
    pub run: RunOptions,
    /// The tuned model that is written at the end.
    pub export: Option<export::ExportJob>,
    /// `true` if a probe chooses the settings.
    pub auto: bool,
    /// `true` if the log is replayed after every generation.
    pub paranoid: bool,
    /// `true` if the output is JSON, not text.
    pub json: bool,
    /// The fleet on which members are evaluated.
    #[cfg(feature = "fleet")]
    pub fleet: Option<FleetPlan>,
}

/// Starting point of a run.
pub enum From {
    /// From the base model, with a new log.
    Base {
        objective: Box<Objective>,
        /// `true` if an existing log is replaced.
        overwrite: bool,
    },
    /// From a log.
    Log {
        /// The task that the log must have.
        task: Option<String>,
        /// The present path of the log's data.
        data: Option<PathBuf>,
        /// `true` if a program named in the log may be run.
        trusted: bool,
    },
}

impl TuneJob {
    /// Resolves the flags.
    ///
    /// # Errors
    /// When a flag is invalid, or a file that defines the task cannot be read.
    pub fn new(args: &TuneArgs) -> Result<Self> {
        let run = RunOptions::new(&args.run)?;
        let from = if args.resume {
            let task = &args.run.task;
            From::Log { task: task.task.clone(), data: task.data.clone(), trusted: args.trust_log }
        } else {
            let objective = Box::new(definition::objective(&args.run, run.inference.ctx_size)?);
            From::Base { objective, overwrite: args.overwrite }
        };
        let of_model = || Path::new(args.model.file_name().unwrap_or_default()).with_extension("qes");
        let log = args.output.clone().unwrap_or_else(of_model);
        let export = args.export.clone().map(|output| export::ExportJob {
            model: args.model.clone(),
            log: log.clone(),
            output: Some(output),
            as_diff: None,
            card: args.card,
            ollama: false,
            overwrite: args.overwrite,
            until: None,
            form: if args.no_provenance { Form::Bare } else { Form::WithProvenance },
            digest: false,
        });
        #[cfg(feature = "fleet")]
        let fleet = FleetPlan::new(&args.fleet)?;
        let TuneArgs { model, auto, paranoid, json, .. } = args;
        let (auto, paranoid, json) = (*auto, *paranoid, *json);
        Ok(Self {
            model: model.clone(),
            log,
            from,
            run,
            export,
            auto,
            paranoid,
            json,
            #[cfg(feature = "fleet")]
            fleet,
        })
    }

    /// Returns whether a log is continued.
    pub fn resumes(&self) -> bool {
        matches!(self.from, From::Log { .. })
    }

    /// Returns the flags that resume the run on the same fleet.
    pub fn fleet_flags(&self) -> String {
        #[cfg(feature = "fleet")]
        if let Some(fleet) = &self.fleet {
            return fleet.flags();
        }
        String::new()
    }

    /// Checks, before hours of work, that the tuned model can be written.
    ///
    /// # Errors
    /// When it cannot.
    pub fn check_export(&self) -> Result<()> {
        let Some(export) = &self.export else { return Ok(()) };
        if self.resumes()
            && let Some(card) = export.card_path().filter(|card| card.exists())
        {
            return Err(UsageError(format!(
                "{} exists already, and --resume replaces nothing; move it away, or leave out --card and write it later with \
                 `export --card --overwrite`",
                card.display()
            ))
            .into());
        }
        export.check_places()?;
        export.output.as_deref().map_or(Ok(()), |place| Ok(Artefact::begin(place).map(drop)?))
    }
}
