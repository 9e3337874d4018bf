//! Finding the lowest of many numbers without sorting or holding them all.

use rayon::prelude::*;

/// The importance of a weight that is gone already, below all others.
pub(crate) const GONE: f32 = -1.0;

/// The rank of an importance: larger stays longer.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Key(u32);

const HALF: u32 = 16;
const BINS: usize = 1 << HALF;

impl Key {
    /// Floats that are not negative order as their bits do; what is [`GONE`] comes before zero.
    fn of(importance: f32) -> Self {
        if importance < 0.0 { Self(0) } else { Self(importance.to_bits().saturating_add(1)) }
    }

    const fn high(self) -> usize {
        (self.0 >> HALF) as usize
    }

    const fn low(self) -> usize {
        self.0 as usize % BINS
    }
}

/// Where a group is cut: all keys below go, and of those equal to it the first ones.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Cut {
    at: Key,
    equals: usize,
}

impl Cut {
    /// The cut that takes the `remove` lowest of `n` lists of importances. Lists are asked for twice, several at a time, and
    /// not held: two passes of a radix selection count them by the upper, then by the lower half of their bits.
    pub(crate) fn of<L: AsRef<[f32]>, E: Send>(
        remove: usize,
        n: usize,
        lists: impl Fn(usize) -> Result<L, E> + Sync,
    ) -> Result<Self, E> {
        let high = count(n, &lists, |key| Some(key.high()))?;
        let (high, rest) = bin_of(&high, remove);
        let low = count(n, &lists, |key| (key.high() == high).then(|| key.low()))?;
        let (low, equals) = bin_of(&low, rest);
        #[expect(clippy::cast_possible_truncation, reason = "both are halves of 32 bits")]
        let at = Key((high as u32) << HALF | low as u32);
        Ok(Self { at, equals })
    }

    /// Which weights of the next list stay; to be asked in the order of the lists.
    pub(crate) fn kept(&mut self, importances: &[f32]) -> Vec<bool> {
        let stays = |importance: &f32| match Key::of(*importance).cmp(&self.at) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal if self.equals > 0 => {
                self.equals -= 1;
                false
            }
            std::cmp::Ordering::Equal | std::cmp::Ordering::Greater => true,
        };
        importances.iter().map(stays).collect()
    }
}

/// How many keys of all lists fall into each bin.
fn count<L: AsRef<[f32]>, E: Send>(
    n: usize,
    lists: &(impl Fn(usize) -> Result<L, E> + Sync),
    bin: impl Fn(Key) -> Option<usize> + Sync,
) -> Result<Vec<usize>, E> {
    let of_list = |i| {
        let mut bins = vec![0; BINS];
        let keys = lists(i)?;
        let keys = keys.as_ref().iter().copied().map(Key::of);
        keys.filter_map(&bin).for_each(|bin| bins[bin] += 1);
        Ok(bins)
    };
    let add = |mut a: Vec<usize>, b: Vec<usize>| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        Ok(a)
    };
    (0..n).into_par_iter().map(of_list).try_reduce(|| vec![0; BINS], add)
}

/// The bin in which the key of that rank lies, and how many of that bin come before it.
fn bin_of(bins: &[usize], mut rank: usize) -> (usize, usize) {
    for (bin, n) in bins.iter().enumerate() {
        if rank < *n {
            return (bin, rank);
        }
        rank -= n;
    }
    (bins.len() - 1, rank)
}

/// Which of a few importances are the `keep` largest; of equals the first goes.
pub(crate) fn largest(importances: &[f32], keep: usize) -> Vec<bool> {
    let mut ascending: Vec<usize> = (0..importances.len()).collect();
    ascending.sort_by_key(|i| Key::of(importances[*i]));
    let mut kept = vec![false; importances.len()];
    ascending[importances.len() - keep..].iter().for_each(|i| kept[*i] = true);
    kept
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    /// Sorts everything instead; a stable sort takes the first of equals.
    fn by_sorting(lists: &[Vec<f32>], remove: usize) -> Vec<Vec<bool>> {
        let mut places: Vec<(usize, usize)> = Vec::new();
        for (list, values) in lists.iter().enumerate() {
            places.extend((0..values.len()).map(|i| (list, i)));
        }
        places.sort_by(|(l, i), (m, j)| lists[*l][*i].total_cmp(&lists[*m][*j]));
        let mut kept: Vec<Vec<bool>> = lists.iter().map(|list| vec![true; list.len()]).collect();
        places[..remove].iter().for_each(|(list, i)| kept[*list][*i] = false);
        kept
    }

    proptest! {
        #[test]
        fn a_cut_takes_what_sorting_takes(
            lists in prop::collection::vec(prop::collection::vec(prop_oneof![
                Just(0.0_f32), Just(1.0), 0.0..2.0_f32, 0.0..1e30_f32,
            ], 1..40), 1..5),
            share in 0.0..1.0_f64,
        ) {
            let n: usize = lists.iter().map(Vec::len).sum();
            let remove = crate::Sparsity::new(share).map_or(0, |sparsity| n - sparsity.kept(n));
            let mut cut = Cut::of(remove, lists.len(), |i| Ok::<_, Infallible>(&lists[i])).unwrap();
            let kept: Vec<_> = lists.iter().map(|list| cut.kept(list)).collect();
            prop_assert_eq!(kept, by_sorting(&lists, remove));
        }
    }

    #[test]
    fn of_equals_the_first_goes_and_what_is_gone_goes_before_zero() {
        assert_eq!(largest(&[1.0, 1.0, 0.5, 1.0], 2), [false, true, false, true]);
        assert_eq!(largest(&[0.0, GONE, 0.0], 2), [true, false, true]);
        assert!(Key::of(GONE) < Key::of(0.0) && Key::of(0.0) < Key::of(f32::MIN_POSITIVE));
    }
}
