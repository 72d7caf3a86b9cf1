//! How a fleet scales: generations of a coordinator's own bookkeeping (rounds, unit sizes, further offers) in simulated time, with
//! workers whose speeds are heavy-tailed, and of which 5% an hour leave and as many come.
//!
//! `cargo run --release --features fleet --example fleet_simulation` prints a table. A member takes the typical worker ten seconds; a
//! message takes 50 milliseconds; answers are not computed.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use qes_gguf::fleet::{Crew, GivenAnswer, Need, Pace, Round};
use qes_gguf::rng::{Domain, Source, Stream};

/// Seconds of a member on the typical worker.
const MEMBER: f64 = 10.0;

/// Seconds of a message's way.
const WAY: f64 = 0.05;

/// Workers that leave in an hour, as a share.
const LEAVING: f64 = 0.05;

/// Seconds after which the broker delivers a lost worker's unit again.
const REDELIVERED: f64 = 60.0;

/// Generations of a run.
const GENERATIONS: u64 = 5;

/// Seconds between a coordinator's decisions.
const TICK: f64 = 0.2;

/// What happens, in the order of its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    /// A worker's answer to the piece that begins with a member arrives.
    Answer { worker: usize, piece: usize, generation: u64 },
    /// A unit whose worker left is delivered again.
    Lost { piece: usize, generation: u64 },
    /// The coordinator decides.
    Tick { generation: u64 },
}

/// A fleet in simulated time, in microseconds.
struct Simulation {
    now: u64,
    random: Stream,
    /// Seconds of a member on each worker.
    speeds: Vec<f64>,
    idle: VecDeque<usize>,
    queue: VecDeque<usize>,
    happenings: BinaryHeap<Reverse<(u64, Happening)>>,
    crew: Crew,
    pace: Pace,
    /// Members that were evaluated, those included that somebody else had evaluated too.
    evaluated: usize,
    offers: usize,
}

fn micros(seconds: f64) -> u64 {
    (seconds * 1e6) as u64
}

impl Simulation {
    fn new(workers: usize) -> Self {
        let mut random = Source::new(7, Domain::Problems).stream(0);
        let speeds = (0..workers).map(|_| speed(&mut random)).collect();
        Self {
            now: 0,
            random,
            speeds,
            idle: (0..workers).collect(),
            queue: VecDeque::new(),
            happenings: BinaryHeap::new(),
            crew: Crew::default(),
            pace: Pace::default(),
            evaluated: 0,
            offers: 0,
        }
    }

    fn time(&self) -> Duration {
        Duration::from_micros(self.now)
    }

    fn after(&mut self, seconds: f64, what: Happening) {
        self.happenings.push(Reverse((self.now + micros(seconds), what)));
    }

    fn offer(&mut self, round: &mut Round, piece: usize) {
        round.offered(piece);
        self.offers += 1;
        self.queue.push_back(piece);
    }

    /// Gives waiting units to idle workers. One that leaves meanwhile is replaced by a new one, and its unit is lost.
    fn hand_out(&mut self, round: &Round) {
        while let (false, Some(worker)) = (self.queue.is_empty(), self.idle.front().copied()) {
            self.idle.pop_front();
            let Some(piece) = self.queue.pop_front() else { return };
            let seconds = self.speeds[worker] * round.pieces()[piece].members.len() as f64;
            let leaves = unit(&mut self.random) < LEAVING * seconds / 3600.0;
            if leaves {
                self.crew.left(&worker.to_string());
                self.speeds[worker] = speed(&mut self.random);
                self.idle.push_back(worker);
                self.after(REDELIVERED, Happening::Lost { piece, generation: round.generation });
            } else {
                let answer = Happening::Answer { worker, piece, generation: round.generation };
                self.after(2.0 * WAY + seconds, answer);
            }
        }
    }

