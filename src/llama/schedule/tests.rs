//! The schedule on a fake of llama.cpp's memory and of a model.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

const ROOM: Room = Room { cells: 100, sequences: 4, reserve: 8, sharing: true };

/// Returns the token that follows some tokens; `None` for the end.
type FakeModel = fn(&[Token]) -> Option<Token>;

/// As many tokens as the last of the prompt says, which all are 10 and more; in prompts, tokens are less.
fn counting(tokens: &[Token]) -> Option<Token> {
    let prompt = tokens.iter().take_while(|&&token| token < 10).count();
    let said = (tokens.len() - prompt) as Token;
    (said < tokens[prompt - 1]).then_some(10 + said)
}

/// Anything, of about five tokens; decided by all that came before.
fn scattering(tokens: &[Token]) -> Option<Token> {
    let hash = tokens.iter().fold(7_u32, |hash, &token| (hash ^ token as u32).wrapping_mul(0x0100_0193) >> 1);
    (!hash.is_multiple_of(5)).then_some((hash % 3) as Token)
}

/// Returns the reply of a model that is asked alone.
fn alone(model: FakeModel, prompt: &[Token], most: usize) -> Vec<Token> {
    let mut tokens = prompt.to_vec();
    while let Some(token) = model(&tokens).filter(|_| tokens.len() < prompt.len() + most) {
        tokens.push(token);
    }
    tokens.split_off(prompt.len())
}

/// Cells, their tokens, and the sequences that own them, as llama.cpp keeps them; it checks what llama.cpp does.
struct Fake {
    room: Room,
    tokens: Vec<Token>,
    sequences: Vec<Vec<usize>>,
    /// Nodes evaluated and sequences that went on, step by step.
    steps: Vec<(usize, usize)>,
}

impl Fake {
    fn rearrange(&mut self, moves: &[Move]) {
        for change in moves {
            match *change {
                Move::Keep { sequence, tokens } => self.sequences[sequence].truncate(tokens),
                Move::Share { from, to, tokens } => {
                    assert!(self.sequences[to].is_empty(), "{to} still has something in memory");
                    assert!(self.room.sharing && self.sequences[from].len() >= tokens);
                    self.sequences[to] = self.sequences[from][..tokens].to_vec();
                }
            }
        }
    }

    /// Evaluates a step, and hands on what the model says.
    fn evaluate(&mut self, step: &ForwardPass, model: FakeModel, mut tell: impl FnMut(usize, Option<Token>)) {
        let distinct: HashSet<&i32> = step.sequences.iter().collect();
        assert_eq!(distinct.len(), step.sequences.len(), "a sequence is in two places");
        let mut said = Vec::new();
        for node in &step.nodes {
            let cell = self.tokens.len();
            self.tokens.push(node.token);
            let owners = &step.sequences[node.sequences.clone()];
            assert!(!owners.is_empty() && (self.room.sharing || owners.len() == 1));
            for &owner in owners {
                let sequence = &mut self.sequences[owner as usize];
                assert_eq!(sequence.len(), node.position, "a token is out of place");
                sequence.push(cell);
            }
            let text: Vec<Token> =
                self.sequences[owners[0] as usize].iter().map(|&cell| self.tokens[cell]).collect();
            said.extend(node.readers.iter().map(|&prompt| (prompt, model(&text))));
        }
        let cells: HashSet<&usize> = self.sequences.iter().flatten().collect();
        assert!(cells.len() <= self.room.cells, "{} cells are in use", cells.len());
        self.steps.push((step.nodes.len(), said.len()));
        said.into_iter().for_each(|(prompt, token)| tell(prompt, token));
    }
}

/// Completes prompts on the fake: what followed each, and the steps it took.
fn run(prompts: &[&[Token]], room: Room, model: FakeModel) -> (Vec<Vec<Token>>, Vec<(usize, usize)>) {
    let sequences = vec![Vec::new(); room.sequences];
    let mut fake = Fake { room, tokens: Vec::new(), sequences, steps: Vec::new() };
    let mut schedule = Schedule::new(prompts, room);
    while let Some(step) = schedule.step() {
        fake.rearrange(&step.moves);
        fake.evaluate(&step, model, |prompt, token| schedule.tell(prompt, token));
        assert!(fake.steps.len() <= 10_000, "it does not end");
    }
    (schedule.replies(), fake.steps)
}

fn steps(prompts: &[&[Token]], room: Room) -> Vec<(usize, usize)> {
    let (replies, steps) = run(prompts, room, counting);
    for (prompt, reply) in prompts.iter().zip(replies) {
        assert_eq!(reply, alone(counting, prompt, room.reserve), "{prompt:?}");
    }
    steps
}

