//! Hyper-parameters that may be given, and their values for a model and a task.

use regex::{Regex, RegexBuilder};

use super::{PlanError, Size, Sizes};
use crate::block::Field;
use crate::fitness::Shaping;
use crate::recipe::{self, Effort, Scope};
use crate::seed_log::MAX_PROBLEMS;
use crate::settings::{Settings, TypeSettings, Window};
use crate::tensor_type::TensorType;
use crate::tune::ResidualMode;
use crate::update::Method;

/// Most bytes of a compiled pattern.
const PATTERN_BYTES: usize = 1 << 20;

/// Hyper-parameters; those that are `None` take the default for the model and the task.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Generations in all.
    pub generations: Option<u64>,
    /// Members of a generation.
    pub population: Option<u32>,
    /// `true` if members come in mirrored pairs.
    pub mirror: bool,
    /// Kinds of integers of the blocks that are tuned.
    pub fields: Option<Vec<Field>>,
    /// Size of the noise.
    pub sigma: Option<Sizes>,
    /// Step size of the first generation.
    pub alpha: Option<Sizes>,
    /// Step size of the last generation.
    pub alpha_final: Option<Sizes>,
    /// Update rule of the codes.
    pub method: Option<Method>,
    /// Share of the residual that the next generation keeps.
    pub decay: Option<f64>,
    /// Window of generations from which the residual is rebuilt.
    pub window: Option<Window>,
    /// Probability with which a code is pulled towards its base value after an update.
    pub anchor: Option<f64>,
    /// Problems in each member's evaluation.
    pub prompts: Option<u32>,
    /// Candidates from which those problems are chosen.
    pub candidates: Option<u32>,
    /// Mapping from fitness to weights.
    pub shaping: Option<Shaping>,
    /// Regular expression for the names of the tensors that are tuned.
    pub tensors: Option<String>,
    /// Tokens whose rows of the output matrix are tuned, and nothing else.
    pub tokens: Option<Tokens>,
    /// Mode of the residual.
    pub residual: Option<ResidualMode>,
    /// Generations between held-out evaluations.
    pub eval_every: Option<u64>,
    /// Problems of a held-out evaluation.
    pub eval_problems: Option<u32>,
    /// Seed of the run.
    pub seed: Option<u64>,
}

/// Choice of the tokens whose rows are tuned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tokens {
    /// Tokens that stand out, or whole tensors if none do.
    Auto,
    /// Whole tensors.
    All,
    /// Tokens with these numbers.
    These(Vec<u64>),
}

impl Search {
    /// Returns whether to look for tokens that stand out: if that is asked for, or if no other setting excludes it.
    pub fn looks_for_tokens(&self) -> bool {
        let sizes = [&self.sigma, &self.alpha, &self.alpha_final];
        let fits_rows = self.tensors.is_none()
            && self.fields.is_none()
            && sizes.into_iter().flatten().all(Sizes::fits_all);
        self.tokens.as_ref().map_or(fits_rows, |tokens| *tokens == Tokens::Auto)
    }

    /// Checks the settings that need neither model nor task.
    pub(super) fn check(&self) -> Result<(), PlanError> {
        if matches!(self.tokens, Some(Tokens::Auto | Tokens::These(_))) && self.tensors.is_some() {
            return Err(PlanError::TokensAndTensors);
        }
        self.check_method(self.method())?;
        let counts = [
            ("--candidates", self.candidates),
            ("--prompts", self.prompts),
            ("--eval-problems", self.eval_problems),
        ];
        for (flag, number) in counts.iter().filter_map(|(flag, number)| Some((*flag, (*number)?))) {
            if !(1..=MAX_PROBLEMS).contains(&number) {
                return Err(PlanError::Count { flag, number });
            }
        }
        Ok(())
    }

    /// Refuses settings of the residual that the method does not support.
    ///
    /// # Errors
    /// When there is one; it names the flag.
    pub fn check_method(&self, method: Method) -> Result<(), PlanError> {
        let given = [
            ("--decay", self.decay.is_some()),
            ("--window", self.window.is_some()),
            ("--residual", self.residual.is_some()),
        ];
        if !method.has_residual()
            && let Some((flag, _)) = given.iter().find(|(_, given)| *given)
        {
            return Err(PlanError::NoResidual { flag, method });
        }
        match (self.window, self.residual) {
            (Some(window @ Window::Last(_)), _) if method.looks_at_codes() => {
                Err(PlanError::Window { window, method })
            }
            (_, Some(ResidualMode::Replay)) if method.looks_at_codes() => Err(PlanError::Replayed { method }),
            _ => Ok(()),
        }
    }

    /// Returns the pattern of the tensors that are tuned, if there is one.
    pub(super) fn pattern(&self) -> Result<Option<Regex>, PlanError> {
        let build = |text: &String| RegexBuilder::new(text).size_limit(PATTERN_BYTES).build();
        self.tensors.as_ref().map(build).transpose().map_err(PlanError::Pattern)
    }

