//! Rewards of replies, or of their likelihoods.

mod form;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use form::RewardForm;

/// One of the rewards of a task. In JSON and TOML its kind, weight and the kind's own fields stand side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RewardForm", into = "RewardForm")]
pub struct Reward {
    /// Weight in the sum of a task's rewards.
    pub weight: f64,
    /// Kind, with the fields of this kind alone.
    pub kind: RewardKind,
}

/// Added to a probability by [`RewardKind::SoftLoglik`].
pub const SOFT_FLOOR: f64 = 0.1;

/// Largest timeout of a program for a reply, in seconds: a day.
const MAX_TIMEOUT: f64 = 86_400.0;

/// Kind of a reward, with the fields that are its own.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(tag = "kind", rename_all = "kebab-case", inline))]
pub enum RewardKind {
    /// Log-likelihood of the wanted reply.
    Loglik,
    /// Logarithm of the wanted reply's probability plus 0.1. A problem that is out of reach counts less, so members are told apart by
    /// problems that may be won. For short replies; a long one is out of reach whatever the model does.
    SoftLoglik,
    /// Log-likelihood of the wanted reply minus that of the rejected one.
    Margin,
    /// 1 where the task itself accepts the reply, otherwise 0.
    Exact,
    /// 1 where the last number of the reply equals that of the wanted reply, otherwise 0.
    Numeric,
    /// 1 where a pattern is found in the reply, otherwise 0.
    Regex {
        /// The pattern; where absent, the wanted reply of each example is the pattern.
        #[cfg_attr(test, schemars(skip_serializing_if = "Option::is_none"))]
        pattern: Option<String>,
    },
    /// Checks that the reply is JSON, follows a schema, and equals the wanted value.
    Json {
        /// The JSON Schema; where absent, any JSON will do.
        #[cfg_attr(test, schemars(skip_serializing_if = "Option::is_none"))]
        schema: Option<Value>,
        /// True where the reply has to equal the value of the wanted reply.
        #[cfg_attr(test, schemars(skip_serializing_if = "std::ops::Not::not"))]
        equal: bool,
    },
    /// 1 where the reply follows a grammar, otherwise 0.
    Grammar {
        /// The GBNF grammar.
        grammar: String,
    },
    /// The reward that a program of the user's gives.
    Command {
        /// The program's command line, as for a shell.
        command: String,
        /// Longest time for a reply, in seconds.
        #[cfg_attr(test, schemars(skip_serializing_if = "Option::is_none", extend("exclusiveMinimum" = 0)))]
        timeout: Option<f64>,
        /// Reward of a reply that takes longer; where absent, it ends the run.
        #[cfg_attr(test, schemars(skip_serializing_if = "Option::is_none", rename = "on-timeout"))]
        on_timeout: Option<f64>,
    },
    /// The reward that a function gives, in a program that uses the library.
    Code,
}

/// Errors of rewards.
#[derive(Clone, Debug, Error, PartialEq)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum RewardError {
    #[error("the reward {0} has the weight {1}, but must have a finite number other than 0")]
    Weight(&'static str, f64),
    #[error("the reward {kind} has no {field}, which it goes by; add it")]
    Missing { kind: &'static str, field: &'static str },
    #[error("the reward {kind} has {field}, which it knows nothing of; leave it out")]
    Superfluous { kind: &'static str, field: &'static str },
    #[error("the reward's timeout is {0} seconds, but must be more than 0 and at most 86400")]
    Timeout(f64),
    #[error("the reward {0} on a timeout is {1}, but must be a finite number")]
    OnTimeout(&'static str, f64),
}

impl RewardKind {
    /// Returns the name on the command line, in task files and in logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Loglik => "loglik",
            Self::SoftLoglik => "soft-loglik",
            Self::Margin => "margin",
            Self::Exact => "exact",
            Self::Numeric => "numeric",
            Self::Regex { .. } => "regex",
            Self::Json { .. } => "json",
            Self::Grammar { .. } => "grammar",
            Self::Command { .. } => "command",
            Self::Code => "code",
        }
    }

    /// Returns whether the model has to reply, which takes a forward pass a token; otherwise likelihoods are enough.
    pub fn reads_replies(&self) -> bool {
        !matches!(self, Self::Loglik | Self::SoftLoglik | Self::Margin)
    }

    /// Returns whether a rule decides whether a reply is right: the reward is 1 then, and less otherwise.
    pub fn is_rule(&self) -> bool {
        matches!(
            self,
            Self::Exact | Self::Numeric | Self::Regex { .. } | Self::Json { .. } | Self::Grammar { .. }
        )
    }

    /// Returns whether the reward is highest for the wanted reply itself, so that its likelihood measures how far a
    /// problem is from being solved.
    pub fn is_for_wanted_reply(&self) -> bool {
        matches!(self, Self::Loglik | Self::SoftLoglik | Self::Exact | Self::Numeric)
    }
}

