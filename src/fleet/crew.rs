//! The workers as a coordinator knows them: who is there, how fast, and who is trusted.

use std::collections::BTreeMap;
use std::time::Duration;

use super::round::Share;

/// Longest and shortest times of a fleet.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Length of a unit on the typical worker.
    pub unit: Duration,
    /// Most of a unit on the slowest one.
    pub longest: Duration,
    /// Time without a new answer after which a generation closes with those that are in, if they are at least half.
    pub stall: Duration,
    /// Time after which a silent worker counts as gone.
    pub quiet: Duration,
    /// Least time after which a unit is offered again.
    pub patience: Duration,
    /// Wait for a report, and between attempts to reach a broker.
    pub poll: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            unit: seconds(10),
            longest: seconds(20),
            stall: seconds(300),
            quiet: seconds(90),
            patience: seconds(3),
            poll: Duration::from_millis(200),
        }
    }
}

/// One worker.
#[derive(Clone, Debug, Default)]
pub struct Hand {
    /// Its name.
    pub name: String,
    /// `true` after an answer of it was compared with another evaluation.
    pub is_vetted: bool,
    /// `true` if it is not listened to.
    pub is_out: bool,
    /// Its kernel class, once it is admitted.
    pub class: Option<String>,
    /// `true` if it is there.
    pub is_here: bool,
    /// Seconds that a member takes it.
    pub member_seconds: Option<f64>,
    /// Units that it answered.
    pub units: u64,
    heard: Duration,
}

/// The time after which a unit is overdue.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Time of a member, if a speed is known.
    member: Option<Duration>,
    pace: Pace,
}

impl Limit {
    /// Returns the time for a unit of this many members.
    pub fn of(&self, members: usize) -> Duration {
        let usual = self.member.map_or(self.pace.longest, |member| member * members as u32);
        self.pace.patience.max(usual)
    }

    /// Returns whether a share that was begun should have been answered by now. Each further offer gets more time.
    pub fn is_over(&self, share: &Share, now: Duration) -> bool {
        let limit = self.of(share.members.len()) * share.issues.clamp(1, 16);
        share.begun.is_some_and(|begun| now.saturating_sub(begun) > limit)
    }
}

/// All workers, by their keys.
#[derive(Clone, Debug, Default)]
pub struct Crew(BTreeMap<String, Hand>);

impl Crew {
    /// Returns a worker that is heard of now, and whether it has just come.
    pub fn heard(&mut self, key: &str, name: &str, now: Duration) -> (&mut Hand, bool) {
        let hand = self.0.entry(key.to_owned()).or_default();
        let is_new = !hand.is_here && !hand.is_out;
        name.clone_into(&mut hand.name);
        (hand.heard, hand.is_here) = (now, !hand.is_out);
        (hand, is_new)
    }

    /// Notes that a worker of this kernel class is admitted.
    pub fn admit(&mut self, key: &str, class: &str) {
        self.0.entry(key.to_owned()).and_modify(|hand| hand.class = Some(class.to_owned()));
    }

    /// Notes that a worker is refused: its answers do not count.
    pub fn refuse(&mut self, key: &str) {
        self.0.entry(key.to_owned()).and_modify(|hand| (hand.class, hand.is_here) = (None, false));
    }

    /// Returns the kernel class of a worker, if it is admitted.
    pub fn class(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.class.as_deref()
    }

    /// Returns whether a worker is not listened to.
    pub fn is_out(&self, key: &str) -> bool {
        self.0.get(key).is_some_and(|hand| hand.is_out)
    }

    /// Returns whether an answer of a worker was compared already.
    pub fn is_vetted(&self, key: &str) -> bool {
        self.0.get(key).is_some_and(|hand| hand.is_vetted)
    }

    /// Notes that an answer of a worker was right.
    pub fn vet(&mut self, key: &str) {
        self.0.entry(key.to_owned()).and_modify(|hand| hand.is_vetted = true);
    }

    /// Listens to a worker no more.
    pub fn shut_out(&mut self, key: &str) {
        let hand = self.0.entry(key.to_owned()).or_default();
        (hand.is_out, hand.is_here) = (true, false);
    }

