//! Which problems, and which rewards: what a task file, the command line and a log's header say of a task.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::arith::ArithOptions;
use super::countdown::CountdownOptions;
use super::data_options::{DataError, DataOptions};
use crate::chat::ChatSettings;

/// Most tokens that a reply may be asked for.
const MAX_PREDICT: usize = 1 << 20;

/// Everything that decides which problems a model gets and what its replies are worth, apart from the user's data itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Definition {
    /// What people call it: `arith`, or the name of the user's task file.
    #[serde(default)]
    pub name: String,
    /// Where its problems come from.
    pub problems: Problems,
    /// What counts; the weighted sum is a member's reward.
    pub rewards: Vec<Reward>,
    /// A system message before every conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// How conversations are written.
    #[serde(default, skip_serializing_if = "ChatSettings::is_default")]
    pub chat: ChatSettings,
    /// Most new tokens of a reply; by default the task's own number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predict: Option<usize>,
    /// Tokens of wanted replies that log-likelihoods are of, the first ones; by default all, with what ends a reply.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "score-first")]
    pub score_first: Option<usize>,
    /// Temperature that replies are drawn at; 0 takes the likeliest token.
    #[serde(default)]
    pub temp: f64,
    /// Texts that end a reply, and are not part of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
}

/// Where problems come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "lowercase", deny_unknown_fields)]
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

/// One of the rewards of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reward {
    /// What it looks at.
    pub kind: RewardKind,
    /// What it counts in the sum.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: f64,
    /// Of `regex`: the pattern; without one, each example's wanted reply is the pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Of `json`: a JSON schema; without one, any JSON will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// Of `json`: whether the reply has to be the very value that the wanted reply is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub equal: bool,
    /// Of `grammar`: a GBNF grammar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grammar: Option<String>,
    /// Of `command`: the program that is asked, as a shell would be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Of `command`: seconds that it may take for a reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
    /// Of `command`: the reward of a reply for which it takes longer; without one, that ends the run.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "on-timeout")]
    pub on_timeout: Option<f64>,
}

fn one() -> f64 {
    1.0
}

fn is_one(weight: &f64) -> bool {
    *weight == 1.0
}

/// What [`RewardKind::SoftLoglik`] adds to a probability.
pub const SOFT_FLOOR: f64 = 0.1;

/// What a reward looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RewardKind {
    /// Log-likelihood of the wanted reply.
    Loglik,
    /// Logarithm of the wanted reply's probability plus [`SOFT_FLOOR`]: a problem that is out of reach counts less, so that members are
    /// told apart by those that may be won. For short replies; that of a long one is out of reach whatever the model does.
    #[serde(rename = "soft-loglik")]
    SoftLoglik,
    /// Log-likelihood of the wanted reply less that of the rejected one.
    Margin,
    /// What the task itself says of a reply: 1 when right, else 0.
    Exact,
    /// 1 when the number that a reply ends up with is that of the wanted one, else 0.
    Numeric,
    /// 1 when a pattern is found in the reply, else 0.
    Regex,
    /// Whether the reply is JSON, of a schema, and the wanted value.
    Json,
    /// 1 when the reply follows a grammar, else 0.
    Grammar,
    /// What a program of the user's says.
    Command,
    /// What a function says in the program that uses the library.
    Code,
}

impl RewardKind {
    /// The name on the command line, in task files and in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loglik => "loglik",
            Self::SoftLoglik => "soft-loglik",
            Self::Margin => "margin",
            Self::Exact => "exact",
            Self::Numeric => "numeric",
            Self::Regex => "regex",
            Self::Json => "json",
            Self::Grammar => "grammar",
            Self::Command => "command",
            Self::Code => "code",
        }
    }

    /// Whether the model has to reply, which takes a forward pass a token; else likelihoods are enough.
    pub fn reads_replies(self) -> bool {
        !matches!(self, Self::Loglik | Self::SoftLoglik | Self::Margin)
    }

    /// Whether it is for giving the wanted reply itself, so that how likely that is tells how far a problem is from being solved.
    pub fn is_for_wanted_reply(self) -> bool {
        matches!(self, Self::Loglik | Self::SoftLoglik | Self::Exact | Self::Numeric)
    }
}

impl From<RewardKind> for Reward {
    fn from(kind: RewardKind) -> Self {
        Self {
            kind,
            weight: 1.0,
            pattern: None,
            schema: None,
            equal: false,
            grammar: None,
            command: None,
            timeout: None,
            on_timeout: None,
        }
    }
}

