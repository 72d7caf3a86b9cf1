//! Days, and their formats in templates.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Seconds of a day.
const DAY: u64 = 86_400;

/// A day of the Gregorian calendar; `2026-11-28` in task files and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub struct Date {
    year: u16,
    /// From 1.
    month: u8,
    /// From 1.
    day: u8,
}

impl Date {
    /// Returns the day, in UTC, this many seconds after the start of 1970; 9999-12-31 at most.
    pub fn of_unix_seconds(seconds: u64) -> Self {
        let (mut days, mut year) = (seconds / DAY, 1970);
        while year < 9999 && days >= u64::from(days_of_year(year)) {
            days -= u64::from(days_of_year(year));
            year += 1;
        }
        let mut days = u16::try_from(days).unwrap_or(u16::MAX).min(days_of_year(year) - 1);
        let mut month = 1;
        while days >= u16::from(days_of_month(year, month)) {
            days -= u16::from(days_of_month(year, month));
            month += 1;
        }
        Self { year, month, day: days as u8 + 1 }
    }

    /// Returns the days since the start of the year, 0 for the first of January.
    fn ordinal(self) -> u16 {
        (1..self.month).map(|month| u16::from(days_of_month(self.year, month))).sum::<u16>()
            + u16::from(self.day)
            - 1
    }

    /// Returns the day of the week, 0 for Sunday.
    fn weekday(self) -> usize {
        let years = u32::from(self.year) - 1;
        // 1 January of the year 1 was a Monday.
        let days = 365 * years + years / 4 - years / 100 + years / 400 + u32::from(self.ordinal());
        (days as usize + 1) % 7
    }

    /// Returns the date in the format of C's and Python's `strftime`. The time of day is midnight, since only the day
    /// is known; an unknown directive stays as it is.
    pub fn format(self, form: &str) -> String {
        let mut text = String::with_capacity(form.len());
        let mut letters = form.chars();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                text.push(letter);
                continue;
            }
            match letters.next() {
                // No padding, as in `%-d`.
                Some('-') => match letters.next() {
                    Some(directive) => {
                        let padded = self.directive(directive);
                        let bare = padded.trim_start_matches(['0', ' ']);
                        text.push_str(if bare.is_empty() { "0" } else { bare });
                    }
                    None => text.push_str("%-"),
                },
                Some(directive) => text.push_str(&self.directive(directive)),
                None => text.push('%'),
            }
        }
        text
    }

    fn directive(self, directive: char) -> String {
        let Self { year, month, day } = self;
        let (weekday, month_name) = (WEEKDAYS[self.weekday()], MONTHS[usize::from(month) - 1]);
        match directive {
            'Y' => year.to_string(),
            'y' => format!("{:02}", year % 100),
            'm' => format!("{month:02}"),
            'd' => format!("{day:02}"),
            'e' => format!("{day:>2}"),
            'j' => format!("{:03}", self.ordinal() + 1),
            'B' => month_name.to_owned(),
            'b' | 'h' => month_name[..3].to_owned(),
            'A' => weekday.to_owned(),
            'a' => weekday[..3].to_owned(),
            'w' => self.weekday().to_string(),
            'u' => (1 + (self.weekday() + 6) % 7).to_string(),
            'F' => self.to_string(),
            'D' | 'x' => format!("{month:02}/{day:02}/{:02}", year % 100),
            'c' => format!("{} {} {day:>2} 00:00:00 {year}", &weekday[..3], &month_name[..3]),
            'H' | 'M' | 'S' => "00".to_owned(),
            'I' => "12".to_owned(),
            'p' => "AM".to_owned(),
            'T' | 'X' => "00:00:00".to_owned(),
            'R' => "00:00".to_owned(),
            'z' => "+0000".to_owned(),
            'Z' => "UTC".to_owned(),
            'n' => "\n".to_owned(),
            't' => "\t".to_owned(),
            '%' => "%".to_owned(),
            other => format!("%{other}"),
        }
    }
}

fn days_of_year(year: u16) -> u16 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_of_month(year: u16, month: u8) -> u8 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_leap(year: u16) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl From<Date> for String {
    fn from(date: Date) -> Self {
        date.to_string()
    }
}

impl TryFrom<String> for Date {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Date {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no date; write one as 2026-11-28");
        let mut parts = text.split('-');
        let mut part = |len: usize| -> Option<u16> {
            let part = parts.next()?;
            (part.len() == len && part.bytes().all(|byte| byte.is_ascii_digit()))
                .then(|| part.parse().ok())?
        };
        let (year, month, day) = (part(4), part(2), part(2));
        let (Some(year), Some(month), Some(day), None) = (year, month, day, parts.next()) else {
            return Err(wrong());
        };
        let is_month = year > 0 && (1..=12).contains(&month);
        if !is_month || !(1..=u16::from(days_of_month(year, month as u8))).contains(&day) {
            return Err(wrong());
        }
        Ok(Self { year, month: month as u8, day: day as u8 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn seconds_are_days() {
        for (seconds, day) in [
            (0, "1970-01-01"),
            (86_399, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_795_852_800, "2026-11-28"),
            (4_107_542_400, "2100-03-01"),
            (u64::MAX, "9999-12-31"),
        ] {
            assert_eq!(Date::of_unix_seconds(seconds).to_string(), day, "{seconds}");
        }
    }

    #[test]
    fn days_are_written_as_python_writes_them() {
        // Values of Python's datetime.strftime.
        for (day, form, text) in [
            ("2024-07-26", "%d %b %Y", "26 Jul 2024"),
            ("2026-11-28", "%A, %B %-d, %Y", "Saturday, November 28, 2026"),
            ("2026-01-05", "%a %d/%m/%y, day %j, %-m", "Mon 05/01/26, day 005, 1"),
            ("2000-02-29", "%F %D %u %w", "2000-02-29 02/29/00 2 2"),
            ("2023-01-01", "%A%%%", "Sunday%%"),
            ("2025-06-30", "%H:%M:%S %p", "00:00:00 AM"),
        ] {
            assert_eq!(date(day).format(form), text, "{day} {form}");
        }
    }

    #[test]
    fn nonsense_is_no_date() {
        for text in [
            "",
            "2026",
            "2026-13-01",
            "2026-02-29",
            "2026-00-10",
            "2026-1-1",
            "26-11-28",
            "2026-11-28x",
            "+026-11-28",
        ] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
        assert_eq!(date("2024-02-29").to_string(), "2024-02-29");
    }
}
