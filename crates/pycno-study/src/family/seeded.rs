//! A size by one of its seeds: the same shape once more shows run-to-run variance.

use pycno_units::Seed;

use super::{FamilyConfig, SizeConfig};

/// Seeds a size can have: the second run is named with a `b` behind the size, the last one with a `z`.
const LETTERS: std::ops::RangeInclusive<char> = 'b'..='z';

/// A size, to be trained from one seed.
#[derive(Clone, Debug)]
pub(super) struct Seeded<'a> {
    /// `d64`, and `d64b` from the second seed.
    pub(super) name: String,
    pub(super) size: &'a SizeConfig,
    pub(super) seed: Seed,
}

impl FamilyConfig {
    /// Every size from its first seed, then those that have a second from that one, and so on.
    pub(super) fn seeded(&self) -> Vec<Seeded<'_>> {
        let suffixes = std::iter::once(String::new()).chain(LETTERS.map(String::from));
        let round = |(nth, suffix): (usize, String)| {
            let has = move |size| self.seeds(size).get(nth).map(|seed| (size, *seed));
            self.size.iter().filter_map(has).map(move |(size, seed)| {
                let name = format!("{}{suffix}", size.name);
                Seeded { name, size, seed }
            })
        };
        suffixes.enumerate().flat_map(round).collect()
    }

    /// The seeds of a size.
    fn seeds<'a>(&'a self, size: &'a SizeConfig) -> &'a [Seed] {
        size.seeds.as_deref().unwrap_or(std::slice::from_ref(&self.family.seed))
    }
}

/// Whether a size's seeds can all be told apart: by their values, and by a letter.
pub(super) fn are_distinct(seeds: &[Seed]) -> bool {
    let unlike = |(i, seed): (usize, &Seed)| !seeds[..i].contains(seed);
    let named = 1 + LETTERS.count();
    (1..=named).contains(&seeds.len()) && seeds.iter().enumerate().all(unlike)
}
