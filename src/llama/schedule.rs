//! The schedule of continuous batching: which tokens of which prompts are evaluated next.
//!
//! Replies differ in length. A sequence that has ended is replaced by the next waiting prompt in the very next forward
//! pass, so that no pass is emptier than necessary. A prefix that a prompt shares with one that is, or was until now,
//! in the KV cache is not evaluated again: sequences share the cells of their tokens, and one that takes another's
//! place keeps their common prefix. This file is plain data, without I/O; its result depends only on the prompts and
//! on the tokens that follow them.

use super::layout::{Node, Room, Token};

/// A change of the tokens that sequences have in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// A sequence keeps its first tokens and drops the others.
    Keep { sequence: usize, tokens: usize },
    /// An empty sequence gets the first tokens of another as its own.
    Share { from: usize, to: usize, tokens: usize },
}

/// The next step.
#[derive(Debug)]
pub(super) struct ForwardPass {
    /// Changes that come first, in this order.
    pub(super) moves: Vec<Move>,
    /// The sequences that nodes name by their positions in this list.
    pub(super) sequences: Vec<i32>,
    /// Nodes to evaluate after the changes. Their readers are prompts, for which the next token must be told.
    pub(super) nodes: Vec<Node>,
}

/// Prompts that are being completed.
#[derive(Debug)]
pub(super) struct Schedule<'a> {
    /// The prompts in the order of their tokens, so that neighbours share most; no two are equal.
    prompts: &'a [&'a [Token]],
    room: Room,
    /// The first waiting prompt.
    waiting: usize,
    /// The state of each sequence.
    places: Vec<Slot>,
    /// The place of each prompt that has one, or the last one that it had.
    place_of: Vec<usize>,
    cells: Cells,
    replies: Vec<Vec<Token>>,
}

/// State of a sequence.
#[derive(Clone, Debug, Default)]
struct Slot {
    /// The prompt whose tokens it has in memory, and their cells.
    prompt: Option<usize>,
    cells: Vec<usize>,
    /// `true` if these are given up, although still there until the next step.
    is_over: bool,
}

impl Slot {
    fn is_running(&self) -> bool {
        self.prompt.is_some() && !self.is_over
    }
}

/// A prompt that enters memory.
#[derive(Debug)]
struct Entrant {
    prompt: usize,
    cells: Vec<usize>,
    /// The sequence whose first tokens it begins with, if there is one, and the number of these, which are in memory.
    source: Option<usize>,
    resident: usize,
    /// Number of tokens that it shares: those in memory, or more with the entrant before it.
    joined: usize,
    place: usize,
}

/// Number of sequences that own each cell. Numbers of cells are never reused.
#[derive(Debug, Default)]
struct Cells {
    owners: Vec<usize>,
    owned: usize,
}

impl Cells {
    fn add(&mut self) -> usize {
        self.owners.push(1);
        self.owned += 1;
        self.owners.len() - 1
    }

    fn own(&mut self, cell: usize) {
        self.owned += usize::from(self.owners[cell] == 0);
        self.owners[cell] += 1;
    }

    fn release(&mut self, cell: usize) {
        self.owners[cell] -= 1;
        self.owned -= usize::from(self.owners[cell] == 0);
    }
}