    fn method(&self) -> Method {
        self.method.unwrap_or(Method::Qes)
    }

    /// Returns the settings of a run that tunes these fields of these types, with this effort by default.
    pub(super) fn settings(
        &self,
        entries: &[(TensorType, Field)],
        effort: Effort,
    ) -> Result<Settings, PlanError> {
        let method = self.method();
        let mut settings = Settings {
            seed: self.seed.unwrap_or(0),
            population: self.population.unwrap_or(effort.population),
            mirror: self.mirror,
            generations: self.generations.unwrap_or(effort.generations),
            types: Vec::new(),
            method,
            decay: self.decay.unwrap_or(recipe::decay(method)),
            window: self.window.unwrap_or(recipe::window(method)),
            anchor: self.anchor.unwrap_or(0.0),
            shaping: self.shaping.unwrap_or(Shaping::Zscore),
        };
        self.check_sizes(entries)?;
        let of_entry = |&(tensor_type, field): &(TensorType, Field)| {
            let effort = Effort { population: settings.population, ..effort };
            let scope = Scope::of(tensor_type, entries, effort, settings.mirror);
            self.type_settings(tensor_type, field, scope)
        };
        settings.types = entries.iter().map(of_entry).collect();
        settings.validate()?;
        Ok(settings)
    }

    /// Refuses sizes for types and fields that this run does not tune.
    fn check_sizes(&self, entries: &[(TensorType, Field)]) -> Result<(), PlanError> {
        let sizes =
            [("--sigma", &self.sigma), ("--alpha", &self.alpha), ("--alpha-final", &self.alpha_final)];
        for (flag, sizes) in sizes.iter().filter_map(|(flag, sizes)| Some((*flag, sizes.as_ref()?))) {
            if !entries.iter().any(|(of_type, field)| sizes.find(*of_type, *field).is_some()) {
                let name = |(of_type, field): &(TensorType, Field)| format!("{of_type}.{field}");
                let tuned = entries.iter().map(name).collect();
                return Err(PlanError::SizeForNothing { flag, given: sizes.to_string(), tuned });
            }
        }
        Ok(())
    }

    /// Returns noise and steps of a field of a type.
    fn type_settings(&self, tensor_type: TensorType, field: Field, scope: Scope) -> TypeSettings {
        let default = recipe::type_settings(tensor_type, field, scope);
        let given = |sizes: &Option<Sizes>| sizes.as_ref().and_then(|sizes| sizes.find(tensor_type, field));
        let step = |size: Size| match size {
            Size::Steps(alpha) => alpha,
            Size::Displacement(step) => scope.alpha(step, tensor_type, field),
        };
        let sigma = given(&self.sigma).map_or(default.sigma, |size| match size {
            Size::Steps(sigma) => sigma,
            Size::Displacement(sigma) => scope.sigma(sigma, tensor_type, field),
        });
        let alpha = given(&self.alpha).map(step);
        // A given alpha keeps the default's fall.
        let falls_to = alpha.map_or(default.alpha_final, |alpha| alpha * default.alpha_final / default.alpha);
        TypeSettings {
            tensor_type,
            field,
            sigma,
            hit: recipe::hit(sigma, scope.noise.hit_share),
            alpha: alpha.unwrap_or(default.alpha),
            alpha_final: given(&self.alpha_final).map_or(falls_to, step),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_nothing_are_refused() {
        let entries = [(TensorType::Q8_0, Field::Scales)];
        let refused = |alpha: &str| {
            let search = Search { alpha: Some(alpha.parse().unwrap()), ..Search::default() };
            search.settings(&entries, Effort::of(1000, None)).map_err(|e| e.to_string())
        };
        assert!(refused("Q8_0=1").is_ok());
        let message = refused("codes=1").unwrap_err();
        assert!(
            message.contains("--alpha codes=1 is for nothing that is tuned here: Q8_0.scales"),
            "{message}"
        );
    }

    #[test]
    fn tokens_are_looked_for_where_nothing_speaks_against_it() {
        let looks = |change: fn(&mut Search)| {
            let mut search = Search::default();
            change(&mut search);
            search.looks_for_tokens()
        };
        assert!(looks(|_| ()) && looks(|s| s.sigma = "2%".parse().ok()));
        assert!(looks(|s| (s.tokens, s.fields) = (Some(Tokens::Auto), Some(vec![Field::Scales]))));
        for change in [
            (|s| s.tokens = Some(Tokens::All)) as fn(&mut Search),
            |s| s.tokens = Some(Tokens::These(vec![1])),
            |s| s.fields = Some(vec![Field::Scales]),
            |s| s.tensors = Some("attn".to_owned()),
            |s| s.alpha = "0.1".parse().ok(),
            |s| s.alpha_final = "mins=1%".parse().ok(),
        ] {
            assert!(!looks(change));
        }
    }
}