impl From<RewardKind> for Reward {
    fn from(kind: RewardKind) -> Self {
        Self { weight: 1.0, kind }
    }
}

impl Reward {
    /// Checks every value.
    pub(super) fn validate(&self) -> Result<(), RewardError> {
        let name = self.kind.name();
        if !self.weight.is_finite() || self.weight == 0.0 {
            return Err(RewardError::Weight(name, self.weight));
        }
        let RewardKind::Command { timeout, on_timeout, .. } = &self.kind else { return Ok(()) };
        if let Some(reward) = on_timeout.filter(|reward| !reward.is_finite()) {
            return Err(RewardError::OnTimeout(name, reward));
        }
        match *timeout {
            Some(timeout) if !(timeout > 0.0 && timeout <= MAX_TIMEOUT) => Err(RewardError::Timeout(timeout)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Reward {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "reward".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut schema = RewardKind::json_schema(generator);
        schema
            .insert("description".to_owned(), "One of the rewards of a task, of one of these kinds.".into());
        let weight =
            serde_json::json!({ "description": "Weight in the sum; 1 where absent.", "type": "number" });
        let kinds = schema.get_mut("oneOf").and_then(Value::as_array_mut).expect("one schema for each kind");
        for kind in kinds {
            kind["properties"]["weight"] = weight.clone();
        }
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_its_own_fields_alone() {
        let read = |text: &str| serde_json::from_str::<Reward>(text).map_err(|error| error.to_string());
        let cases = [
            (r#"{"kind":"exact","pattern":"x"}"#, "the reward exact has a pattern"),
            (r#"{"kind":"loglik","equal":true}"#, "the reward loglik has an equal"),
            (r#"{"kind":"regex","schema":{}}"#, "the reward regex has a schema"),
            (r#"{"kind":"json","grammar":"x"}"#, "the reward json has a grammar"),
            (r#"{"kind":"grammar","grammar":"x","timeout":1.0}"#, "the reward grammar has a timeout"),
            (r#"{"kind":"exact","on-timeout":1.0}"#, "the reward exact has an on-timeout"),
            (r#"{"kind":"exact","command":"x"}"#, "the reward exact has a command"),
            (r#"{"kind":"grammar"}"#, "the reward grammar has no grammar"),
            (r#"{"kind":"command","timeout":1.0}"#, "the reward command has no command"),
            (r#"{"kind":"exact","patern":"x"}"#, "unknown field `patern`, expected one of `kind`, `weight`"),
            (r#"{"weight":1.0}"#, "missing field `kind`"),
            (r#"{"kind":"likely"}"#, "unknown variant `likely`, expected one of `loglik`, `soft-loglik`"),
        ];
        for (text, part) in cases {
            let outcome = read(text);
            assert!(outcome.clone().is_err_and(|message| message.contains(part)), "{text}: {outcome:?}");
        }
    }

    #[test]
    fn rewards_are_written_as_they_are_read() {
        for text in [
            r#"{"kind":"loglik"}"#,
            r#"{"kind":"soft-loglik","weight":0.5}"#,
            r#"{"kind":"margin"}"#,
            r#"{"kind":"exact","weight":-1.0}"#,
            r#"{"kind":"numeric"}"#,
            r#"{"kind":"regex"}"#,
            r#"{"kind":"regex","weight":0.5,"pattern":"5"}"#,
            r#"{"kind":"json"}"#,
            r#"{"kind":"json","weight":2.0,"schema":{"type":"object"},"equal":true}"#,
            r#"{"kind":"grammar","weight":0.1,"grammar":"root ::= \"5\""}"#,
            r#"{"kind":"command","command":"x"}"#,
            r#"{"kind":"command","weight":3.0,"command":"x","timeout":1.5,"on-timeout":-1.0}"#,
            r#"{"kind":"code"}"#,
        ] {
            let reward: Reward = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&reward).unwrap(), text);
            assert!(text.contains(&format!("\"{}\"", reward.kind.name())), "{text}");
        }
    }

    #[test]
    fn values_without_sense_are_refused() {
        let command = |timeout, on_timeout| {
            Reward::from(RewardKind::Command { command: "x".to_owned(), timeout, on_timeout })
        };
        let cases = [
            (Reward { weight: f64::NAN, ..RewardKind::Exact.into() }, "weight NaN"),
            (Reward { weight: 0.0, ..RewardKind::Exact.into() }, "weight 0"),
            (command(Some(0.0), None), "timeout is 0 seconds"),
            (command(Some(1e6), None), "at most 86400"),
            (command(None, Some(f64::INFINITY)), "on a timeout is inf"),
        ];
        for (reward, part) in cases {
            let error = reward.validate().map_err(|error| error.to_string());
            assert!(error.clone().is_err_and(|message| message.contains(part)), "{part}: {error:?}");
        }
        assert_eq!(command(Some(1.5), Some(-1.0)).validate(), Ok(()));
    }
}
