//! `qes-gguf probe`: a forecast of a run, and settings that suit it. `tune --auto` begins with the same.

use std::ffi::OsString;
use std::sync::atomic::AtomicBool;

use anyhow::{Result, anyhow};

use super::args::ProbeArgs;
use super::begin::Begun;
use super::json::{NoiseDrift, ProbeFields, ProbeOutput, SeenExample, SigmaTrial, TunedRows};
use super::resolve::RunOptions;
use super::{CommandEnd, chat, definition, interrupt, out, progress, setup, text, tokens};
use crate::block::Field;
use crate::llama::{LlamaEngine, LlamaOptions, check_built_in};
use crate::model::Model;
use crate::plan::Search;
use crate::probe::{
    Choice, DriftOfNoise, Findings, Fixed, Outlook, TimeForecast, Trial, choose, forecast, main_type, probe,
};
use crate::recipe::{self, Effort, RowsFor, Scope, two_digits};
use crate::seed_log::{Header, pin_noise};
use crate::settings::{Settings, TypeSettings};
use crate::tensor_type::TensorType;
use crate::tune::{Evaluators, ResidualMode};
use crate::tuning::engine;

/// Probes for the run that `words`, the program's arguments, would make with `tune` as the command.
pub fn run(args: &ProbeArgs, words: &[OsString]) -> Result<CommandEnd> {
    check_built_in()?;
    let options = RunOptions::new(&args.run)?;
    let objective = definition::objective(&args.run, options.inference.ctx_size)?;
    let as_json = args.json;
    let model = Model::open(&args.model)?;
    let Begun { header, mut evaluators, tokens: found, told } = Begun::new(&options, objective, &model)?;
    let stop = interrupt::flag()?;
    let memory = options.memory(&model);
    let before = memory.plan(&header)?;
    let inference = LlamaOptions { context_bytes: before.contexts, ..options.inference.clone() };
    let mut engine = engine(model, &header.tensors, &inference)?;
    setup::rehearse(&mut evaluators, &engine)?;
    told.warnings.iter().for_each(out::warn);
    chat::warn(&evaluators.task, &engine)?;
    let example = evaluators.task.example(&engine, false)?;
    let Some(probed) =
        Probed::find(&options.search, &mut engine, &mut evaluators, &header, before.mode, &stop)?
    else {
        return Ok(CommandEnd::Interrupted);
    };
    let mode = memory.plan(&probed.header)?.mode;
    let line = tune_line(words, &options.search, &probed);
    if as_json {
        let example = example.as_ref().map(SeenExample::from);
        out::json(&ProbeOutput {
            found: probed.fields(mode),
            command: line,
            example,
            rows: found.as_ref().map(TunedRows::of),
        })?;
    } else {
        example.iter().try_for_each(|example| out::line(chat::lines(example)))?;
        found.iter().try_for_each(|found| out::line(tokens::line(found)))?;
        out::line(probed.lines(mode, &line))?;
    }
    Ok(CommandEnd::Success)
}

/// Findings of a probe, and the run that follows from them.
pub struct Probed {
    /// The header that the probe was made with.
    asked: Header,
    findings: Findings,
    choice: Choice,
    sizes: RelativeSizes,
    /// The header of the run with the chosen settings.
    pub header: Header,
}

impl Probed {
    /// Probes, with a progress bar if the standard error stream is a terminal; `None` when interrupted.
    ///
    /// # Errors
    /// When inference fails, or all sizes of noise give rewards that are not numbers.
    pub fn find(
        search: &Search,
        engine: &mut LlamaEngine,
        evaluators: &mut Evaluators,
        header: &Header,
        mode: ResidualMode,
        stop: &AtomicBool,
    ) -> Result<Option<Self>> {
        let mut header = header.clone();
        if !fixed(search).prompts {
            // The luck of the problems does not show in a single one.
            header.task.prompts = header.task.prompts.max(recipe::SCORED_PROMPTS);
        }
        let header = &header;
        let bar = progress::bar(0, "probing  member {pos}/{len}  {wide_bar}  {eta_precise} left");
        let found = probe(engine, evaluators, header, stop, &mut |done, of| {
            bar.set_length(of);
            bar.set_position(done);
        });
        progress::finish(&bar);
        let Some(findings) = found? else { return Ok(None) };
        let choice = choose(header, &findings, mode, fixed(search)).ok_or_else(|| {
            anyhow!(
                "the fitness of perturbed members is not a finite number, with any of the noise that was tried; try a much \
                 smaller --sigma"
            )
        })?;
        let mut chosen = Header { settings: choice.settings.clone(), ..header.clone() };
        let sizes = RelativeSizes::of(&chosen);
        sizes.set(&mut chosen, fixed(search));
        chosen.task.prompts = choice.prompts;
        Ok(Some(Self { asked: header.clone(), findings, choice, sizes, header: pin_noise(chosen)? }))
    }

    /// Returns the forecast of the run's time, with its residual in this mode.
    pub fn forecast(&self, mode: ResidualMode) -> TimeForecast {
        forecast(&self.findings, &self.header.settings, &self.header.task, mode, self.asked.task.prompts)
    }

