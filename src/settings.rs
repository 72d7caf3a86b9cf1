//! The hyper-parameters of a run, checked once, and the schedule of its step size.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::block::{Field, integers_of_block};
use crate::fitness::Shaping;
use crate::noise::{Noise, NoiseError};
use crate::tensor_type::TensorType;
use crate::update::Method;

/// Largest population: beyond it a generation takes days on any machine, and a log's records would not fit memory.
pub const MAX_POPULATION: u32 = 1 << 16;

/// Valid step sizes, in steps of the integers.
pub const ALPHA_RANGE: std::ops::RangeInclusive<f64> = 0.0..=1000.0;

/// Largest number of generations.
pub const MAX_GENERATIONS: u64 = 1 << 24;

/// Hyper-parameters of a run: with the rewards, they decide every change of the codes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "settings"))]
pub struct Settings {
    /// The run's seed; pair seeds and problems are drawn from it.
    pub seed: u64,
    /// Members of a generation, at least 2; mirrored ones come in pairs and are at least 4.
    pub population: u32,
    /// True where members come in mirrored (antithetic) pairs of one perturbation and its negative. Otherwise each member has a
    /// perturbation of its own, and the population's mean is the baseline.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mirror: bool,
    /// Generations planned; the step size falls over this many.
    pub generations: u64,
    /// Noise and step size of each tensor type and field that is tuned.
    pub types: Vec<TypeSettings>,
    /// Rule by which codes move.
    pub method: Method,
    /// Share of the residual that the next generation keeps, from 0 to 1; 0 where there is no residual.
    #[cfg_attr(test, schemars(range(min = 0.0, max = 1.0)))]
    pub decay: f64,
    /// Generations that the residual is rebuilt from at least, or `all`: `all` where it depends on the codes, 1 where there is none.
    pub window: Window,
    /// Probability with which each code that is away from its base value is pulled a step back after an update; 0 for none.
    #[cfg_attr(test, schemars(range(min = 0.0, max = 1.0)))]
    pub anchor: f64,
    /// Rule by which fitness becomes weights.
    pub shaping: Shaping,
}

/// Noise and step size of one field of a tensor type, in steps of its integers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "type_settings"))]
pub struct TypeSettings {
    /// The type.
    #[serde(rename = "type")]
    pub tensor_type: TensorType,
    /// The field.
    pub field: Field,
    /// Root mean square of the perturbations.
    #[cfg_attr(test, schemars(extend("exclusiveMinimum" = 0)))]
    pub sigma: f64,
    /// Magnitude of a perturbation that is not 0.
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub hit: u16,
    /// Step size (learning rate) of the first generation.
    #[cfg_attr(test, schemars(range(min = 0.0, max = 1000.0)))]
    pub alpha: f64,
    /// Step size of the last generation; it changes linearly in between.
    #[cfg_attr(test, schemars(range(min = 0.0, max = 1000.0)))]
    pub alpha_final: f64,
}

/// The replay window: how much of the log the residual is rebuilt from.
///
/// Windows are anchored: with a window of K, the residual of generation t in mK..(m+1)K starts from zero at generation
/// (m-1)K, so it has seen K to 2K-1 generations. A pass over a whole log then needs two residuals and no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WindowForm", into = "WindowForm")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub enum Window {
    /// At least this many generations; at least 1.
    Last(u64),
    /// The whole log: the residual as the paper defines it, without truncation.
    All,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
enum WindowForm {
    Last(u64),
    Named(String),
}

impl TryFrom<WindowForm> for Window {
    type Error = String;

    fn try_from(form: WindowForm) -> Result<Self, Self::Error> {
        match form {
            WindowForm::Last(generations) => Ok(Self::Last(generations)),
            WindowForm::Named(name) if name == "all" => Ok(Self::All),
            WindowForm::Named(name) => Err(format!("window is \"{name}\", but must be a number or \"all\"")),
        }
    }
}

