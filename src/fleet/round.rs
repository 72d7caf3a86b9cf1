//! One generation in pieces: which were issued, answered, checked and settled. It knows no clock, broker or engine; times
//! are those since the fleet began.

use std::ops::Range;
use std::time::Duration;

use super::sameness::agree;

/// An answer to a piece.
#[derive(Clone, Debug, PartialEq)]
pub struct GivenAnswer {
    /// The worker's key.
    pub by: String,
    /// Its kernel class.
    pub class: String,
    /// The fitness of each member.
    pub fitness: Vec<f64>,
}

/// What a piece lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: its fitness is settled.
    Nothing,
    /// A first answer.
    Answer,
    /// A second answer, to be compared with the first.
    Check,
    /// The coordinator's own evaluation, since answers differ.
    Ruling,
}

/// Members that are evaluated together.
#[derive(Clone, Debug)]
pub struct Share {
    /// Their numbers.
    pub members: Range<u32>,
    /// Times that they were offered.
    pub issues: u32,
    /// The time since which some worker should be at them, if there is one.
    pub begun: Option<Duration>,
    /// `true` if an answer is to be compared with another.
    pub is_checked: bool,
    /// Order of the last offer among all of the generation.
    offer: u32,
    told: Vec<GivenAnswer>,
    /// The coordinator's own evaluation.
    ruling: Option<Vec<f64>>,
    /// `true` if it is given up.
    is_given_up: bool,
}

impl Share {
    fn new(members: Range<u32>) -> Self {
        let (told, ruling) = (Vec::new(), None);
        Self {
            members,
            issues: 0,
            begun: None,
            is_checked: false,
            offer: 0,
            told,
            ruling,
            is_given_up: false,
        }
    }

    /// Returns the worker that answered first.
    pub fn first_by(&self) -> Option<&str> {
        self.told.first().map(|told| &*told.by)
    }

    /// Returns the answers.
    pub fn told(&self) -> &[GivenAnswer] {
        &self.told
    }

    /// Returns the coordinator's own evaluation.
    pub fn ruling(&self) -> Option<&[f64]> {
        self.ruling.as_deref()
    }

    /// Returns the fitness in the first answer.
    pub fn reported(&self) -> impl Iterator<Item = f64> {
        self.told.first().into_iter().flat_map(|told| told.fitness.iter().copied())
    }

    /// Returns what it lacks, on the answers so far.
    pub fn need(&self, spread: Option<f64>) -> Need {
        match &self.told[..] {
            _ if self.ruling.is_some() || self.is_given_up => Need::Nothing,
            [] => Need::Answer,
            [_] if self.is_checked => Need::Check,
            [_] => Need::Nothing,
            [first, others @ ..] => {
                let agrees = |other: &GivenAnswer| {
                    agree(&first.fitness, &other.fitness, first.class == other.class, spread)
                };
                if others.iter().all(agrees) { Need::Nothing } else { Need::Ruling }
            }
        }
    }

    /// Returns the fitness that counts: the coordinator's own, else one of its kernel class, else the first.
    fn fitness(&self, class: &str) -> Option<&[f64]> {
        let told = || self.told.iter().find(|told| told.class == class).or(self.told.first());
        self.ruling.as_deref().or_else(|| told().map(|told| &*told.fitness))
    }
}

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// It is the first for the piece with this number.
    First(usize),
    /// It is another worker's, to be compared.
    Further(usize),
    /// It was there already, or fits no piece.
    Useless,
}

/// A generation in pieces.
#[derive(Clone, Debug)]
pub struct Round {
    /// Number of the generation.
    pub generation: u64,
    /// Members of a piece; the last one may have fewer.
    size: u32,
    pieces: Vec<Share>,
    offers: u32,
    /// The time of its start.
    pub start: Duration,
    /// The time of the last new answer.
    pub progress: Duration,
}

impl Round {
    /// Splits a generation's members into pieces of this size.
    pub fn new(generation: u64, members: u32, size: u32, now: Duration) -> Self {
        let size = size.max(1);
        let pieces = (0..members).step_by(size as usize);
        let pieces = pieces.map(|first| Share::new(first..first.saturating_add(size).min(members))).collect();
        Self { generation, size, pieces, offers: 0, start: now, progress: now }
    }

