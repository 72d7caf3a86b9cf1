//! Layout of many short token sequences for evaluation in few batches.
//!
//! Prompts share prefixes, if only the token that begins every text, so the sequences of a chunk form a trie whose
//! nodes are evaluated once each. In the order of their tokens, sequences are next to their neighbours in the trie: it
//! grows depth first, and the sequences below a node have consecutive numbers. This file is plain data, without I/O.

use std::ops::Range;

/// A token's number in the vocabulary.
pub(super) type Token = i32;

/// One token of a chunk, evaluated once for all sequences that pass through it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) token: Token,
    /// Number of tokens before it.
    pub(super) position: usize,
    /// The sequences of the chunk that pass through it.
    pub(super) sequences: Range<usize>,
    /// The requests that need the logits after it.
    pub(super) readers: Vec<usize>,
}

/// Sequences that are evaluated together, with an empty KV cache, or after the nodes that an earlier evaluation left in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chunk {
    /// The nodes, depth first; sequences diverge after the tokens they share.
    pub(super) nodes: Vec<Node>,
    /// The requests that each sequence answers; equal ones share a sequence.
    pub(super) sequences: Vec<Vec<usize>>,
    /// Number of nodes, the first ones, that stay in the KV cache from one evaluation to the next.
    pub(super) lasting: usize,
}

impl Chunk {
    /// Moves the nodes that need to be evaluated only once to the front: such a node has no readers, its token
    /// satisfies `lasts`, and the same holds for all nodes before it.
    pub(super) fn put_lasting_first(&mut self, lasts: impl Fn(Token) -> bool) {
        // Whether the node at each position of the sequence that the walk is in lasts.
        let mut path: Vec<bool> = Vec::new();
        let mut node_lasts = |node: &Node| {
            path.truncate(node.position);
            let lasting =
                path.last().is_none_or(|&last| last) && node.readers.is_empty() && lasts(node.token);
            path.push(lasting);
            lasting
        };
        let (mut first, rest): (Vec<Node>, Vec<Node>) =
            std::mem::take(&mut self.nodes).into_iter().partition(|node| node_lasts(node));
        self.lasting = first.len();
        first.extend(rest);
        self.nodes = first;
    }

    /// Returns the nodes that stay in memory, and those that are evaluated each time.
    pub(super) fn parts(&self) -> (&[Node], &[Node]) {
        self.nodes.split_at(self.lasting)
    }

    /// Returns the number of tokens of each sequence that stay in memory.
    pub(super) fn lasting_tokens(&self) -> Vec<usize> {
        let mut tokens = vec![0; self.sequences.len()];
        for node in &self.nodes[..self.lasting] {
            tokens[node.sequences.clone()].iter_mut().for_each(|tokens| *tokens += 1);
        }
        tokens
    }
}

/// Limits on a chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Cells of the KV cache: for the nodes, and for the tokens that each sequence appends later.
    pub(super) cells: usize,
    /// Sequences in parallel.
    pub(super) sequences: usize,
    /// Cells kept free for each sequence to append to.
    pub(super) reserve: usize,
    /// `true` if sequences may share the nodes of a common prefix.
    pub(super) sharing: bool,
}

/// The tokens of one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path<'a> {
    /// The tokens to evaluate; not empty.
    pub(super) tokens: &'a [Token],
    /// The first position at which the request needs the logits.
    pub(super) read_from: usize,
}