#[test]
fn a_place_that_is_free_is_taken_in_the_next_step() {
    // Replies of 6, 1, 1, 2 and 1 tokens, each step two at most; a reply's end takes a step too.
    let prompts: [&[Token]; 5] = [&[1, 6], &[2, 1], &[3, 1], &[4, 2], &[5, 1]];
    let going_on: Vec<usize> =
        steps(&prompts, Room { sequences: 2, ..ROOM }).iter().map(|step| step.1).collect();
    assert_eq!(going_on, [2, 2, 2, 2, 2, 2, 2, 1, 1]);
}

#[test]
fn what_all_begin_with_is_evaluated_once() {
    let prompts: Vec<Vec<Token>> =
        (0..9).map(|last| [[1; 20].as_slice(), &[last % 3, last]].concat()).collect();
    let mut prompts: Vec<&[Token]> = prompts.iter().map(Vec::as_slice).collect();
    prompts.sort();
    let steps = steps(&prompts, Room { sequences: 2, reserve: 9, ..ROOM });
    let evaluated: usize = steps.iter().map(|step| step.0).sum();
    // The beginning, an end of one or two tokens for each prompt, and the replies without their last tokens.
    let replies: usize = (0..9).sum();
    assert!(evaluated <= 20 + 2 * 9 + replies, "{steps:?}");
}

#[test]
fn entrants_share_with_each_other() {
    let prompts: [&[Token]; 4] = [&[1, 1, 1, 0], &[1, 1, 1, 1], &[2, 2, 2, 0], &[2, 2, 2, 1]];
    assert_eq!(steps(&prompts, ROOM)[0], (10, 4));
}

#[test]
fn a_beginning_outlives_its_sequence() {
    // One place: each prompt takes that of the one before and keeps what they have in common.
    let prompts: [&[Token]; 3] = [&[1, 1, 1, 1, 0], &[1, 1, 1, 2, 0], &[1, 1, 3, 0]];
    let nodes: Vec<usize> =
        steps(&prompts, Room { sequences: 1, ..ROOM }).iter().map(|step| step.0).collect();
    assert_eq!(nodes, [5, 2, 2]);
}

#[test]
fn prompts_wait_for_cells_that_a_reply_may_need() {
    let prompts: [&[Token]; 3] = [&[1, 2, 2], &[2, 2, 2], &[3, 2, 2]];
    let most = |cells| {
        let room = Room { cells, ..ROOM };
        steps(&prompts, room).iter().map(|step| step.1).max()
    };
    assert_eq!(most(3 + 8), Some(1));
    assert_eq!(most(2 * (3 + 8)), Some(2));
    assert_eq!(most(3 * (3 + 8)), Some(3));
}

#[test]
fn nothing_is_shared_where_it_cannot_be() {
    let prompts: [&[Token]; 3] = [&[1, 1, 1], &[1, 1, 2], &[1, 1, 3]];
    let steps = steps(&prompts, Room { sharing: false, sequences: 2, ..ROOM });
    assert_eq!(steps[0].0, 6);
}

#[test]
fn a_reply_ends_at_its_longest() {
    let (replies, steps) = run(&[&[1, 9]], ROOM, counting);
    assert_eq!((replies[0].len(), steps.len()), (8, 8));
}

#[test]
fn no_prompts_take_no_steps() {
    assert!(Schedule::new(&[], ROOM).step().is_none());
}

/// Prompts over few tokens, so that many begin alike.
fn prompts() -> impl Strategy<Value = Vec<Vec<Token>>> {
    let prompt = prop::collection::vec(0..3_i32, 1..8);
    prop::collection::btree_set(prompt, 1..40).prop_map(|prompts| prompts.into_iter().collect())
}

proptest! {
    #[test]
    fn together_all_say_what_they_say_alone(
        prompts in prompts(),
        sequences in 1..6_usize,
        reserve in 1..12_usize,
        more in 0..60_usize,
        sharing: bool,
    ) {
        let prompts: Vec<&[Token]> = prompts.iter().map(Vec::as_slice).collect();
        let longest = prompts.iter().map(|prompt| prompt.len()).max().unwrap();
        let room = Room { cells: longest + reserve + more, sequences, reserve, sharing };
        let (replies, steps) = run(&prompts, room, scattering);
        for (prompt, reply) in prompts.iter().zip(&replies) {
            prop_assert_eq!(reply, &alone(scattering, prompt, reserve));
        }
        let told: usize = replies.iter().map(|reply| reply.len() + usize::from(reply.len() < reserve)).sum();
        prop_assert_eq!(steps.iter().map(|step| step.1).sum::<usize>(), told, "each told once");
        prop_assert!(steps.iter().all(|step| step.1 <= sequences));
        prop_assert_eq!(run(&prompts, room, scattering), (replies, steps), "and again the same");
    }
}
