//! When a worker's machine rests: outside of some hours, on battery, or when it is hot.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::cli::args::{Hours, RestArgs};
use crate::cli::out;
use crate::store::{hottest, is_charging};

/// Time for which a look at the machine counts.
const LOOK: Duration = Duration::from_secs(20);

/// Degrees that a hot machine cools down by before it works again.
const COOL: f64 = 5.0;

/// The rules, and the last look at the machine.
pub struct Rest {
    rules: RestArgs,
    looked: Option<Instant>,
    /// The reason to rest, as of the last look.
    reason: Option<String>,
}

impl Rest {
    /// Returns the rules of the flags, and lowers this process's priority if they say so.
    pub fn new(rules: &RestArgs) -> Self {
        #[cfg(unix)]
        if let Some(nice) = rules.nice
            && let Err(error) = rustix::process::nice(nice.into())
        {
            out::warn(format!("warning: --nice {nice} has no effect here: {error}"));
        }
        Self { rules: rules.clone(), looked: None, reason: None }
    }

    /// Returns whether the machine may work now.
    pub fn may_work(&mut self) -> bool {
        if self.looked.is_none_or(|looked| looked.elapsed() > LOOK) {
            self.looked = Some(Instant::now());
            let reason = self.find_reason();
            if reason.is_some() != self.reason.is_some() {
                out::warn(
                    reason
                        .as_deref()
                        .map_or("working again".to_owned(), |reason| format!("resting: {reason}")),
                );
            }
            self.reason = reason;
        }
        self.reason.is_none()
    }

    fn find_reason(&self) -> Option<String> {
        let RestArgs { hours, only_while_charging, max_temp, .. } = &self.rules;
        let outside =
            || hours.zip(hour()).filter(|(hours, hour)| !hours.has(*hour)).map(|_| "it is not the hour");
        let on_battery =
            || (*only_while_charging && is_charging() == Some(false)).then_some("it is not charging");
        let limit = max_temp.map(|limit| if self.reason.is_some() { limit - COOL } else { limit });
        let hot = || limit.zip(hottest()).filter(|(limit, now)| now > limit);
        let reason = outside().or_else(on_battery).map(ToOwned::to_owned);
        reason.or_else(|| hot().map(|(limit, now)| format!("it has {now:.0} degrees, more than {limit:.0}")))
    }
}

/// Returns the hour of the day where this machine is.
fn hour() -> Option<u32> {
    // The standard library knows no time zones.
    let output = Command::new("date").arg("+%H").output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

impl Hours {
    /// Returns whether an hour of the day is one of these.
    fn has(&self, hour: u32) -> bool {
        let Self { from, to } = *self;
        if from < to { (from..to).contains(&hour) } else { hour >= from || hour < to }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_may_pass_midnight() {
        let night: Hours = "22-7".parse().unwrap();
        assert_eq!([21, 22, 23, 0, 6, 7].map(|hour| night.has(hour)), [false, true, true, true, true, false]);
        let day: Hours = "9-17".parse().unwrap();
        assert_eq!([8, 9, 16, 17].map(|hour| day.has(hour)), [false, true, true, false]);
        for nonsense in ["", "22", "22-24", "a-b", "7-7", "-1-3"] {
            assert!(nonsense.parse::<Hours>().is_err(), "{nonsense}");
        }
    }

    #[test]
    fn a_machine_without_rules_never_rests() {
        let rules = RestArgs { nice: None, hours: None, only_while_charging: false, max_temp: None };
        assert!(Rest::new(&rules).may_work());
        assert!(!Rest::new(&RestArgs { max_temp: Some(-300.0), ..rules }).may_work() || hottest().is_none());
    }
}
