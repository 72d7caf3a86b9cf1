//! Alias tables in integers: one 32-bit word draws one outcome of a fixed distribution.
//!
//! A table has `2^bits` columns. A word's bit 0 is left to the caller (a sign), the next `bits` bits choose a column,
//! and the remaining `31 - bits` bits decide between the column's own outcome and its alias. Every probability is a
//! multiple of 2^-31, so the table is its distribution, exactly and on every machine.

/// Number of equally likely states of the 31 bits that a draw looks at.
const STATES: u64 = 1 << 31;

/// A distribution over the outcomes `0..2^bits`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasTable {
    bits: u32,
    /// Per column: states that give the column's own outcome (upper bits), and the alias (lower `bits` bits).
    columns: Vec<u32>,
}

impl AliasTable {
    /// A table with `2^bits` columns (`bits` at most 15) for outcomes with these probabilities, which are scaled to
    /// add up to one and rounded to multiples of 2^-31. There must be no more outcomes than columns.
    pub fn new(bits: u32, probabilities: &[f64]) -> Self {
        let mut states = quantize(probabilities);
        states.resize(1 << bits, 0);
        Self { bits, columns: distribute(bits, states) }
    }

    /// The outcome that this word draws. Bit 0 of the word plays no part.
    #[inline]
    pub fn draw(&self, word: u32) -> u32 {
        let mask = (1 << self.bits) - 1;
        let column = word >> 1 & mask;
        let entry = self.columns[column as usize];
        let own = word >> (self.bits + 1) < entry >> self.bits;
        if own { column } else { entry & mask }
    }

    /// How many of the 2^31 states draw each outcome.
    #[cfg(test)]
    pub fn states(&self) -> Vec<u64> {
        let capacity = STATES >> self.bits;
        let mut states = vec![0; self.columns.len()];
        for (column, entry) in self.columns.iter().enumerate() {
            let own = u64::from(entry >> self.bits);
            states[column] += own;
            states[(entry & ((1 << self.bits) - 1)) as usize] += capacity - own;
        }
        states
    }

    /// The table's content as bytes, for digests.
    pub fn bytes(&self) -> impl Iterator<Item = u8> + '_ {
        self.columns.iter().flat_map(|entry| entry.to_le_bytes())
    }
}

/// Whole numbers in proportion to the probabilities that add up to [`STATES`]; the largest takes what rounding leaves.
fn quantize(probabilities: &[f64]) -> Vec<u64> {
    let total: f64 = probabilities.iter().sum();
    let scale = STATES as f64 / total;
    let mut states: Vec<u64> = probabilities.iter().map(|p| (p * scale + 0.5).floor() as u64).collect();
    let largest = (0..states.len()).max_by_key(|&i| states[i]).unwrap_or(0);
    let others: u64 = states.iter().sum::<u64>() - states[largest];
    states[largest] = STATES - others;
    states
}

/// Fills columns of equal capacity, each with at most two outcomes (Vose's construction, in integers).
fn distribute(bits: u32, mut states: Vec<u64>) -> Vec<u32> {
    let capacity = STATES >> bits;
    let (mut small, mut large): (Vec<usize>, Vec<usize>) =
        (0..states.len()).partition(|&i| states[i] < capacity);
    let mut columns: Vec<u32> = (0..states.len()).map(|i| pack(bits, capacity, i)).collect();
    while let (Some(poor), Some(&rich)) = (small.pop(), large.last()) {
        columns[poor] = pack(bits, states[poor], rich);
        states[rich] -= capacity - states[poor];
        if states[rich] < capacity {
            large.pop();
            small.push(rich);
        }
    }
    columns
}

fn pack(bits: u32, own: u64, alias: usize) -> u32 {
    (own as u32) << bits | alias as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_the_distribution_exactly() {
        let probabilities = [0.5, 0.25, 0.125, 0.125];
        let table = AliasTable::new(4, &probabilities);
        let states = table.states();
        for (i, p) in probabilities.iter().enumerate() {
            assert_eq!(states[i], (p * STATES as f64) as u64, "outcome {i}");
        }
        assert_eq!(states.iter().sum::<u64>(), STATES);
    }

    #[test]
    fn a_single_outcome_is_always_drawn() {
        let table = AliasTable::new(3, &[0.0, 0.0, 1.0]);
        for word in [0, 1, 0x8000_0000, u32::MAX] {
            assert_eq!(table.draw(word), 2);
        }
    }

    #[test]
    fn drawing_every_fraction_of_a_column_counts_its_states() {
        let table = AliasTable::new(15, &[0.3, 0.6, 0.1]);
        let mut drawn = vec![0_u64; 1 << 15];
        // All 2^16 fractions of some of the columns.
        for column in [0_u32, 1, 2, 77, 32_767] {
            for fraction in 0..1_u32 << 16 {
                drawn[table.draw(fraction << 16 | column << 1) as usize] += 1;
            }
        }
        let expected: Vec<u64> = {
            let mut expected = vec![0; 1 << 15];
            for column in [0_usize, 1, 2, 77, 32_767] {
                let entry = table.columns[column];
                expected[column] += u64::from(entry >> 15);
                expected[(entry & 0x7fff) as usize] += (1 << 16) - u64::from(entry >> 15);
            }
            expected
        };
        assert_eq!(drawn, expected);
    }
}