    /// Evaluates a generation; returns the seconds that it took.
    fn generation(&mut self, number: u64, members: u32) -> f64 {
        let start = self.now;
        let size = self.crew.unit_size(members, &self.pace);
        let mut round = Round::new(number, members, size, self.time());
        (0..round.pieces().len()).for_each(|piece| self.offer(&mut round, piece));
        self.after(TICK, Happening::Tick { generation: number });
        while !round.is_complete(None) {
            self.hand_out(&round);
            let Some(Reverse((at, what))) = self.happenings.pop() else { break };
            self.now = at;
            match what {
                // An answer to the generation before only makes its worker free.
                Happening::Answer { worker, generation, .. } if generation != number => {
                    self.idle.push_back(worker)
                }
                Happening::Answer { worker, piece, .. } => self.answer(&mut round, worker, piece),
                Happening::Lost { piece, generation } if generation == number => self.queue.push_back(piece),
                Happening::Tick { generation } if generation == number => self.decide(&mut round),
                Happening::Lost { .. } | Happening::Tick { .. } => {}
            }
        }
        self.queue.clear();
        (self.now - start) as f64 / 1e6
    }

    fn answer(&mut self, round: &mut Round, worker: usize, piece: usize) {
        self.idle.push_back(worker);
        let members = round.pieces()[piece].members.clone();
        let (key, count) = (worker.to_string(), members.len());
        let given = GivenAnswer { by: key.clone(), class: String::new(), fitness: vec![0.0; count] };
        let now = self.time();
        self.crew.heard(&key, &key, now);
        self.crew.answered(&key, count, self.speeds[worker] * count as f64);
        self.evaluated += count;
        round.answer(members.start, given, now);
    }

    /// Offers again what is overdue, by a coordinator's rules.
    fn decide(&mut self, round: &mut Round) {
        let open = round.lacking(Need::Answer, None);
        let is_end = open.len() <= self.crew.here();
        if is_end {
            round.all_begun(self.time());
        }
        let limit = self.crew.limit(is_end, &self.pace);
        for piece in open {
            if limit.is_over(&round.pieces()[piece], self.time()) {
                self.offer(round, piece);
            }
        }
        self.after(TICK, Happening::Tick { generation: round.generation });
    }
}

/// Draws a number between 0 and 1, neither included.
fn unit(random: &mut Stream) -> f64 {
    (f64::from(random.below(1 << 30)) + 0.5) / f64::from(1 << 30)
}

/// Draws the seconds of a member on a worker: half of the workers are slower than the typical one, and one in sixteen takes more than
/// four times as long, as of Pareto's distribution with the exponent 1.5.
fn speed(random: &mut Stream) -> f64 {
    let typical = 0.5_f64.powf(1.0 / 1.5);
    (MEMBER * typical / unit(random).powf(1.0 / 1.5)).min(50.0 * MEMBER)
}

fn main() {
    println!(
        "| workers | members | seconds a generation | of the ideal | units offered a generation | evaluated twice |"
    );
    println!("|---|---|---|---|---|---|");
    for workers in [1, 5, 20, 100, 1000] {
        for each in [4_u32, 10, 40] {
            let members = each * workers as u32;
            let mut fleet = Simulation::new(workers);
            // The first one learns the speeds.
            fleet.generation(0, members);
            (fleet.evaluated, fleet.offers) = (0, 0);
            let seconds: f64 = (1..=GENERATIONS).map(|number| fleet.generation(number, members)).sum();
            let rate: f64 = fleet.speeds.iter().map(|each| 1.0 / each).sum();
            let all = f64::from(members) * GENERATIONS as f64;
            let needed = seconds * rate;
            let twice = fleet.evaluated as f64 / all - 1.0;
            println!(
                "| {workers} | {members} | {:.0} | {:.0}% | {:.0} | {:.0}% |",
                seconds / GENERATIONS as f64,
                100.0 * all / needed,
                fleet.offers as f64 / GENERATIONS as f64,
                100.0 * twice.max(0.0),
            );
        }
    }
}
