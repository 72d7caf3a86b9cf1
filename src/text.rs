//! Numbers and words for people.

pub mod drift;

use crate::evaluation::EvaluationSummary;
use crate::seed_log::{EvaluationRecord, TaskSpec, TensorSpec};

/// Returns a share as a percentage with one digit.
pub fn percent(share: f64) -> String {
    format!("{:.1}%", 100.0 * share)
}

/// Returns the main result of a summary: the accuracy with its 95% interval, or the mean reward if replies are not
/// right or wrong.
pub fn headline(summary: &EvaluationSummary) -> String {
    match (summary.accuracy(), summary.interval()) {
        (Some(accuracy), Some((low, high))) => {
            format!("{} (95% interval {} to {})", percent(accuracy), percent(low), percent(high))
        }
        _ => format!("{:.4}", summary.mean_reward),
    }
}

/// Returns the name of the measure in [`headline`].
pub fn measure(summary: &EvaluationSummary) -> &'static str {
    if summary.correct.is_some() {
        "accuracy"
    } else if summary.mean_loglik == Some(summary.mean_reward) {
        "mean log-likelihood"
    } else {
        "mean reward"
    }
}

/// Returns a number of held-out problems in words.
pub fn held_out(problems: u64) -> String {
    format!("{} held-out problem{}", count(problems), plural(problems))
}

/// Returns a number of examples in words.
pub fn examples(number: u64) -> String {
    format!("{} example{}", count(number), plural(number))
}

/// Returns a number of replies in words.
pub fn replies(number: u64) -> String {
    if number == 1 { "1 reply".to_owned() } else { format!("{} replies", count(number)) }
}

/// Returns a number of tokens in words.
pub fn tokens(number: u64) -> String {
    format!("{} token{}", count(number), plural(number))
}

/// Returns a number of tensors, or of rows of one, in words; a log may have several parts of a tensor.
pub fn tensors(parts: &[TensorSpec]) -> String {
    let rows: u64 =
        parts.iter().filter_map(|part| part.rows).map(|rows| rows.count).fold(0, u64::saturating_add);
    let number = tensor_count(parts);
    let of = match parts.first() {
        Some(first) if number == 1 => first.name.clone(),
        _ => format!("{} tensors", count(number)),
    };
    if rows > 0 {
        format!("{} row{} of {of}", count(rows), plural(rows))
    } else {
        format!("{} tensor{}", count(number), plural(number))
    }
}

/// Returns the number of different tensors among parts; those of one tensor are consecutive.
pub fn tensor_count(parts: &[TensorSpec]) -> u64 {
    parts.chunk_by(|part, next| part.name == next.name).count() as u64
}

/// Returns a number of generations in words.
pub fn generations(number: u64) -> String {
    format!("{} generation{}", count(number), plural(number))
}

/// Returns the number of problems of a member, and of the candidates from which they are chosen.
pub fn problems(task: &TaskSpec) -> String {
    match task.candidates {
        Some(candidates) => format!("{} of {candidates} problems", task.prompts),
        None => format!("{} problems", task.prompts),
    }
}

fn plural(number: u64) -> &'static str {
    if number == 1 { "" } else { "s" }
}

/// Returns the change from one summary to another.
pub fn change(before: &EvaluationSummary, after: &EvaluationSummary) -> String {
    match (before.accuracy(), after.accuracy()) {
        (Some(before), Some(after)) => format!("{:+.1} points", 100.0 * (after - before)),
        _ => format!("{:+.4}", after.mean_reward - before.mean_reward),
    }
}

/// Returns the change of a number that is better when higher, in percent of its size.
pub fn relative(before: f64, after: f64) -> String {
    let change = 100.0 * (after - before) / before.abs();
    if change.is_finite() {
        format!("{:.1}% {}", change.abs(), if change < 0.0 { "worse" } else { "better" })
    } else {
        "from 0".to_owned()
    }
}

/// Returns the summary that an evaluation record holds.
pub fn summary_of(record: &EvaluationRecord) -> EvaluationSummary {
    let EvaluationRecord { problems, correct, mean_reward, mean_loglik, .. } = *record;
    EvaluationSummary { problems, correct, mean_reward, mean_loglik }
}

/// Returns bytes with a unit, three digits.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KB", "MB", "GB", "TB"];
    let mut amount = count as f64;
    let mut unit = 0;
    while amount >= 999.5 && unit + 1 < UNITS.len() {
        amount /= 1000.0;
        unit += 1;
    }
    let digits = if unit == 0 || amount >= 99.95 { 0 } else { 1 };
    format!("{amount:.digits$} {}", UNITS[unit])
}

/// Returns a count with separators between thousands.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a time span.
pub fn seconds(amount: f64) -> String {
    let whole = amount.round().max(0.0) as u64;
    match whole {
        0..60 => format!("{amount:.1} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
    }
}

/// Returns an argument quoted for a shell.
pub fn quoted(path: &std::path::Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(bytes(0), "0 bytes");
        assert_eq!(bytes(2_010_080), "2.0 MB");
        assert_eq!(bytes(999_999), "1.0 MB");
        assert_eq!(bytes(123_456), "123 KB");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(12), "12");
        assert_eq!(
            (held_out(1), generations(1024)),
            ("1 held-out problem".into(), "1,024 generations".into())
        );
        assert_eq!(seconds(4.82), "4.8 s");
        assert_eq!(seconds(59.97), "1 min 00 s");
        assert_eq!(seconds(3725.0), "1 h 02 min");
        assert_eq!(percent(0.12345), "12.3%");
        assert_eq!(relative(-1.0, -1.02), "2.0% worse");
        assert_eq!(relative(-1.0, -0.9), "10.0% better");
        assert_eq!(quoted(std::path::Path::new("a b.gguf")), "'a b.gguf'");
    }
}