impl From<Window> for WindowForm {
    fn from(window: Window) -> Self {
        match window {
            Window::Last(generations) => Self::Last(generations),
            Window::All => Self::Named("all".to_owned()),
        }
    }
}

impl Window {
    /// Returns the generation at which the residual of `generation` starts from zero.
    pub fn start(self, generation: u64) -> u64 {
        match self {
            Self::Last(length) => (generation / length).saturating_sub(1) * length,
            Self::All => 0,
        }
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Last(length) => write!(f, "{length}"),
            Self::All => f.write_str("all"),
        }
    }
}

/// Errors of hyper-parameters.
#[derive(Debug, Error, PartialEq)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum SettingsError {
    #[error(
        "population is {0}, but must be from 2 to {MAX_POPULATION}: a single member has nothing to be compared with"
    )]
    Population(u32),
    #[error(
        "population is {0}, but mirrored members come in pairs, and a single pair has nothing to be compared with; use an even \
         number from 4 to {MAX_POPULATION}, or leave --mirror out"
    )]
    MirroredPopulation(u32),
    #[error("generations is {0}, but must be at most {MAX_GENERATIONS}")]
    Generations(u64),
    #[error("{field} of {tensor_type}: {source}")]
    Noise { tensor_type: TensorType, field: Field, source: NoiseError },
    #[error(
        "{field} of {tensor_type}: {name} is {value}, but must be a number from 0 to 1000 (in steps of the integers)"
    )]
    Alpha { tensor_type: TensorType, field: Field, name: &'static str, value: f64 },
    #[error("decay is {0}, but must be a number from 0 to 1")]
    Decay(f64),
    #[error("window is 0, but must be at least 1 generation, or \"all\"")]
    Window,
    #[error(
        "decay is {decay} and window {window}, but {name} has no residual, so they must be 0 and 1", name = method.name()
    )]
    NoResidual { method: Method, decay: f64, window: Window },
    #[error(
        "window is {window}, but must be \"all\": the residual of {name} depends on the codes of every generation",
        name = method.name()
    )]
    Truncated { method: Method, window: Window },
    #[error("anchor is {0}, but must be a probability from 0 to 1")]
    Anchor(f64),
    #[error("{1} of {0} are listed twice")]
    Duplicate(TensorType, Field),
    #[error("blocks of {0} have no {1}")]
    NoField(TensorType, Field),
    #[error("{0} cannot be tuned")]
    NotTunable(TensorType),
}

impl Settings {
    /// Checks every value.
    ///
    /// # Errors
    /// For the first invalid value.
    pub fn validate(&self) -> Result<(), SettingsError> {
        if !(2..=MAX_POPULATION).contains(&self.population) {
            return Err(SettingsError::Population(self.population));
        }
        if self.mirror && (self.population < 4 || self.population % 2 == 1) {
            return Err(SettingsError::MirroredPopulation(self.population));
        }
        if self.generations > MAX_GENERATIONS {
            return Err(SettingsError::Generations(self.generations));
        }
        if !(0.0..=1.0).contains(&self.decay) {
            return Err(SettingsError::Decay(self.decay));
        }
        if self.window == Window::Last(0) {
            return Err(SettingsError::Window);
        }
        self.validate_method()?;
        if !(0.0..=1.0).contains(&self.anchor) {
            return Err(SettingsError::Anchor(self.anchor));
        }
        for (position, of_type) in self.types.iter().enumerate() {
            of_type.validate()?;
            let same = |other: &TypeSettings| {
                other.tensor_type == of_type.tensor_type && other.field == of_type.field
            };
            if self.types[..position].iter().any(same) {
                return Err(SettingsError::Duplicate(of_type.tensor_type, of_type.field));
            }
        }
        Ok(())
    }

    /// Checks that the method supports decay and window.
    fn validate_method(&self) -> Result<(), SettingsError> {
        let Self { method, decay, window, .. } = *self;
        if !method.has_residual() && (decay, window) != (0.0, Window::Last(1)) {
            return Err(SettingsError::NoResidual { method, decay, window });
        }
        if method.looks_at_codes() && window != Window::All {
            return Err(SettingsError::Truncated { method, window });
        }
        Ok(())
    }

