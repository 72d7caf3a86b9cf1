//! Preparation of requests: tokenized, and laid out for scoring.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Failure;
use super::budget::is_small;
use super::lasting::Edited;
use super::layout::{self, Chunk, Path, Room, Token};
use super::model::NativeModel;
use super::size::ContextSize;
use super::tokens::TokenizedRequest;
use crate::engine::{Length, Request};

/// Nodes up to which a chunk of short sequences is filled, and the granularity of cells in attention.
///
/// For 128 sums of two numbers on the bundled Q4_K model, a second of one processor core scores about 2,100 requests
/// with 256 nodes, within 3% of that with 128 and 512, and 1,900 with 1,024; without sharing prefixes, 1,600.
const CHUNK_NODES: usize = 256;

/// Divisor of the number of chunks on a small model, whose chunks are evaluated on several lanes, as long as each
/// chunk keeps `LEAST_NODES`. It must not depend on the number of threads, or the last bits of rewards would.
const EVEN_CHUNKS: usize = 4;
const LEAST_NODES: usize = 40;

/// Fewest prompts to complete together on a lane, if there are several lanes.
const LEAST_PROMPTS: usize = 8;

/// The number of the next batch.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Requests that have been tokenized and laid out.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Number that identifies the batch.
    number: u64,
    pub(super) requests: Vec<TokenizedRequest>,
    /// Chunks for scoring: every sequence is a prompt and its wanted completion.
    pub(super) chunks: Vec<Chunk>,
    room: Room,
    is_small: bool,
}

impl Prepared {
    pub(super) fn new(
        model: &NativeModel,
        requests: &[Request],
        size: ContextSize,
        edited: &Edited,
    ) -> Result<Self, Failure> {
        let requests =
            requests.iter().map(|request| tokens(model, request, size)).collect::<Result<Vec<_>, _>>()?;
        let room = Room {
            cells: size.cells,
            sequences: size.sequences,
            reserve: 0,
            sharing: model.can_share_prefixes(),
        };
        let paths: Vec<Path<'_>> = requests.iter().map(TokenizedRequest::scored).collect();
        let longest = paths.iter().map(|path| path.tokens.len()).max().unwrap_or(0);
        // Long sequences get larger chunks, so that a long common prefix is not computed anew for every few of them.
        let cells = size.cells.min((4 * longest).next_multiple_of(CHUNK_NODES));
        let room_of_chunk = Room { cells, ..room };
        let is_small = is_small(model.bytes());
        let mut chunks = if is_small {
            layout::even_chunks(&paths, room_of_chunk, EVEN_CHUNKS, LEAST_NODES)
        } else {
            layout::chunks(&paths, room_of_chunk)
        };
        // A memory that cannot share the beginning of a sequence cannot go back to it either.
        if room.sharing {
            chunks.iter_mut().for_each(|chunk| chunk.put_lasting_first(|token| edited.spares(token)));
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Self { number, requests, chunks, room, is_small })
    }

    /// Returns the id of a chunk of this batch, unique among all batches.
    pub(super) fn id(&self, chunk: &Chunk) -> ChunkId {
        ChunkId { batch: self.number, first: chunk.sequences.first().and_then(|of| of.first()).copied() }
    }

    /// Returns the number of tokens that scoring evaluates; tokens that requests share count once.
    pub fn scored_tokens(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.nodes.len()).sum()
    }

    /// Returns the limits for completing the prompts with up to `new_tokens` tokens each.
    pub(super) fn room_for(&self, model: &NativeModel, new_tokens: usize) -> Result<Room, Failure> {
        let longest = self.requests.iter().map(|tokens| tokens.prompt.len()).max().unwrap_or(0);
        model.check_positions(longest + new_tokens, "the longest prompt with its reply (-n)")?;
        if longest + new_tokens > self.room.cells {
            return Err(format!(
                "a prompt of {longest} tokens and {new_tokens} new ones do not fit in a context of {}; make the \
                 context larger (-c) or ask for fewer new tokens (-n)",
                self.room.cells
            )
            .into());
        }
        Ok(Room { reserve: new_tokens, ..self.room })
    }

    /// Returns the prompts in the order of their tokens, equal ones once.
    pub(super) fn prompts(&self) -> Prompts<'_> {
        let mut order: Vec<(&[Token], usize)> =
            (0..).zip(&self.requests).map(|(request, tokens)| (&*tokens.prompt, request)).collect();
        order.sort();
        let mut prompts = Prompts { tokens: Vec::new(), requests: Vec::new() };
        for (tokens, request) in order {
            match prompts.requests.last_mut() {
                Some(requests) if prompts.tokens.last() == Some(&tokens) => requests.push(request),
                _ => {
                    prompts.tokens.push(tokens);
                    prompts.requests.push(vec![request]);
                }
            }
        }
        prompts
    }

    /// Returns the prompts in parts, each completed on one lane. The number of parts must not depend on the number of
    /// lanes, or the last bits of logits would.
    pub(super) fn streams<'a>(&self, prompts: &'a Prompts<'_>) -> Vec<PromptStream<'a>> {
        let len = prompts.tokens.len();
        let most = if self.is_small { EVEN_CHUNKS } else { 1 };
        let part = len.div_ceil((len / LEAST_PROMPTS).clamp(1, most)).max(1);
        let stream = |(number, prompts)| PromptStream { prompts, first: number * part };
        prompts.tokens.chunks(part).enumerate().map(stream).collect()
    }
}

/// Unique id of a chunk: its batch and its first request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChunkId {
    batch: u64,
    first: Option<usize>,
}

/// Prompts that are different, in the order of their tokens.
#[derive(Debug)]
pub(super) struct Prompts<'a> {
    pub(super) tokens: Vec<&'a [Token]>,
    /// The requests of each prompt.
    pub(super) requests: Vec<Vec<usize>>,
}

/// Prompts that are completed together.
#[derive(Clone, Copy, Debug)]
pub(super) struct PromptStream<'a> {
    pub(super) prompts: &'a [&'a [Token]],
    /// The number of the first of them among all prompts.
    pub(super) first: usize,
}

impl TokenizedRequest {
    /// Returns all tokens but the last, whose probability is read at the one before it.
    fn scored(&self) -> Path<'_> {
        Path { tokens: &self.all[..self.all.len() - 1], read_from: self.prompt_len - 1 }
    }
}

/// Counts the tokens of requests, which may be longer than the context.
pub(super) fn measure(model: &NativeModel, requests: &[Request]) -> Result<Vec<Length>, Failure> {
    let length = |request: &Request| {
        let TokenizedRequest { all, prompt_len, prompt } = TokenizedRequest::new(model, request)?;
        Ok(Length { prompt: prompt.len(), reply: all.len() - prompt_len, both: all.len() })
    };
    requests.iter().map(length).collect()
}

fn tokens(model: &NativeModel, request: &Request, size: ContextSize) -> Result<TokenizedRequest, Failure> {
    let begin = || request.prompt.chars().take(40).collect::<String>();
    let tokens = TokenizedRequest::new(model, request)?;
    let all = &tokens.all;
    if all.len() > size.cells {
        return Err(format!(
            "the request that begins with {:?} has {} tokens, but the context only {}; make the context larger (-c, \
             and a larger --mem-budget where there is one) or leave the request out",
            begin(),
            all.len(),
            size.cells
        )
        .into());
    }
    model.check_positions(all.len(), &format!("the request that begins with {:?}", begin()))?;
    Ok(tokens)
}
