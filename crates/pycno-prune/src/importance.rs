//! What criteria say about parts, and the one place where a ranking becomes a choice.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Axis;

/// The importances a step ranked by; an axis it did not rank is absent.
///
/// An axis has one list per place where its parts compare with one another: [`Axis::Layers`] a single list with
/// a number per layer, the others a list per layer with a number per part.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Importance(pub BTreeMap<Axis, Vec<Vec<f64>>>);

impl Importance {
    /// Importances along one axis.
    pub fn along(axis: Axis, lists: Vec<Vec<f64>>) -> Self {
        Self(BTreeMap::from([(axis, lists)]))
    }

    /// The lists of an axis; none if it was not ranked.
    pub fn of(&self, axis: Axis) -> &[Vec<f64>] {
        self.0.get(&axis).map_or(&[], Vec::as_slice)
    }
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