    /// Returns the planned alphas of a generation, one for each entry of `types`.
    pub fn alphas_at(&self, generation: u64) -> Vec<f64> {
        self.types.iter().map(|of_type| of_type.alpha_at(generation, self.generations)).collect()
    }

    /// Returns the number of perturbations, and of weights, in a generation: one a member, or one a mirrored pair.
    pub fn perturbations(&self) -> usize {
        self.population as usize / if self.mirror { 2 } else { 1 }
    }

    /// Returns the position in `types` of the settings of this type's field.
    pub fn index_of(&self, tensor_type: TensorType, field: Field) -> Option<usize> {
        self.types.iter().position(|of_type| of_type.tensor_type == tensor_type && of_type.field == field)
    }

    /// Returns the fields that are tuned, of any type.
    pub fn fields(&self) -> impl Iterator<Item = Field> + '_ {
        Field::ALL.into_iter().filter(|field| self.types.iter().any(|of_type| of_type.field == *field))
    }
}

impl TypeSettings {
    /// Returns the name of type and field, as `Q4_K.scales`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.tensor_type, self.field)
    }

    fn validate(&self) -> Result<(), SettingsError> {
        let Self { tensor_type, field, .. } = *self;
        if !tensor_type.is_tunable() {
            return Err(SettingsError::NotTunable(tensor_type));
        }
        if integers_of_block(tensor_type, field) == 0 {
            return Err(SettingsError::NoField(tensor_type, field));
        }
        self.noise().map_err(|source| SettingsError::Noise { tensor_type, field, source })?;
        for (name, value) in [("alpha", self.alpha), ("final alpha", self.alpha_final)] {
            if !ALPHA_RANGE.contains(&value) {
                return Err(SettingsError::Alpha { tensor_type, field, name, value });
            }
        }
        Ok(())
    }

    /// Returns the noise.
    ///
    /// # Errors
    /// When sigma or the magnitude of hits is out of range.
    pub fn noise(&self) -> Result<Noise, NoiseError> {
        Noise::new(self.sigma, self.hit)
    }

    /// Returns the step size of `generation` (from 0) in a run of `generations`.
    pub fn alpha_at(&self, generation: u64, generations: u64) -> f64 {
        let last = generations.saturating_sub(1).max(1);
        let passed = generation.min(last) as f64 / last as f64;
        self.alpha + (self.alpha_final - self.alpha) * passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        let of_type = TypeSettings {
            tensor_type: TensorType::Q4_K,
            field: Field::Codes,
            sigma: 0.1,
            hit: 1,
            alpha: 0.01,
            alpha_final: 0.002,
        };
        Settings {
            seed: 0,
            population: 4,
            mirror: true,
            generations: 5,
            types: vec![of_type],
            method: Method::Qes,
            decay: 0.9,
            window: Window::Last(32),
            anchor: 0.0,
            shaping: Shaping::Zscore,
        }
    }

    #[test]
    fn nonsense_is_named() {
        let refused = |change: fn(&mut Settings)| {
            let mut settings = settings();
            change(&mut settings);
            settings.validate().unwrap_err().to_string()
        };
        assert!(settings().validate().is_ok());
        assert!(refused(|s| s.population = 0).contains("population is 0"));
        assert!(refused(|s| s.population = 7).contains("population is 7"));
        assert!(refused(|s| s.population = 2).contains("population is 2"));
        assert!(refused(|s| s.population = 1).contains("nothing to be compared with"));
        assert!(refused(|s| s.population = u32::MAX - 1).contains("population"));
        assert!(Settings { population: 3, mirror: false, ..settings() }.validate().is_ok());
        assert!(refused(|s| s.generations = u64::MAX).contains("generations"));
        assert!(refused(|s| s.decay = 1.01).contains("decay is 1.01"));
        assert!(refused(|s| s.decay = -0.1).contains("decay"));
        assert!(refused(|s| s.decay = f64::NAN).contains("decay is NaN"));
        assert!(refused(|s| s.window = Window::Last(0)).contains("window"));
        assert!(refused(|s| s.anchor = 1.5).contains("anchor is 1.5"));
        assert!(refused(|s| s.anchor = -0.1).contains("anchor"));
        assert!(refused(|s| s.anchor = f64::NAN).contains("anchor is NaN"));
        assert!(refused(|s| s.types[0].sigma = 0.0).contains("codes of Q4_K: sigma is 0"));
        assert!(refused(|s| s.types[0].sigma = 1.5).contains("use larger hits"));
        assert!(refused(|s| s.types[0].hit = 0).contains("hit is 0"));
        assert!(refused(|s| s.types[0].sigma = f64::NAN).contains("sigma is NaN"));
        assert!(refused(|s| s.types[0].alpha = -1.0).contains("alpha is -1"));
        assert!(refused(|s| s.types[0].alpha_final = f64::INFINITY).contains("final alpha is inf"));
        assert!(refused(|s| s.types.push(s.types[0].clone())).contains("listed twice"));
        let mins_of_q8_0 = |s: &mut Settings| {
            s.types[0] =
                TypeSettings { tensor_type: TensorType::Q8_0, field: Field::Mins, ..s.types[0].clone() };
        };
        assert!(refused(mins_of_q8_0).contains("blocks of Q8_0 have no mins"));
        assert!(refused(|s| s.types[0].tensor_type = TensorType::from_ggml_id(0).unwrap()).contains("F32"));
    }

    #[test]
    fn a_method_has_the_decay_and_window_that_it_can_have() {
        let with = |method, decay, window| {
            Settings { method, decay, window, ..settings() }.validate().map_err(|e| e.to_string())
        };
        assert_eq!(with(Method::Qes, 0.0, Window::All), Ok(()));
        assert_eq!(with(Method::QesGated, 0.5, Window::All), Ok(()));
        let refused = with(Method::QesGated, 0.9, Window::Last(32)).unwrap_err();
        assert!(refused.contains("window is 32") && refused.contains("qes-gated"), "{refused}");
        for method in [Method::Quzo, Method::EsRound] {
            assert_eq!(with(method, 0.0, Window::Last(1)), Ok(()));
            for (decay, window) in [(0.9, Window::Last(1)), (0.0, Window::Last(2)), (0.0, Window::All)] {
                let refused = with(method, decay, window).unwrap_err();
                assert!(refused.contains(&format!("{} has no residual", method.name())), "{refused}");
            }
        }
    }

    #[test]
    fn methods_have_one_name() {
        for method in [Method::Qes, Method::QesGated, Method::Quzo, Method::EsRound] {
            assert_eq!(serde_json::to_string(&method).unwrap(), format!("{:?}", method.name()));
        }
    }

    #[test]
    fn alpha_falls_linearly_from_first_to_last() {
        let settings = settings();
        let alpha = |t| settings.types[0].alpha_at(t, 5);
        assert_eq!(alpha(0), 0.01);
        assert!((alpha(2) - 0.006).abs() < 1e-12);
        assert!((alpha(4) - 0.002).abs() < 1e-12);
        assert!((alpha(9) - 0.002).abs() < 1e-12, "past the plan it stays");
        assert_eq!(settings.types[0].alpha_at(0, 1), 0.01);
    }

    #[test]
    fn windows_are_anchored_at_multiples() {
        let starts: Vec<u64> = (0..10).map(|t| Window::Last(3).start(t)).collect();
        assert_eq!(starts, [0, 0, 0, 0, 0, 0, 3, 3, 3, 6]);
        assert_eq!(Window::All.start(1000), 0);
    }

    #[test]
    fn settings_survive_json() {
        for window in [Window::Last(7), Window::All] {
            let settings = Settings { window, ..settings() };
            let text = serde_json::to_string(&settings).unwrap();
            assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings, "{text}");
        }
        assert!(serde_json::from_str::<Window>("\"most\"").is_err());
    }
}