    /// Returns lines of text: the findings, the expected results, and the command to type.
    fn lines(&self, mode: ResidualMode, line: &str) -> String {
        let findings = &self.findings;
        let mut lines = vec![
            format!(
                "probed with {} members on {} problems each in {}",
                findings.members,
                self.asked.task.prompts,
                text::seconds(findings.seconds)
            ),
            format!("fitness         {:.4}", findings.fitness),
            String::new(),
            "noise           signal in differences  cost in fitness".to_owned(),
        ];
        let mut trials = findings.trials.clone();
        trials.sort_by(|a, b| a.factor.total_cmp(&b.factor));
        lines.extend(trials.iter().map(|trial| self.line_of(trial)));
        lines.push(self.mirror());
        lines.extend(self.damage());
        lines.push(String::new());
        lines.extend(self.expectations(mode));
        lines.extend([String::new(), self.chosen(), format!("  {line}")]);
        lines.join("\n")
    }

    fn line_of(&self, trial: &Trial) -> String {
        let is_chosen = if trial.factor == self.choice.trial.factor { "  <- chosen" } else { "" };
        let (reliability, cost) = (text::percent(trial.signal.reliability(1.0)), trial.signal.cost);
        let noise = match self.findings.displacement {
            Some(displacement) => text::percent(displacement * trial.factor),
            None => format!("x{}", two_digits(trial.factor)),
        };
        format!("{noise:<15} {reliability:>6}                 {cost:.5}{is_chosen}")
    }

    /// Describes whether mirrored members pay.
    fn mirror(&self) -> String {
        let even = self.findings.even;
        let verdict = if even > 0.5 { "--mirror pays" } else { "mirrored members (--mirror) do not pay" };
        format!("even share      {}: {verdict}", text::percent(even))
    }

    /// Describes how a perturbation affects the model's other abilities.
    fn damage(&self) -> Option<String> {
        let told = |name: &str, of: Option<DriftOfNoise>| {
            of.map(|DriftOfNoise { rise, error }| {
                format!("{name} {} ± {}", text::drift::signed(rise), text::percent(error))
            })
        };
        let Findings { texts, own_replies, .. } = self.findings;
        let all: Vec<String> =
            told("plain text", texts).into_iter().chain(told("own replies", own_replies)).collect();
        (!all.is_empty()).then(|| format!("drift of noise  {}", all.join(", ")))
    }

    /// Returns lines on the expected results of the run.
    pub fn expectations(&self, mode: ResidualMode) -> Vec<String> {
        let told = self.forecast(mode);
        let outside = 1.0 - told.inference / told.generation.max(f64::MIN_POSITIVE);
        let mut lines = vec![
            format!(
                "a generation    about {}, {} of it outside inference",
                text::seconds(told.generation),
                text::percent(outside),
            ),
            format!(
                "the run         about {}: {}, and evaluations of {} each",
                text::seconds(told.run),
                text::generations(self.header.settings.generations),
                text::seconds(told.evaluation),
            ),
        ];
        let Outlook { gain, texts, own_replies, displacement } = self.choice.outlook;
        lines.push(format!("fitness then    about {:.4}, {gain:+.4}", self.findings.fitness + gain));
        let of = |name: &str, share: Option<f64>| {
            share.map(|share| format!("{name} {}", text::drift::signed(share)))
        };
        let mut drift: Vec<String> =
            of("plain text", texts).into_iter().chain(of("own replies", own_replies)).collect();
        drift.extend(displacement.map(|[first, all]| {
            format!(
                "displacement {} in all, {} in the first generation",
                text::percent(all),
                text::percent(first)
            )
        }));
        if !drift.is_empty() {
            lines.push(format!("drift then      about {}, by noise alone", drift.join(", ")));
        }
        lines
    }

    /// Returns a line on the chosen settings.
    pub fn chosen(&self) -> String {
        let Header { settings, task, .. } = &self.header;
        let (members, problems) = (settings.population, text::problems(task));
        format!("chosen: {}; {members} members on {problems} each", self.sizes.told())
    }

    /// Returns the findings as JSON.
    pub fn fields(&self, mode: ResidualMode) -> ProbeFields<'_> {
        let told = self.forecast(mode);
        let (findings, outlook) = (&self.findings, &self.choice.outlook);
        let drift_of = |value: fn(DriftOfNoise) -> f64| NoiseDrift {
            texts: findings.texts.map(value),
            own_replies: findings.own_replies.map(value),
        };
        ProbeFields {
            fitness: findings.fitness,
            members: findings.members,
            seconds: findings.seconds,
            trials: findings.trials.iter().map(SigmaTrial::from).collect(),
            noise_cost: findings.cost.map(|cost| cost.slope),
            noise_cost_error: findings.cost.map(|cost| cost.error),
            even_share: findings.even,
            noise_drift: drift_of(|of| of.rise),
            noise_drift_error: drift_of(|of| of.error),
            noise_displacement: findings.displacement,
            settings: &self.header.settings,
            prompts: self.header.task.prompts,
            expected_gain: outlook.gain,
            expected_drift: NoiseDrift { texts: outlook.texts, own_replies: outlook.own_replies },
            expected_displacement: outlook.displacement.map(|[_, all]| all),
            seconds_generation: told.generation,
            seconds_inference: told.inference,
            seconds_evaluation: told.evaluation,
            seconds_run: told.run,
        }
    }
}