    /// Notes that a worker has left. Returns its name if it was there.
    pub fn left(&mut self, key: &str) -> Option<String> {
        let hand = self.0.get_mut(key).filter(|hand| hand.is_here)?;
        hand.is_here = false;
        Some(hand.name.clone())
    }

    /// Notes the time that an answer took.
    pub fn answered(&mut self, key: &str, members: usize, seconds: f64) {
        let Some(hand) = self.0.get_mut(key) else { return };
        let each = seconds / members.max(1) as f64;
        hand.units += 1;
        hand.member_seconds = Some(hand.member_seconds.map_or(each, |before| 0.7 * before + 0.3 * each));
    }

    /// Begins a generation: the silence before it does not count.
    pub fn begin(&mut self, now: Duration) {
        self.0.values_mut().for_each(|hand| hand.heard = hand.heard.max(now));
    }

    /// Returns the keys of those who were silent for too long.
    pub fn silent(&self, now: Duration, pace: &Pace) -> Vec<String> {
        let is_silent = |hand: &Hand| {
            let unit = hand.member_seconds.map_or(Duration::ZERO, |_| 4 * pace.longest);
            hand.is_here && now.saturating_sub(hand.heard) > pace.quiet.max(unit)
        };
        self.0.iter().filter(|(_, hand)| is_silent(hand)).map(|(key, _)| key.clone()).collect()
    }

    /// Returns the number of workers that are there.
    pub fn here(&self) -> usize {
        self.hands().count()
    }

    /// Returns the workers that are there.
    pub fn hands(&self) -> impl Iterator<Item = &Hand> {
        self.0.values().filter(|hand| hand.is_here)
    }

    /// Returns whether somebody else than this worker is there.
    pub fn has_another(&self, key: &str) -> bool {
        self.0.iter().any(|(other, hand)| hand.is_here && other != key)
    }

    /// Returns the seconds of a member on each worker that is there, the fastest first.
    fn speeds(&self) -> Vec<f64> {
        let mut all: Vec<f64> = self.hands().filter_map(|hand| hand.member_seconds).collect();
        all.sort_by(f64::total_cmp);
        all
    }

    /// Returns the number of members of a unit in a generation of this many: so many that the typical worker takes as
    /// long as is wanted, the slowest no longer than allowed, and each has some units.
    pub fn unit_size(&self, members: u32, pace: &Pace) -> u32 {
        let speeds = self.speeds();
        let (Some(typical), Some(slowest)) = (speeds.get(speeds.len() / 2), speeds.last()) else { return 1 };
        let fit = |time: Duration, each: f64| (time.as_secs_f64() / each.max(1e-6)).floor();
        let most = fit(pace.unit, *typical).min(fit(pace.longest, *slowest));
        let share = members / (3 * speeds.len() as u32).max(1);
        (most.min(f64::from(members)) as u32).min(share).max(1)
    }

    /// Returns the time after which units are overdue. At the end of a generation, when somebody is free for each, that is soon:
    /// the typical worker would have answered. Before, a unit may only be with the slowest.
    pub fn limit(&self, is_end: bool, pace: &Pace) -> Limit {
        let speeds = self.speeds();
        let typical = speeds.get(speeds.len() / 2).map(|each| 2.0 * each);
        let slowest = speeds.last().map(|each| 1.5 * each);
        let member = if is_end { typical } else { slowest };
        Limit { member: member.map(|seconds| Duration::from_secs_f64(seconds.min(1e6))), pace: *pace }
    }

    /// Returns the slowest worker and the seconds of a member on it, if the typical one takes less than half of that.
    pub fn slow(&self) -> Option<(String, f64)> {
        let speeds = self.speeds();
        let (typical, slowest) = (speeds.get(speeds.len().checked_sub(1)? / 2)?, speeds.last()?);
        let hand = self.hands().find(|hand| hand.member_seconds == Some(*slowest))?;
        (*slowest > 2.0 * typical).then(|| (hand.name.clone(), *slowest))
    }
}
