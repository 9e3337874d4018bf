//! Which weights go: those whose removal costs least, `w^2 / U_jj^2`; of equals the lower index goes first.

use rayon::prelude::*;

use crate::Sparsity;

/// Marks all but the share of least importance among all rows of a block.
///
/// # Shapes
///
/// - `weight`: `[rows, columns]`
/// - `diagonal`: `[columns]`, the `U_jj`
pub(super) fn lowest_of_block(weight: &[f64], diagonal: &[f64], sparsity: Sparsity) -> Vec<bool> {
    let rate = |row: &[f64]| -> Vec<f64> {
        row.iter().zip(diagonal).map(|(w, u)| importance(*w, *u)).collect()
    };
    let rows = weight.par_chunks_exact(diagonal.len());
    let importances: Vec<f64> = rows.flat_map_iter(rate).collect();
    let removed = importances.len() - sparsity.kept(importances.len());
    all_but_lowest(&importances, removed)
}

/// Marks the `keep` most important weights of a group.
pub(super) fn lowest_of_group(weight: &[f64], diagonal: &[f64], kept: &mut [bool], keep: usize) {
    kept.fill(true);
    let rate = |i: usize| importance(weight[i], diagonal[i]);
    for _ in keep..weight.len() {
        let left = (0..weight.len()).filter(|i| kept[*i]);
        if let Some(lowest) = left.min_by(|a, b| rate(*a).total_cmp(&rate(*b))) {
            kept[lowest] = false;
        }
    }
}

/// What removing a weight costs: the least squared error when the weights to its right may move.
fn importance(weight: f64, diagonal: f64) -> f64 {
    (weight / diagonal).powi(2)
}

/// Which to keep if exactly so many of the lowest go.
fn all_but_lowest(importances: &[f64], removed: usize) -> Vec<bool> {
    let Some(last) = removed.checked_sub(1) else { return vec![true; importances.len()] };
    let mut order = importances.to_vec();
    let threshold = *order.select_nth_unstable_by(last, f64::total_cmp).1;
    let mut ties = removed - importances.iter().filter(|x| **x < threshold).count();
    let keep = |x: &f64| {
        let goes = *x < threshold || (*x <= threshold && ties > 0);
        ties -= usize::from(goes && *x >= threshold);
        !goes
    };
    importances.iter().map(keep).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(importances: &[f64], removed: usize, expect: &[usize]) {
        let mask = all_but_lowest(importances, removed);
        let kept: Vec<usize> = (0..mask.len()).filter(|i| mask[*i]).collect();
        assert_eq!(kept, expect);
    }

    #[test]
    fn exactly_so_many_of_the_lowest_go() {
        check(&[5.0, 1.0, 4.0, 2.0], 2, &[0, 2]);
        check(&[5.0, 1.0, 4.0, 2.0], 0, &[0, 1, 2, 3]);
        check(&[5.0, 1.0, 4.0, 2.0], 4, &[]);
    }

    #[test]
    fn of_equals_the_lower_index_goes_first() {
        check(&[1.0, 1.0, 1.0, 1.0], 3, &[3]);
        check(&[0.0, 2.0, 0.0, 1.0, 0.0], 2, &[1, 3, 4]);
        check(&[2.0, 1.0, 3.0, 1.0], 1, &[0, 2, 3]);
    }

    #[test]
    fn a_small_diagonal_makes_a_weight_dear() {
        let mut kept = [false; 2];
        lowest_of_group(&[0.2, 1.0], &[0.1, 1.0], &mut kept, 1);
        assert_eq!(kept, [true, false]);
    }

    #[test]
    fn a_block_is_chosen_over_all_its_rows() {
        let weight = [1.0, 2.0, 3.0, 4.0, 0.5, 0.25];
        let kept = lowest_of_block(&weight, &[1.0; 2], Sparsity::new(0.5).unwrap());
        assert_eq!(kept, [false, true, true, true, false, false]);
    }

    #[test]
    fn a_group_keeps_its_count_and_of_equals_the_later() {
        let mut kept = [false; 4];
        lowest_of_group(&[-3.0, 1.0, -1.0, 2.0], &[1.0; 4], &mut kept, 2);
        assert_eq!(kept, [true, false, false, true]);
        lowest_of_group(&[1.0; 4], &[1.0; 4], &mut kept, 1);
        assert_eq!(kept, [false, false, false, true]);
    }

    proptest! {
        #[test]
        fn the_count_is_exact_and_nothing_kept_is_below_what_goes(
            importances in prop::collection::vec((0..6_u8).prop_map(f64::from), 1..30),
            share in 0.0..1.0_f64,
        ) {
            let removed = Sparsity::new(share).unwrap();
            let removed = importances.len() - removed.kept(importances.len());
            let mask = all_but_lowest(&importances, removed);
            prop_assert_eq!(mask.iter().filter(|kept| !**kept).count(), removed);
            let of = |kept: bool| importances.iter().zip(&mask).filter(move |(_, k)| **k == kept);
            let least = of(true).map(|(x, _)| *x).fold(f64::INFINITY, f64::min);
            prop_assert!(of(false).all(|(x, _)| *x <= least));
        }
    }
}
