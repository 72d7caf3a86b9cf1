//! Teacher-forced scoring: one forward pass over prompts and wanted completions.

use std::error::Error;

use super::context::Context;
use super::prepare::Prepared;
use super::row::Row;
use crate::engine::Score;

/// Rates every wanted completion.
pub(super) fn score(
    context: &mut Context,
    batch: &Prepared,
) -> Result<Vec<Score>, Box<dyn Error + Send + Sync>> {
    let mut scores = vec![Score { log_likelihood: 0.0, is_greedy: true }; batch.requests.len()];
    for chunk in &batch.chunks {
        context.clear();
        context.evaluate(&chunk.nodes, |node, logits| {
            let row = Row::new(logits)?;
            for &request in &node.readers {
                let wanted = usize::try_from(batch.requests[request].all[node.position + 1])?;
                let score = &mut scores[request];
                score.log_likelihood += row.log_likelihood(wanted);
                score.is_greedy &= row.is_greedy(wanted);
            }
            Ok(())
        })?;
    }
    Ok(scores)
}
