//! One seed a study; every use gets its own, split off by name.

use serde::{Deserialize, Serialize};

/// Where randomness comes from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl Seed {
    /// The seed of the named use: FNV-1a over the parent's bytes and the name, then a
    /// `SplitMix64` finish, so that near seeds and near names give unrelated streams.
    #[must_use]
    pub fn split(self, name: &str) -> Self {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in self.0.to_le_bytes().iter().chain(name.as_bytes()) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Self(finish(hash))
    }
}

fn finish(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_parents_give_different_seeds() {
        let seeds =
            [Seed(1).split("data"), Seed(1).split("bootstrap"), Seed(2).split("data"), Seed(1)];
        for (i, a) in seeds.iter().enumerate() {
            assert!(seeds[i + 1..].iter().all(|b| a != b));
        }
        assert_eq!(Seed(1).split("data"), Seed(1).split("data"));
    }
}