/// Lays out one sequence for each path; the path's number becomes the request's.
///
/// A path that exceeds the room by itself gets a chunk of its own; callers check lengths first.
pub(super) fn chunks(paths: &[Path<'_>], room: Room) -> Vec<Chunk> {
    let mut order: Vec<usize> = (0..paths.len()).collect();
    order.sort_by_key(|&request| paths[request].tokens);

    let mut done = Vec::new();
    let mut growing = Growing::default();
    for request in order {
        let path = paths[request];
        if !growing.fits(path, room) {
            done.push(std::mem::take(&mut growing).chunk);
        }
        growing.add(request, path, room.sharing);
    }
    if !growing.chunk.nodes.is_empty() {
        done.push(growing.chunk);
    }
    done
}

/// Lays out sequences as [`chunks`] does, but in a multiple of `multiple` chunks of about the same size, as long as
/// each has `least` nodes on average: so this many workers get equal work.
pub(super) fn even_chunks(paths: &[Path<'_>], room: Room, multiple: usize, least: usize) -> Vec<Chunk> {
    let full = chunks(paths, room);
    let nodes: usize = full.iter().map(|chunk| chunk.nodes.len()).sum();
    let wanted = full.len().next_multiple_of(multiple).min(nodes / least);
    if wanted <= full.len() {
        return full;
    }
    // The smallest room in which the chunks are no more than wanted makes them most alike.
    let (mut too_small, mut enough) = (0, room.cells);
    while enough - too_small > 1 {
        let cells = (too_small + enough) / 2;
        let fits = chunks(paths, Room { cells, ..room }).len() <= wanted;
        *(if fits { &mut enough } else { &mut too_small }) = cells;
    }
    chunks(paths, Room { cells: enough, ..room })
}

/// Splits nodes into runs of at most `tokens` nodes, of which at most `outputs` are read.
pub(super) fn runs(nodes: &[Node], tokens: usize, outputs: usize) -> Vec<&[Node]> {
    let mut runs = Vec::new();
    let (mut start, mut read) = (0, 0);
    for (i, node) in nodes.iter().enumerate() {
        let is_read = usize::from(!node.readers.is_empty());
        if i - start == tokens || read + is_read > outputs {
            runs.push(&nodes[start..i]);
            (start, read) = (i, 0);
        }
        read += is_read;
    }
    if start < nodes.len() {
        runs.push(&nodes[start..]);
    }
    runs
}

/// A chunk to which sequences are added in the order of their tokens.
#[derive(Debug, Default)]
struct Growing<'a> {
    chunk: Chunk,
    /// The sequence that was added last, and the node of each of its tokens.
    last: &'a [Token],
    last_nodes: Vec<usize>,
}

impl<'a> Growing<'a> {
    fn shared(&self, path: Path<'_>, sharing: bool) -> usize {
        if path.tokens == self.last || sharing {
            self.last.iter().zip(path.tokens).take_while(|(a, b)| a == b).count()
        } else {
            0
        }
    }

    fn fits(&self, path: Path<'_>, room: Room) -> bool {
        if self.chunk.nodes.is_empty() || path.tokens == self.last {
            return true;
        }
        let nodes = self.chunk.nodes.len() + path.tokens.len() - self.shared(path, room.sharing);
        let sequences = self.chunk.sequences.len() + 1;
        sequences <= room.sequences && nodes + sequences * room.reserve <= room.cells
    }

    fn add(&mut self, request: usize, path: Path<'a>, sharing: bool) {
        let shared = self.shared(path, sharing);
        if path.tokens != self.last {
            self.branch(path.tokens, shared);
        }
        if let Some(requests) = self.chunk.sequences.last_mut() {
            requests.push(request);
        }
        for &node in &self.last_nodes[path.read_from..] {
            self.chunk.nodes[node].readers.push(request);
        }
    }

    /// Starts a sequence that shares its first `shared` tokens with the last one.
    fn branch(&mut self, tokens: &'a [Token], shared: usize) {
        let sequence = self.chunk.sequences.len();
        self.chunk.sequences.push(Vec::new());
        self.last_nodes.truncate(shared);
        for &node in &self.last_nodes {
            self.chunk.nodes[node].sequences.end = sequence + 1;
        }
        for (position, &token) in tokens.iter().enumerate().skip(shared) {
            self.last_nodes.push(self.chunk.nodes.len());
            let sequences = sequence..sequence + 1;
            self.chunk.nodes.push(Node { token, position, sequences, readers: Vec::new() });
        }
        self.last = tokens;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room { cells: 100, sequences: 10, reserve: 0, sharing: true };

    fn paths<'a>(tokens: &'a [&'a [Token]]) -> Vec<Path<'a>> {
        tokens.iter().map(|tokens| Path { tokens, read_from: tokens.len() - 1 }).collect()
    }

    fn node(token: Token, position: usize, sequences: Range<usize>, readers: &[usize]) -> Node {
        Node { token, position, sequences, readers: readers.to_vec() }
    }

    #[test]
    fn sequences_share_their_common_prefix() {
        let chunks = chunks(&paths(&[&[1, 5, 7], &[1, 5, 6], &[1, 5]]), ROOM);
        let expected =
            [node(1, 0, 0..3, &[]), node(5, 1, 0..3, &[2]), node(6, 2, 1..2, &[1]), node(7, 2, 2..3, &[0])];
        assert_eq!(chunks[0].nodes, expected);
        assert_eq!(chunks[0].sequences, [[2], [1], [0]]);
        assert_eq!(chunks.len(), 1);
    }

    #[test]
    fn equal_requests_share_a_sequence() {
        let mut paths = paths(&[&[1, 5], &[1, 5]]);
        paths[1].read_from = 0;
        let chunks = chunks(&paths, Room { sharing: false, ..ROOM });
        assert_eq!(chunks[0].nodes, [node(1, 0, 0..1, &[1]), node(5, 1, 0..1, &[0, 1])]);
        assert_eq!(chunks[0].sequences, [[0, 1]]);
    }

    #[test]
    fn without_sharing_every_sequence_stands_alone() {
        let chunks = chunks(&paths(&[&[1, 5], &[1, 6]]), Room { sharing: false, ..ROOM });
        let expected =
            [node(1, 0, 0..1, &[]), node(5, 1, 0..1, &[0]), node(1, 0, 1..2, &[]), node(6, 1, 1..2, &[1])];
        assert_eq!(chunks[0].nodes, expected);
    }

    #[test]
    fn a_full_chunk_is_followed_by_another() {
        let tokens: Vec<Vec<Token>> = (0..7).map(|last| vec![1, 2, last]).collect();
        let tokens: Vec<&[Token]> = tokens.iter().map(Vec::as_slice).collect();
        let counts = |room| -> Vec<usize> {
            chunks(&paths(&tokens), room).iter().map(|chunk| chunk.sequences.len()).collect()
        };
        assert_eq!(counts(ROOM), [7]);
        assert_eq!(counts(Room { cells: 5, ..ROOM }), [3, 3, 1]);
        assert_eq!(counts(Room { sequences: 2, ..ROOM }), [2, 2, 2, 1]);
        assert_eq!(counts(Room { cells: 8, reserve: 2, ..ROOM }), [2, 2, 2, 1]);
        assert_eq!(counts(Room { cells: 1, ..ROOM }), [1; 7]);
    }

    #[test]
    fn even_chunks_are_alike() {
        let tokens: Vec<Vec<Token>> = (0..40).map(|last| vec![1, 2, last, last]).collect();
        let tokens: Vec<&[Token]> = tokens.iter().map(Vec::as_slice).collect();
        let room = Room { sequences: 40, ..ROOM };
        let sizes = |multiple, least| -> Vec<usize> {
            let chunks = even_chunks(&paths(&tokens), room, multiple, least);
            chunks.iter().map(|chunk| chunk.nodes.len()).collect()
        };
        assert_eq!(sizes(1, 1), [82]);
        assert_eq!(sizes(4, 8), [22, 22, 22, 22]);
        assert_eq!(sizes(4, 30), [42, 42], "as many as leave enough to each");
        assert_eq!(sizes(4, 50), [82]);
    }

    #[test]
    fn nodes_that_last_come_first() {
        // Token 6 does not last, and what follows token 8 is read.
        let mut paths = paths(&[&[1, 2, 3, 4], &[1, 2, 6, 3], &[1, 8, 3, 4]]);
        paths[2].read_from = 1;
        let mut chunk = chunks(&paths, ROOM).remove(0);
        chunk.put_lasting_first(|token| token != 6);
        let tokens = |nodes: &[Node]| -> Vec<Token> { nodes.iter().map(|node| node.token).collect() };
        let (lasting, rest) = chunk.parts();
        assert_eq!((tokens(lasting), tokens(rest)), (vec![1, 2, 3], vec![4, 6, 3, 8, 3, 4]));
        assert_eq!(chunk.lasting_tokens(), [3, 2, 1]);
    }

    #[test]
    fn runs_respect_both_limits() {
        let nodes: Vec<Node> = (0..6).map(|i| node(0, i, 0..1, if i < 3 { &[0] } else { &[] })).collect();
        let lengths = |tokens, outputs| -> Vec<usize> {
            runs(&nodes, tokens, outputs).iter().map(|run| run.len()).collect()
        };
        assert_eq!(lengths(10, 10), [6]);
        assert_eq!(lengths(4, 10), [4, 2]);
        assert_eq!(lengths(10, 2), [2, 4]);
        assert!(runs(&[], 4, 2).is_empty());
    }
}
