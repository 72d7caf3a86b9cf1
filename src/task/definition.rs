//! Definition of a task, as in task files, on the command line and in log headers: problems and rewards.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::arith::ArithOptions;
use super::countdown::CountdownOptions;
use super::data_options::{DataError, DataOptions};
use super::reward::{Reward, RewardError, RewardKind};
use crate::chat::ChatSettings;

/// Most tokens that may be asked for in a reply.
const MAX_PREDICT: usize = 1 << 20;

/// Problems and rewards, as in task files and logs: everything about a task but the user's data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "definition"))]
pub struct Definition {
    /// Its name: `arith`, or that of the user's task file.
    #[serde(default)]
    pub name: String,
    /// Source of its problems.
    pub problems: Problems,
    /// Rewards; their weighted sum is the reward of a member.
    pub rewards: Vec<Reward>,
    /// A system message before every conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Form of conversations; absent for the model's own.
    #[serde(default, skip_serializing_if = "ChatSettings::is_default")]
    pub chat: ChatSettings,
    /// Most new tokens of a reply; where absent, the task's own number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub predict: Option<usize>,
    /// Number of first tokens of wanted replies that log-likelihoods are computed of; where absent, all, with the token that ends a
    /// reply.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "score-first")]
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub score_first: Option<usize>,
    /// Temperature that replies are drawn at; 0 takes the likeliest token.
    #[serde(default)]
    #[cfg_attr(test, schemars(range(min = 0.0)))]
    pub temp: f64,
    /// Texts that end a reply, and are not part of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
}

/// Source of problems.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "lowercase", deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "problems"))]
pub enum Problems {
    /// Generated arithmetic.
    Arith(ArithOptions),
    /// Generated Countdown puzzles.
    Countdown(CountdownOptions),
    /// The user's word problems in the form of GSM8K.
    Gsm8k(DataOptions),
    /// The user's own examples.
    Data(DataOptions),
    /// Problems that a program using the library has itself; nobody else can make them again.
    Code,
}