/// A definition that makes no sense.
#[derive(Debug, Error, PartialEq)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum DefinitionError {
    #[error("the task has no reward; name at least one, such as kind = \"loglik\"")]
    NoReward,
    #[error("the reward {0} has the weight {1}, but must have a finite number other than 0")]
    Weight(&'static str, f64),
    #[error("the reward {kind} has no {field}, which it goes by")]
    Missing { kind: &'static str, field: &'static str },
    #[error("the reward {kind} has a {field}, which it knows nothing of")]
    Superfluous { kind: &'static str, field: &'static str },
    #[error("temp is {0}, but must be from 0 to 100")]
    Temperature(f64),
    #[error("predict is {0} new tokens, but must be from 1 to {MAX_PREDICT}")]
    Predict(usize),
    #[error("score-first is 0, but must be at least 1 token")]
    ScoreFirst,
    #[error("a stop text is empty, which would end every reply before it begins")]
    EmptyStop,
    #[error("the reward's timeout is {0} seconds, but must be more than 0 and at most 86400")]
    Timeout(f64),
    #[error(transparent)]
    Arith(#[from] super::arith::OptionsError),
    #[error(transparent)]
    Countdown(#[from] super::countdown::OptionsError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error("the reward {0} on a timeout is {1}, but must be a finite number")]
    OnTimeout(&'static str, f64),
}

impl Definition {
    /// A task with one reward and nothing special.
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
    /// For the first value that makes no sense.
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

    /// Whether any reward has to see replies.
    pub fn reads_replies(&self) -> bool {
        self.rewards.iter().any(|reward| reward.kind.reads_replies())
    }

    /// A program of the user's that is asked for rewards, where there is one.
    pub fn program(&self) -> Option<&str> {
        self.rewards.iter().find_map(|reward| reward.command.as_deref())
    }

    /// Whether its problems or rewards are known only to a program that uses the library.
    pub fn is_code(&self) -> bool {
        self.problems == Problems::Code || self.rewards.iter().any(|reward| reward.kind == RewardKind::Code)
    }

    /// The rewards as people read them: `loglik`, or `loglik + 0.5 regex`.
    pub fn rewards_text(&self) -> String {
        let text = |reward: &Reward| match reward.weight {
            1.0 => reward.kind.name().to_owned(),
            weight => format!("{weight} {}", reward.kind.name()),
        };
        self.rewards.iter().map(text).collect::<Vec<_>>().join(" + ")
    }
}

impl Problems {
    /// Returns what is said of the user's data, of a task that has some.
    pub fn data(&self) -> Option<&DataOptions> {
        match self {
            Self::Gsm8k(options) | Self::Data(options) => Some(options),
            Self::Arith(_) | Self::Countdown(_) | Self::Code => None,
        }
    }

    /// Returns the same, to be changed.
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

impl Reward {
    fn validate(&self) -> Result<(), DefinitionError> {
        let kind = self.kind.name();
        if !self.weight.is_finite() || self.weight == 0.0 {
            return Err(DefinitionError::Weight(kind, self.weight));
        }
        // Field, whether it is there, the kind that it is for, and whether that needs it.
        let fields = [
            ("pattern", self.pattern.is_some(), RewardKind::Regex, false),
            ("schema", self.schema.is_some(), RewardKind::Json, false),
            ("equal", self.equal, RewardKind::Json, false),
            ("grammar", self.grammar.is_some(), RewardKind::Grammar, true),
            ("command", self.command.is_some(), RewardKind::Command, true),
            ("timeout", self.timeout.is_some(), RewardKind::Command, false),
            ("on-timeout", self.on_timeout.is_some(), RewardKind::Command, false),
        ];
        for (field, is_there, of, is_needed) in fields {
            if is_there && self.kind != of {
                return Err(DefinitionError::Superfluous { kind, field });
            }
            if !is_there && self.kind == of && is_needed {
                return Err(DefinitionError::Missing { kind, field });
            }
        }
        if let Some(reward) = self.on_timeout.filter(|reward| !reward.is_finite()) {
            return Err(DefinitionError::OnTimeout(kind, reward));
        }
        match self.timeout {
            Some(timeout) if !(timeout > 0.0 && timeout <= 86_400.0) => {
                Err(DefinitionError::Timeout(timeout))
            }
            _ => Ok(()),
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
        let reward = |change: fn(&mut Reward)| {
            let mut reward = Reward::from(RewardKind::Exact);
            change(&mut reward);
            vec![reward]
        };
        let cases = [
            (Definition { rewards: Vec::new(), ..arith() }, "no reward"),
            (Definition { rewards: reward(|r| r.weight = f64::NAN), ..arith() }, "weight NaN"),
            (Definition { rewards: reward(|r| r.weight = 0.0), ..arith() }, "weight 0"),
            (
                Definition { rewards: reward(|r| r.pattern = Some("x".into())), ..arith() },
                "exact has a pattern",
            ),
            (Definition { rewards: reward(|r| r.kind = RewardKind::Grammar), ..arith() }, "no grammar"),
            (Definition { rewards: reward(|r| r.kind = RewardKind::Command), ..arith() }, "no command"),
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
        let half = Reward { weight: 0.5, ..RewardKind::Json.into() };
        let definition = Definition { rewards: vec![RewardKind::Loglik.into(), half], ..arith() };
        assert_eq!(definition.rewards_text(), "loglik + 0.5 json");
    }
}