    /// Returns the pieces.
    pub fn pieces(&self) -> &[Share] {
        &self.pieces
    }

    /// Returns the numbers of the pieces that lack this.
    pub fn lacking(&self, need: Need, spread: Option<f64>) -> Vec<usize> {
        let numbers = self.pieces.iter().enumerate();
        numbers.filter(|(_, piece)| piece.need(spread) == need).map(|(number, _)| number).collect()
    }

    /// Returns all fitness in first answers.
    pub fn reported(&self) -> impl Iterator<Item = f64> {
        self.pieces.iter().flat_map(Share::reported)
    }

    /// Returns the number of members with an answer.
    pub fn answered(&self) -> usize {
        let answered = self.pieces.iter().filter(|piece| !piece.told.is_empty() || piece.ruling.is_some());
        answered.map(|piece| piece.members.len()).sum()
    }

    /// Notes that a piece was offered, and returns the number of the offer.
    pub fn offered(&mut self, number: usize) -> u32 {
        self.offers += 1;
        let piece = &mut self.pieces[number];
        piece.issues += 1;
        (piece.offer, piece.begun) = (self.offers, None);
        piece.issues
    }

    /// Wants a piece to be checked.
    pub fn check(&mut self, number: usize) {
        self.pieces[number].is_checked = true;
    }

    /// Takes an answer to the piece that begins with this member.
    pub fn answer(&mut self, first: u32, told: GivenAnswer, now: Duration) -> Received {
        let number = (first / self.size) as usize;
        let fits =
            |piece: &&mut Share| piece.members.start == first && piece.members.len() == told.fitness.len();
        let Some(piece) = self.pieces.get_mut(number).filter(fits) else { return Received::Useless };
        if piece.told.iter().any(|before| before.by == told.by) {
            return Received::Useless;
        }
        let is_first = piece.told.is_empty();
        let offer = piece.offer;
        piece.told.push(told);
        self.progress = now;
        // Units are taken in the order of their offers, so those before this one were taken too.
        let taken = self.pieces.iter_mut().filter(|piece| piece.offer < offer);
        taken.for_each(|piece| piece.begun = piece.begun.or(Some(now)));
        if is_first { Received::First(number) } else { Received::Further(number) }
    }

    /// Notes that every piece that was offered must have been taken by now.
    pub fn all_begun(&mut self, now: Duration) {
        self.pieces.iter_mut().for_each(|piece| piece.begun = piece.begun.or(Some(now)));
    }

    /// Takes the coordinator's own evaluation, which settles a piece.
    pub fn rule(&mut self, number: usize, fitness: Vec<f64>, now: Duration) {
        self.pieces[number].ruling = Some(fitness);
        self.progress = now;
    }

    /// Drops all answers of a worker, and returns the numbers of the pieces that have none any more.
    pub fn drop_worker(&mut self, by: &str) -> Vec<usize> {
        let mut open = Vec::new();
        for (number, piece) in self.pieces.iter_mut().enumerate() {
            let before = piece.told.len();
            piece.told.retain(|told| told.by != by);
            if before > 0 && piece.told.is_empty() && piece.ruling.is_none() {
                (piece.is_checked, piece.begun) = (false, None);
                open.push(number);
            }
        }
        open
    }

    /// Gives up the pieces without an answer.
    pub fn give_up(&mut self) {
        self.pieces
            .iter_mut()
            .filter(|piece| piece.told.is_empty())
            .for_each(|piece| piece.is_given_up = true);
    }

    /// Returns whether every piece is settled or given up.
    pub fn is_complete(&self, spread: Option<f64>) -> bool {
        self.pieces.iter().all(|piece| piece.need(spread) == Need::Nothing)
    }

    /// Returns the fitness of all members, as a coordinator of this kernel class counts it.
    pub fn fitness(&self, class: &str) -> Vec<Option<f64>> {
        let of = |piece: &Share| match piece.fitness(class) {
            Some(fitness) => fitness.iter().copied().map(Some).collect(),
            None => vec![None; piece.members.len()],
        };
        self.pieces.iter().flat_map(of).collect()
    }
}
