//! Questions and answers as lines.

use serde::Serialize;
use serde_json::{Map, Value};

use super::Wrong;
use crate::dataset::excerpt;
use crate::judge::Asked;

#[derive(Serialize)]
struct Question<'a> {
    prompt: &'a str,
    reply: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    wanted: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    example: Option<&'a Map<String, Value>>,
}

/// Returns the line that asks for a reward.
pub(super) fn question(asked: &Asked<'_>) -> Result<String, serde_json::Error> {
    let Asked { prompt, reply, wanted, example, .. } = *asked;
    let mut line = serde_json::to_string(&Question { prompt, reply, wanted, example })?;
    line.push('\n');
    Ok(line)
}

/// Returns the reward in a line of the program.
pub(super) fn reward(line: &[u8]) -> Result<f64, Wrong> {
    let no_reward = |what: String| Wrong::NoReward { said: line.to_owned(), what };
    let value: Value = serde_json::from_slice(line).map_err(|_| no_reward(not_json(line)))?;
    let number = match &value {
        Value::Object(object) => match (object.get("error"), object.get("reward")) {
            (Some(error), _) if !error.is_null() => {
                let text = error.as_str().map_or_else(|| error.to_string(), str::to_owned);
                return Err(Wrong::Reported(excerpt(&text, 1000)));
            }
            (_, Some(reward)) => reward,
            (_, None) => return Err(no_reward("an object without \"reward\"".to_owned())),
        },
        other => other,
    };
    number.as_f64().filter(|reward| reward.is_finite()).ok_or_else(|| no_reward("not a number".to_owned()))
}

/// Describes a line that is not JSON. Python's `json` writes infinities and NaN that are not.
fn not_json(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let unbounded = ["nan", "inf"].iter().any(|name| text.to_ascii_lowercase().contains(name));
    if unbounded { "not a finite number".to_owned() } else { "not JSON".to_owned() }
}
