//! The date.

use std::time::SystemTime;

use crate::chat::Date;

/// Returns today's date, in UTC.
pub fn today() -> Date {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Date::of_unix_seconds(since.map_or(0, |since| since.as_secs()))
}
