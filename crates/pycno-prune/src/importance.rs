//! What rules say about parts, and the one place where a ranking becomes a choice.

use serde::{Deserialize, Serialize};

/// The importances a step ranked by; empty where it did not rank that kind of part.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Importance {
    /// One number per layer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<f64>,
    /// One number per FFN channel, by layer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ffn: Vec<Vec<f64>>,
    /// One number per key/value group, by layer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kv_groups: Vec<Vec<f64>>,
}

/// The `keep` most important indices, ascending. Of equals the lower index goes first.
///
/// # Panics
///
/// If there are fewer than `keep`.
pub fn most_important(importance: &[f64], keep: usize) -> Vec<usize> {
    let mut ascending: Vec<usize> = (0..importance.len()).collect();
    ascending.sort_by(|a, b| importance[*a].total_cmp(&importance[*b]));
    let mut kept = ascending.split_off(importance.len() - keep);
    kept.sort_unstable();
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(importance: &[f64], keep: usize, expect: &[usize]) {
        assert_eq!(most_important(importance, keep), expect);
    }

    #[test]
    fn the_lowest_go_and_the_rest_keep_their_order() {
        check(&[5.0, 1.0, 4.0, 2.0], 2, &[0, 2]);
        check(&[5.0, 1.0, 4.0, 2.0], 4, &[0, 1, 2, 3]);
        check(&[5.0, 1.0, 4.0, 2.0], 0, &[]);
    }

    #[test]
    fn of_equals_the_lower_index_is_pruned_first() {
        check(&[1.0, 1.0, 1.0, 1.0], 2, &[2, 3]);
        check(&[2.0, 1.0, 3.0, 1.0], 3, &[0, 2, 3]);
    }

    proptest! {
        #[test]
        fn keeping_fewer_keeps_a_subset(importance in prop::collection::vec(0.0..4.0_f64, 1..20)) {
            for keep in 1..importance.len() {
                let fewer = most_important(&importance, keep);
                let more = most_important(&importance, keep + 1);
                prop_assert!(fewer.iter().all(|index| more.contains(index)));
            }
        }
    }
}
