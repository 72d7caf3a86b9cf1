//! Teacher-forced scoring: one forward pass over prompts and wanted completions.

use super::Failure;
use super::context::Context;
use super::lanes;
use super::layout::Chunk;
use super::prepare::Prepared;
use super::row::Row;
use crate::engine::{Score, TokenTally};

/// Scores every wanted completion.
pub(super) fn score(lanes: &mut [Context], batch: &Prepared) -> Result<Vec<Score>, Failure> {
    let unread = Score { log_likelihood: 0.0, is_greedy: true, tokens: 0 };
    let mut scores = vec![unread; batch.requests.len()];
    for (request, part) in
        lanes::deal(lanes, &batch.chunks, |context, chunk| chunk_scores(context, batch, chunk))?
            .into_iter()
            .flatten()
    {
        let score = &mut scores[request];
        score.log_likelihood += part.log_likelihood;
        score.is_greedy &= part.is_greedy;
        score.tokens += part.tokens;
    }
    Ok(scores)
}

/// Returns the scores of a chunk, token by token: each with the request that the token belongs to.
fn chunk_scores(
    context: &mut Context,
    batch: &Prepared,
    chunk: &Chunk,
) -> Result<Vec<(usize, Score)>, Failure> {
    let mut scores = Vec::new();
    context.begin(chunk, batch.id(chunk))?;
    context.evaluate(chunk.parts().1, |node, logits| {
        let row = Row::new(logits)?;
        for &request in &node.readers {
            let wanted = usize::try_from(batch.requests[request].all[node.position + 1])?;
            let (log_likelihood, is_greedy) = (row.log_likelihood(wanted), row.is_greedy(wanted));
            let score = Score { log_likelihood, is_greedy, tokens: 1 };
            scores.push((request, score));
        }
        Ok(())
    })?;
    Ok(scores)
}

/// Returns the tally of every token of the vocabulary over the scored places.
pub(super) fn tally(lanes: &mut [Context], batch: &Prepared) -> Result<Vec<TokenTally>, Failure> {
    let mut all = Vec::new();
    // As many at a time as are made at once: each has an entry for every token.
    for chunks in batch.chunks.chunks(lanes.len().max(1)) {
        for part in lanes::deal(lanes, chunks, |context, chunk| chunk_tally(context, batch, chunk))? {
            all.resize(part.len(), TokenTally::default());
            all.iter_mut().zip(part).for_each(|(tally, more)| *tally += more);
        }
    }
    Ok(all)
}

/// Returns the tally of a chunk. A place that several requests share counts for each.
fn chunk_tally(context: &mut Context, batch: &Prepared, chunk: &Chunk) -> Result<Vec<TokenTally>, Failure> {
    let mut tally = Vec::new();
    context.begin(chunk, batch.id(chunk))?;
    context.evaluate(chunk.parts().1, |node, logits| {
        tally.resize(logits.len(), TokenTally::default());
        let row = Row::new(logits)?;
        let readers = node.readers.len() as f64;
        for (token, log_likelihood) in tally.iter_mut().zip(row.log_likelihoods()) {
            let p = libm::exp(log_likelihood);
            token.expected += readers * p;
            token.leverage += readers * p * (1.0 - p);
        }
        for &request in &node.readers {
            let wanted = usize::try_from(batch.requests[request].all[node.position + 1])?;
            tally[wanted].said += 1.0;
            tally[wanted].nats -= row.log_likelihood(wanted);
        }
        Ok(())
    })?;
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use llama_cpp_sys_2::{GGML_TYPE_F32, LLAMA_FLASH_ATTN_TYPE_DISABLED};

    use super::super::device::Placement;
    use super::super::lasting::Edited;
    use super::super::log;
    use super::super::model::{Layout, NativeModel};
    use super::super::size::ContextSize;
    use super::*;
    use crate::engine::Request;

    /// Sums of two numbers, three of four with the right answer.
    fn requests() -> Vec<Request> {
        let request = |i: u32| {
            let (a, b) = (i * 37 % 100, i * 61 % 100);
            let answer = if i % 4 == 3 { i } else { a + b };
            Request::new(format!("{a}+{b}="), answer.to_string())
        };
        (0..128).map(request).collect()
    }

    /// Without flash attention and with 32-bit keys and values, whose rounding differs between few tokens and many.
    #[test]
    fn requests_score_together_as_they_do_alone() {
        log::start();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/arith-tiny-q4_k.gguf");
        let model = NativeModel::load(&path, Layout::Plain, &Placement::none()).unwrap();
        let size = ContextSize { cells: 1024, sequences: 64, tokens: 100, outputs: 64, threads: 1 };
        let adjust = |params: &mut llama_cpp_sys_2::llama_context_params| {
            params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
            (params.type_k, params.type_v) = (GGML_TYPE_F32, GGML_TYPE_F32);
        };
        // SAFETY: the model is dropped last, and nothing else is pointed to.
        let mut context = unsafe { Context::new(&model, size, adjust) }.unwrap();
        let mut scores = |requests: &[Request]| {
            score(
                std::slice::from_mut(&mut context),
                &Prepared::new(&model, requests, size, &Edited::Anything).unwrap(),
            )
            .unwrap()
        };

        let requests = requests();
        let together = scores(&requests);
        let mut differences = Vec::new();
        for (request, together) in requests.iter().zip(&together) {
            let alone = scores(std::slice::from_ref(request))[0];
            assert_eq!(together.is_greedy, alone.is_greedy, "{request:?}");
            assert!(alone.log_likelihood < 0.0, "{request:?}");
            differences.push((together.log_likelihood - alone.log_likelihood).abs());
        }
        // Activations are rounded to 8 bits, which now and then turns the last bit of a sum into a larger difference.
        let mean = differences.iter().sum::<f64>() / 128.0;
        assert!(mean < 1e-3 && differences.iter().all(|&difference| difference < 0.02), "{differences:?}");
        assert!(
            together.iter().any(|score| score.is_greedy) && together.iter().any(|score| !score.is_greedy)
        );
    }
}