/// Returns the settings that flags have fixed.
fn fixed(search: &Search) -> Fixed {
    Fixed {
        sigma: search.sigma.is_some(),
        alpha: search.alpha.is_some() || search.alpha_final.is_some(),
        // A step that is given as a share of the weights holds for the population that it was given with.
        population: search.population.is_some() || search.alpha.is_some() || search.alpha_final.is_some(),
        // Which problems are chosen depends on how many.
        prompts: search.prompts.is_some() || search.candidates.is_some(),
    }
}

/// Returns the command of the run with the chosen settings.
fn tune_line(words: &[OsString], search: &Search, probed: &Probed) -> String {
    let (fixed, chosen, sizes) = (fixed(search), &probed.header, &probed.sizes);
    let mut line = "qes-gguf tune".to_owned();
    // The program's name and the command's come first; what it says meanwhile is of no matter to the run.
    let mut words = words.iter().skip(1).skip_while(|word| *word != "probe");
    words.next();
    for word in words.filter(|word| *word != "--json" && !is_verbosity(word)) {
        line += &format!(" {}", text::quoted(word.as_ref()));
    }
    let mut add = |is_fixed: bool, flag: &str, value: String| {
        if !is_fixed {
            line += &format!(" {flag} {value}");
        }
    };
    add(fixed.sigma, "--sigma", share(sizes.sigma));
    add(fixed.alpha, "--alpha", share(sizes.alpha));
    add(fixed.alpha, "--alpha-final", share(sizes.alpha_final));
    add(search.population.is_some(), "--population", chosen.settings.population.to_string());
    add(fixed.prompts, "--prompts", chosen.task.prompts.to_string());
    line
}

/// Checks whether a word is `-v`, `-vv`, `--verbose`.
fn is_verbosity(word: &OsString) -> bool {
    let Some(text) = word.to_str() else { return false };
    let of_letters =
        text.strip_prefix('-').is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c == 'v'));
    of_letters || text == "--verbose"
}

/// Sizes of noise and steps as displacement, in the form of flags: with two significant digits.
struct RelativeSizes {
    sigma: f64,
    alpha: f64,
    alpha_final: f64,
}

impl RelativeSizes {
    /// Returns the sizes of a run, by the type and field with the most integers.
    fn of(header: &Header) -> Self {
        let of_type = &header.settings.types[main_type(header)];
        let scope = scope(header, of_type);
        let unit = scope.unit(of_type.tensor_type, of_type.field);
        // A step of 1, converted to an alpha, gives the step of an alpha of 1.
        let step = 1.0 / scope.alpha(1.0, of_type.tensor_type, of_type.field);
        Self {
            sigma: rounded(of_type.sigma * unit),
            alpha: rounded(of_type.alpha * step),
            alpha_final: rounded(of_type.alpha_final * step),
        }
    }

    /// Sets them for all types and fields, as flags would, except those that are fixed.
    fn set(&self, header: &mut Header, fixed: Fixed) {
        let scopes: Vec<Scope> = header.settings.types.iter().map(|of_type| scope(header, of_type)).collect();
        for (of_type, scope) in header.settings.types.iter_mut().zip(scopes) {
            let (tensor_type, field) = (of_type.tensor_type, of_type.field);
            if !fixed.sigma {
                of_type.sigma = scope.sigma(self.sigma, tensor_type, field);
                of_type.hit = recipe::hit(of_type.sigma, scope.noise.hit_share);
            }
            if !fixed.alpha {
                of_type.alpha = scope.alpha(self.alpha, tensor_type, field);
                of_type.alpha_final = scope.alpha(self.alpha_final, tensor_type, field);
            }
        }
    }

    /// Returns them as text.
    fn told(&self) -> String {
        let Self { sigma, alpha, alpha_final } = *self;
        format!("sigma {}, alpha {} falling to {}", share(sigma), share(alpha), share(alpha_final))
    }
}

/// Returns the scope that the sizes of a type's field depend on.
fn scope(header: &Header, of_type: &TypeSettings) -> Scope {
    let Settings { types, population, mirror, .. } = &header.settings;
    let entries: Vec<(TensorType, Field)> = types.iter().map(|of| (of.tensor_type, of.field)).collect();
    let weights = header.tensors.iter().map(|spec| spec.codes).sum();
    let rows = header.task.right_replies.then_some(RowsFor::Ending);
    let effort = Effort { population: *population, ..Effort::of(weights, rows) };
    Scope::of(of_type.tensor_type, &entries, effort, *mirror)
}

/// Rounds a share to two significant digits: exactly the number that a flag with it means.
fn rounded(share: f64) -> f64 {
    two_digits(100.0 * share) / 100.0
}

/// Returns a share as a percentage with two significant digits, in the form of flags.
fn share(value: f64) -> String {
    format!("{}%", two_digits(100.0 * value))
}
