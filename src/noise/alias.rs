//! Alias tables in integers: one 32-bit word draws one outcome of a fixed distribution.
//!
//! A table has 1024 columns. A word's bit 0 is left to the caller (a sign), the next 10 bits choose a column, and the
//! remaining 21 bits decide between the column's own outcome and its alias. Every probability is a multiple of 2^-31, so
//! the table is its distribution, exactly and on every machine.

/// Columns of a table, as a power of two.
const BITS: u32 = 10;

/// Most outcomes of a table.
pub const OUTCOMES: usize = 1 << BITS;

/// Mask of the column in a word, and of the alias in a column.
const MASK: u32 = OUTCOMES as u32 - 1;

/// Number of equally likely states of the 31 bits that a draw uses, and of those of one column.
const STATES: u64 = 1 << 31;
const CAPACITY: u64 = STATES >> BITS;

/// A distribution over the outcomes `0..OUTCOMES`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasTable {
    /// Per column: states that give the column's own outcome (upper 22 bits), and the alias (lower 10 bits).
    columns: Box<[u32; OUTCOMES]>,
}

impl AliasTable {
    /// Creates the table of these probabilities, at most [`OUTCOMES`] of them, which are scaled to add up to one and
    /// rounded to multiples of 2^-31.
    pub fn new(probabilities: &[f64]) -> Self {
        Self { columns: distribute(quantize(probabilities)) }
    }

    /// Returns the outcomes that these words draw. Bit 0 of a word is not used.
    #[inline]
    pub fn draw<const N: usize>(&self, words: &[u32; N]) -> [u16; N] {
        // The look-ups apart from the rest, which then becomes vector instructions.
        let mut entries = [0; N];
        for (entry, word) in entries.iter_mut().zip(words) {
            *entry = self.columns[(word >> 1 & MASK) as usize];
        }
        let mut outcomes = [0; N];
        for ((outcome, entry), word) in outcomes.iter_mut().zip(entries).zip(words) {
            let own = word >> (BITS + 1) < entry >> BITS;
            *outcome = (if own { word >> 1 & MASK } else { entry & MASK }) as u16;
        }
        outcomes
    }

    /// Returns the number of the 2^31 states that draw each outcome.
    #[cfg(test)]
    pub fn states(&self) -> Vec<u64> {
        let mut states = vec![0; OUTCOMES];
        for (column, entry) in self.columns.iter().enumerate() {
            let own = u64::from(entry >> BITS);
            states[column] += own;
            states[(entry & MASK) as usize] += CAPACITY - own;
        }
        states
    }

    /// Returns the table's content as bytes, for digests.
    pub fn bytes(&self) -> impl Iterator<Item = u8> + '_ {
        self.columns.iter().flat_map(|entry| entry.to_le_bytes())
    }
}

/// Returns integers in proportion to the probabilities that add up to [`STATES`]; the largest takes the remainder of
/// rounding.
fn quantize(probabilities: &[f64]) -> [u64; OUTCOMES] {
    let total: f64 = probabilities.iter().sum();
    let scale = STATES as f64 / total;
    let mut states = [0; OUTCOMES];
    for (states, p) in states[..probabilities.len()].iter_mut().zip(probabilities) {
        *states = (p * scale + 0.5).floor() as u64;
    }
    let largest = (0..OUTCOMES).max_by_key(|&i| states[i]).unwrap_or(0);
    let others: u64 = states.iter().sum::<u64>() - states[largest];
    states[largest] = STATES - others;
    states
}

/// Fills columns of equal capacity, each with at most two outcomes (Vose's construction, in integers).
fn distribute(mut states: [u64; OUTCOMES]) -> Box<[u32; OUTCOMES]> {
    let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..OUTCOMES).partition(|&i| states[i] < CAPACITY);
    let mut columns = Box::new(std::array::from_fn(|i| pack(CAPACITY, i)));
    while let (Some(poor), Some(&rich)) = (small.pop(), large.last()) {
        columns[poor] = pack(states[poor], rich);
        states[rich] -= CAPACITY - states[poor];
        if states[rich] < CAPACITY {
            large.pop();
            small.push(rich);
        }
    }
    columns
}

fn pack(own: u64, alias: usize) -> u32 {
    (own as u32) << BITS | alias as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_the_distribution_exactly() {
        let probabilities = [0.5, 0.25, 0.125, 0.125];
        let states = AliasTable::new(&probabilities).states();
        for (i, p) in probabilities.iter().enumerate() {
            assert_eq!(states[i], (p * STATES as f64) as u64, "outcome {i}");
        }
        assert_eq!(states.iter().sum::<u64>(), STATES);
    }

    #[test]
    fn a_single_outcome_is_always_drawn() {
        let table = AliasTable::new(&[0.0, 0.0, 1.0]);
        assert_eq!(table.draw(&[0, 1, 0x8000_0000, u32::MAX]), [2; 4]);
    }

    #[test]
    fn drawing_every_fraction_of_a_column_counts_its_states() {
        let table = AliasTable::new(&[0.3, 0.6, 0.1]);
        for column in [0_u32, 1, 2, 77, 1023] {
            let drawn_own = |fraction: &u32| table.draw(&[fraction << 11 | column << 1]) == [column as u16];
            let entry = table.columns[column as usize];
            let own = (0..1_u32 << 21).filter(drawn_own).count() as u64;
            let alias_is_own = entry & MASK == column;
            assert_eq!(
                own,
                if alias_is_own { CAPACITY } else { u64::from(entry >> BITS) },
                "column {column}"
            );
            assert_eq!(
                table.draw(&[u32::MAX << 11 | column << 1]),
                [(entry & MASK) as u16],
                "column {column}"
            );
        }
    }
}