impl<'a> Schedule<'a> {
    /// Creates the schedule of prompts that are different and in order, each not empty and completed with up to
    /// `room.reserve` tokens, at least 1. With these tokens the longest prompt must fit into the room.
    pub(super) fn new(prompts: &'a [&'a [Token]], room: Room) -> Self {
        Self {
            prompts,
            room,
            waiting: 0,
            places: vec![Slot::default(); room.sequences.min(prompts.len())],
            place_of: vec![0; prompts.len()],
            cells: Cells::default(),
            replies: vec![Vec::new(); prompts.len()],
        }
    }

    /// Returns the next step; `None` when all prompts are complete.
    pub(super) fn step(&mut self) -> Option<ForwardPass> {
        let mut step = ForwardPass { moves: Vec::new(), sequences: Vec::new(), nodes: Vec::new() };
        for (sequence, place) in self.places.iter().enumerate().filter(|(_, place)| place.is_running()) {
            let Some(prompt) = place.prompt else { continue };
            let Some(&token) = self.replies[prompt].last() else { continue };
            let number = step.sequences.len();
            step.sequences.push(sequence as i32);
            let (position, sequences) = (place.cells.len() - 1, number..number + 1);
            step.nodes.push(Node { token, position, sequences, readers: vec![prompt] });
        }
        let entrants = self.admit();
        step.moves = self.moves(&entrants);
        self.lay_out(&entrants, &mut step);
        for Entrant { prompt, cells, place, .. } in entrants {
            self.places[place] = Slot { prompt: Some(prompt), cells, is_over: false };
            self.place_of[prompt] = place;
        }
        (!step.nodes.is_empty()).then_some(step)
    }

    /// Sets the token after a prompt and its reply so far; `None` ends it.
    pub(super) fn tell(&mut self, prompt: usize, token: Option<Token>) {
        self.replies[prompt].extend(token);
        let place = &mut self.places[self.place_of[prompt]];
        if token.is_some() && self.replies[prompt].len() < self.room.reserve {
            place.cells.push(self.cells.add());
        } else {
            place.is_over = true;
            place.cells.iter().for_each(|&cell| self.cells.release(cell));
        }
    }

    /// Returns the tokens that follow a prompt so far.
    pub(super) fn reply(&self, prompt: usize) -> &[Token] {
        &self.replies[prompt]
    }

    /// Returns the tokens that followed each prompt.
    pub(super) fn replies(self) -> Vec<Vec<Token>> {
        self.replies
    }

    /// Admits as many waiting prompts as there is room for, and finds places for them.
    fn admit(&mut self) -> Vec<Entrant> {
        let running = self.places.iter().filter(|place| place.is_running());
        let mut free = self.places.len() - running.clone().count();
        // Cells that running sequences may still need.
        let mut promised: usize = running
            .filter_map(|place| {
                Some(self.prompts[place.prompt?].len() + self.room.reserve - place.cells.len())
            })
            .sum();
        let mut entrants: Vec<Entrant> = Vec::new();
        while free > 0 && self.waiting < self.prompts.len() {
            let entrant = self.entrant(self.waiting, entrants.last());
            promised += self.room.reserve;
            if self.cells.owned + promised > self.room.cells {
                entrant.cells.iter().for_each(|&cell| self.cells.release(cell));
                break;
            }
            entrants.push(entrant);
            self.waiting += 1;
            free -= 1;
        }
        self.find_places(&mut entrants);
        entrants
    }

    /// Returns a prompt with its cells: those that it can share, and new ones.
    fn entrant(&mut self, prompt: usize, before: Option<&Entrant>) -> Entrant {
        let tokens = self.prompts[prompt];
        let (source, resident) = self.source(tokens).unzip();
        let resident = resident.unwrap_or(0);
        let before = before.filter(|_| self.room.sharing);
        let joined = before.map_or(0, |before| common(self.prompts[before.prompt], tokens));
        let mut entrant = match before {
            // Then the two have the same in memory: a sequence that begins like one begins like the other.
            Some(Entrant { source, resident, cells, .. }) if joined > *resident => {
                let (source, resident, cells) = (*source, *resident, cells[..joined].to_vec());
                Entrant { prompt, cells, source, resident, joined, place: 0 }
            }
            _ => {
                let cells =
                    source.map_or(Vec::new(), |source| self.places[source].cells[..resident].to_vec());
                Entrant { prompt, cells, source, resident, joined: resident, place: 0 }
            }
        };
        entrant.cells.iter().for_each(|&cell| self.cells.own(cell));
        entrant.cells.resize_with(tokens.len(), || self.cells.add());
        entrant
    }

    /// Returns the sequence in memory with the longest common prefix with some tokens, the first of several, and its
    /// length.
    fn source(&self, tokens: &[Token]) -> Option<(usize, usize)> {
        let in_common = |place: &Slot| place.prompt.map_or(0, |prompt| common(self.prompts[prompt], tokens));
        let most = |best: (usize, usize), next: (usize, usize)| if next.1 > best.1 { next } else { best };
        let places = self.places.iter().map(in_common).enumerate();
        places.reduce(most).filter(|&(_, tokens)| tokens > 0 && self.room.sharing)
    }

    /// Gives each entrant a sequence: the one that it shares with, if that is over and not given to another yet, else
    /// any that no entrant shares with. There are enough of these: each one that is shared with has been given away.
    fn find_places(&self, entrants: &mut [Entrant]) {
        let mut is_free: Vec<bool> = self.places.iter().map(|place| !place.is_running()).collect();
        let mut homeless = Vec::new();
        for (number, entrant) in entrants.iter_mut().enumerate() {
            match entrant.source {
                Some(source) if is_free[source] => {
                    is_free[source] = false;
                    entrant.place = source;
                }
                _ => homeless.push(number),
            }
        }
        let free = (0..is_free.len()).filter(|&place| is_free[place]);
        for (number, place) in homeless.into_iter().zip(free) {
            entrants[number].place = place;
        }
    }

    /// Returns the changes in memory that put entrants in their places and drop what is over: first places are emptied
    /// that nobody shares with, then those are filled, then the others are cut to their shared tokens.
    fn moves(&mut self, entrants: &[Entrant]) -> Vec<Move> {
        let stays = |entrant: &&Entrant| entrant.source == Some(entrant.place);
        let mut kept: Vec<usize> = vec![0; self.places.len()];
        for entrant in entrants.iter().filter(stays) {
            kept[entrant.place] = entrant.resident;
        }
        let mut moves = Vec::new();
        for (sequence, place) in self.places.iter_mut().enumerate() {
            if place.is_over && kept[sequence] == 0 {
                moves.push(Move::Keep { sequence, tokens: 0 });
                *place = Slot::default();
            }
        }
        for entrant in entrants.iter().filter(|entrant| !stays(entrant)) {
            if let Some(from) = entrant.source {
                moves.push(Move::Share { from, to: entrant.place, tokens: entrant.resident });
            }
        }
        let cut = entrants.iter().filter(stays);
        moves.extend(cut.map(|entrant| Move::Keep { sequence: entrant.place, tokens: entrant.resident }));
        moves
    }

    /// Adds the nodes of entrants that are not in memory; entrants diverge after their common prefix.
    fn lay_out(&self, entrants: &[Entrant], step: &mut ForwardPass) {
        // The nodes of the entrant before, from its first that is not in memory.
        let mut path: Vec<usize> = Vec::new();
        for Entrant { prompt, resident, joined, place, .. } in entrants {
            let number = step.sequences.len();
            step.sequences.push(*place as i32);
            path.truncate(joined - resident);
            path.iter().for_each(|&node| step.nodes[node].sequences.end = number + 1);
            let tokens = self.prompts[*prompt];
            for (position, &token) in tokens.iter().enumerate().skip(resident + path.len()) {
                path.push(step.nodes.len());
                step.nodes.push(Node { token, position, sequences: number..number + 1, readers: Vec::new() });
            }
            if let Some(&last) = path.last() {
                step.nodes[last].readers.push(*prompt);
            }
        }
    }
}

/// Returns the length of the common prefix of two lists.
fn common(a: &[Token], b: &[Token]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests;