/// Errors of definitions.
#[derive(Debug, Error, PartialEq)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum DefinitionError {
    #[error("the task has no reward; name at least one, such as kind = \"loglik\"")]
    NoReward,
    #[error("temp is {0}, but must be from 0 to 100")]
    Temperature(f64),
    #[error("predict is {0} new tokens, but must be from 1 to {MAX_PREDICT}")]
    Predict(usize),
    #[error("score-first is 0, but must be at least 1 token")]
    ScoreFirst,
    #[error("a stop text is empty, which would end every reply before it begins")]
    EmptyStop,
    #[error(transparent)]
    Arith(#[from] super::arith::ArithOptionsError),
    #[error(transparent)]
    Countdown(#[from] super::countdown::CountdownOptionsError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Reward(#[from] RewardError),
}

impl Definition {
    /// Creates a task with one reward and defaults otherwise.
    pub fn new(name: impl Into<String>, problems: Problems, reward: impl Into<Reward>) -> Self {
        Self {
            name: name.into(),
            problems,
            rewards: vec![reward.into()],
            system: None,
            chat: ChatSettings::default(),
            predict: None,
            score_first: None,
            temp: 0.0,
            stop: Vec::new(),
        }
    }

    /// Checks every value.
    ///
    /// # Errors
    /// For the first invalid value.
    pub fn validate(&self) -> Result<(), DefinitionError> {
        if self.rewards.is_empty() {
            return Err(DefinitionError::NoReward);
        }
        self.rewards.iter().try_for_each(Reward::validate)?;
        if !(0.0..=100.0).contains(&self.temp) {
            return Err(DefinitionError::Temperature(self.temp));
        }
        if let Some(predict) = self.predict
            && !(1..=MAX_PREDICT).contains(&predict)
        {
            return Err(DefinitionError::Predict(predict));
        }
        if self.score_first == Some(0) {
            return Err(DefinitionError::ScoreFirst);
        }
        if self.stop.iter().any(String::is_empty) {
            return Err(DefinitionError::EmptyStop);
        }
        self.problems.validate()
    }

    /// Returns whether any reward reads replies.
    pub fn reads_replies(&self) -> bool {
        self.rewards.iter().any(|reward| reward.kind.reads_replies())
    }

    /// Returns the user's program for a reward, if there is one.
    pub fn program(&self) -> Option<&str> {
        self.rewards.iter().find_map(|reward| match &reward.kind {
            RewardKind::Command { command, .. } => Some(command.as_str()),
            _ => None,
        })
    }

    /// Returns whether its problems or rewards exist only in a program that uses the library.
    pub fn is_code(&self) -> bool {
        self.problems == Problems::Code || self.rewards.iter().any(|reward| reward.kind == RewardKind::Code)
    }

    /// Returns the rewards for people: `loglik`, or `loglik + 0.5 regex`.
    pub fn rewards_text(&self) -> String {
        let text = |reward: &Reward| match reward.weight {
            1.0 => reward.kind.name().to_owned(),
            weight => format!("{weight} {}", reward.kind.name()),
        };
        self.rewards.iter().map(text).collect::<Vec<_>>().join(" + ")
    }
}

impl Problems {
    /// Returns the options of the user's data, for a task that has some.
    pub fn data(&self) -> Option<&DataOptions> {
        match self {
            Self::Gsm8k(options) | Self::Data(options) => Some(options),
            Self::Arith(_) | Self::Countdown(_) | Self::Code => None,
        }
    }

    /// Returns these options for changes.
    pub fn data_mut(&mut self) -> Option<&mut DataOptions> {
        match self {
            Self::Gsm8k(options) | Self::Data(options) => Some(options),
            Self::Arith(_) | Self::Countdown(_) | Self::Code => None,
        }
    }

    fn validate(&self) -> Result<(), DefinitionError> {
        match self {
            Self::Arith(options) => Ok(options.validate()?),
            Self::Countdown(options) => Ok(options.validate()?),
            Self::Code => Ok(()),
            Self::Gsm8k(options) | Self::Data(options) => Ok(options.validate()?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arith() -> Definition {
        Definition::new("arith", Problems::Arith(ArithOptions::default()), RewardKind::Loglik)
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let data = |held_out| Problems::Data(DataOptions { held_out, ..DataOptions::new("x") });
        let weighted = |weight| vec![Reward { weight, kind: RewardKind::Exact }];
        let cases = [
            (Definition { rewards: Vec::new(), ..arith() }, "no reward"),
            (Definition { rewards: weighted(f64::NAN), ..arith() }, "weight NaN"),
            (Definition { rewards: weighted(0.0), ..arith() }, "weight 0"),
            (Definition { temp: -1.0, ..arith() }, "temp is -1"),
            (Definition { temp: f64::NAN, ..arith() }, "temp is NaN"),
            (Definition { predict: Some(0), ..arith() }, "predict is 0"),
            (Definition { score_first: Some(0), ..arith() }, "score-first is 0"),
            (Definition { stop: vec![String::new()], ..arith() }, "stop text is empty"),
            (Definition { problems: data(0.0), ..arith() }, "held-out is 0"),
            (Definition { problems: data(1.0), ..arith() }, "held-out is 1"),
        ];
        for (definition, part) in cases {
            let error = definition.validate().map_err(|e| e.to_string());
            assert!(error.clone().is_err_and(|message| message.contains(part)), "{part}: {error:?}");
        }
        assert_eq!(arith().validate(), Ok(()));
    }

    #[test]
    fn rewards_read_as_a_sum() {
        let half = Reward { weight: 0.5, kind: RewardKind::Json { schema: None, equal: false } };
        let definition = Definition { rewards: vec![RewardKind::Loglik.into(), half], ..arith() };
        assert_eq!(definition.rewards_text(), "loglik + 0.5 json");
    }
}
