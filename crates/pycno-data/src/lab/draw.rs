//! Seeded draws: what the world and its texts are made with.

use pycno_units::Seed;
use rand::{RngExt as _, SeedableRng as _, rngs::Xoshiro256PlusPlus};

/// A stream of random choices, the same on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Draw(Xoshiro256PlusPlus);

impl Draw {
    pub(crate) fn new(seed: Seed) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed.0))
    }

    /// A number below `n`.
    ///
    /// # Panics
    ///
    /// If `n` is 0.
    #[expect(clippy::cast_possible_truncation, reason = "below `n`, which is a usize")]
    pub(crate) fn below(&mut self, n: usize) -> usize {
        // As 64 bits: what is drawn must not depend on the width of a pointer.
        self.0.random_range(0..n as u64) as usize
    }

    /// A number between two, both included.
    pub(crate) fn between(&mut self, [low, high]: [usize; 2]) -> usize {
        low + self.below(high - low + 1)
    }

    /// A place below `n`, by octaves: the first `first` places, the as many after them, the twice as
    /// many after those and so on, each octave drawn half as often as the one two before it.
    ///
    /// So the place of rank r comes up about as r^(-3/2). A text whose parts come up equally often is learned
    /// all at once; with a long tail, the loss falls as a power of size and of tokens (Michaud et al. 2023,
    /// [arXiv:2303.13506](https://arxiv.org/abs/2303.13506), section 2).
    pub(crate) fn octave(&mut self, n: usize, first: usize) -> usize {
        // 1,000 over the powers of the square root of 2.
        const SHARES: [usize; 12] = [1000, 707, 500, 354, 250, 177, 125, 88, 62, 44, 31, 22];
        let octaves: Vec<[usize; 2]> =
            std::iter::successors(Some([0, first.min(n)]), |[_, end]| {
                (*end < n).then(|| [*end, (2 * end).min(n)])
            })
            .take(SHARES.len())
            .collect();
        let mut ticket = self.below(SHARES[..octaves.len()].iter().sum());
        for ([begin, end], share) in octaves.into_iter().zip(SHARES) {
            if ticket < share {
                return begin + self.below(end - begin);
            }
            ticket -= share;
        }
        0
    }

    /// One of some.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// Numbers below `n` in random order, the first `k` of them.
    pub(crate) fn distinct(&mut self, k: usize, n: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..n).collect();
        for i in 0..k.min(n) {
            let j = i + self.below(n - i);
            all.swap(i, j);
        }
        all.truncate(k);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_those_of_the_seed() {
        let draw = |seed| {
            let mut draw = Draw::new(Seed(seed));
            (0..8).map(|_| draw.below(100)).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn an_octave_is_drawn_half_as_often_as_the_one_two_before() {
        let mut draw = Draw::new(Seed(4));
        let mut seen = [0_u32; 5];
        for _ in 0..40_000 {
            let place = draw.octave(60, 4);
            let octave = [4, 8, 16, 32, 60].iter().position(|end| place < *end).unwrap();
            seen[octave] += 1;
        }
        for two in seen.windows(3) {
            let ratio = f64::from(two[0]) / f64::from(two[2]);
            assert!((1.9..2.1).contains(&ratio), "{seen:?}");
        }
        assert!((0..100).all(|_| draw.octave(1, 4) == 0));
    }

    #[test]
    fn distinct_numbers_are_distinct_and_all_of_them_come() {
        let mut draw = Draw::new(Seed(3));
        let mut seen = draw.distinct(7, 7);
        seen.sort_unstable();
        assert_eq!(seen, (0..7).collect::<Vec<_>>());
        assert_eq!(draw.distinct(2, 50).len(), 2);
        assert!((0..200).all(|_| (2..=4).contains(&draw.between([2, 4]))));
    }
}
