//! Rewards in task files and logs: all fields side by side.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Reward, RewardError, RewardKind};

/// A reward with the fields of all kinds.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RewardForm {
    kind: Name,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    weight: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pattern: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schema: Option<Value>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    equal: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grammar: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_timeout: Option<f64>,
}

/// The names of the kinds.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Name {
    Loglik,
    SoftLoglik,
    Margin,
    Exact,
    Numeric,
    Regex,
    Json,
    Grammar,
    Command,
    Code,
}

fn one() -> f64 {
    1.0
}

fn is_one(weight: &f64) -> bool {
    *weight == 1.0
}

impl RewardForm {
    fn new(kind: Name, weight: f64) -> Self {
        Self {
            kind,
            weight,
            pattern: None,
            schema: None,
            equal: false,
            grammar: None,
            command: None,
            timeout: None,
            on_timeout: None,
        }
    }

    /// Takes the fields of the form's kind out of it.
    fn take_kind(&mut self) -> Result<RewardKind, RewardError> {
        Ok(match self.kind {
            Name::Loglik => RewardKind::Loglik,
            Name::SoftLoglik => RewardKind::SoftLoglik,
            Name::Margin => RewardKind::Margin,
            Name::Exact => RewardKind::Exact,
            Name::Numeric => RewardKind::Numeric,
            Name::Regex => RewardKind::Regex { pattern: self.pattern.take() },
            Name::Json => {
                RewardKind::Json { schema: self.schema.take(), equal: std::mem::take(&mut self.equal) }
            }
            Name::Grammar => RewardKind::Grammar { grammar: needed(self.grammar.take(), "grammar")? },
            Name::Command => RewardKind::Command {
                command: needed(self.command.take(), "command")?,
                timeout: self.timeout.take(),
                on_timeout: self.on_timeout.take(),
            },
            Name::Code => RewardKind::Code,
        })
    }

    /// Returns a field that is left.
    fn rest(&self) -> Option<&'static str> {
        let fields = [
            ("a pattern", self.pattern.is_some()),
            ("a schema", self.schema.is_some()),
            ("an equal", self.equal),
            ("a grammar", self.grammar.is_some()),
            ("a command", self.command.is_some()),
            ("a timeout", self.timeout.is_some()),
            ("an on-timeout", self.on_timeout.is_some()),
        ];
        fields.into_iter().find(|(_, is_there)| *is_there).map(|(field, _)| field)
    }
}

/// Returns the field with the same name as a kind, or an error if it is absent.
fn needed(field: Option<String>, kind: &'static str) -> Result<String, RewardError> {
    field.ok_or(RewardError::Missing { kind, field: kind })
}

impl TryFrom<RewardForm> for Reward {
    type Error = RewardError;

    fn try_from(mut form: RewardForm) -> Result<Self, Self::Error> {
        let kind = form.take_kind()?;
        match form.rest() {
            Some(field) => Err(RewardError::Superfluous { kind: kind.name(), field }),
            None => Ok(Self { weight: form.weight, kind }),
        }
    }
}

impl From<Reward> for RewardForm {
    fn from(Reward { weight, kind }: Reward) -> Self {
        let of = |name| Self::new(name, weight);
        match kind {
            RewardKind::Loglik => of(Name::Loglik),
            RewardKind::SoftLoglik => of(Name::SoftLoglik),
            RewardKind::Margin => of(Name::Margin),
            RewardKind::Exact => of(Name::Exact),
            RewardKind::Numeric => of(Name::Numeric),
            RewardKind::Regex { pattern } => Self { pattern, ..of(Name::Regex) },
            RewardKind::Json { schema, equal } => Self { schema, equal, ..of(Name::Json) },
            RewardKind::Grammar { grammar } => Self { grammar: Some(grammar), ..of(Name::Grammar) },
            RewardKind::Command { command, timeout, on_timeout } => {
                Self { command: Some(command), timeout, on_timeout, ..of(Name::Command) }
            }
            RewardKind::Code => of(Name::Code),
        }
    }
}
