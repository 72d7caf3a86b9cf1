//! Numbers and words as people read them.

use crate::exam::Grade;
use crate::seed_log::EvaluationRecord;

/// A share as a percentage with one digit.
pub fn percent(share: f64) -> String {
    format!("{:.1}%", 100.0 * share)
}

/// An accuracy with its 95% interval.
pub fn accuracy(grade: &Grade) -> String {
    let (low, high) = grade.interval();
    format!("{} (95% interval {} to {})", percent(grade.accuracy()), percent(low), percent(high))
}

/// The grade that an evaluation record holds.
pub fn grade(record: &EvaluationRecord) -> Grade {
    Grade { problems: record.problems, correct: record.correct, mean_loglik: record.mean_loglik }
}

/// Bytes with a unit, three digits.
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

/// A count with separators between thousands.
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

/// A time span.
pub fn seconds(amount: f64) -> String {
    let whole = amount.round().max(0.0) as u64;
    match whole {
        0..60 => format!("{amount:.1} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
    }
}

/// An argument as a shell would need it typed.
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
        assert_eq!(seconds(4.82), "4.8 s");
        assert_eq!(seconds(59.97), "1 min 00 s");
        assert_eq!(seconds(3725.0), "1 h 02 min");
        assert_eq!(percent(0.12345), "12.3%");
        assert_eq!(quoted(std::path::Path::new("a b.gguf")), "'a b.gguf'");
    }
}
