//! The committed results of `experiments/densing-law-2025` are what the code gives, and meet the
//! figures that they have to.

#![expect(clippy::unwrap_used, reason = "the helpers of these tests fail as the tests do")]

#[path = "../examples/densing_law_2025/recompute/mod.rs"]
mod recompute;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use recompute::Results;

static RESULTS: LazyLock<Results> =
    LazyLock::new(|| recompute::recompute(&folder().join("published")).unwrap());

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/densing-law-2025")
}

#[track_caller]
fn check_bytes(file: &str, recomputed: &str) {
    let committed = fs::read_to_string(folder().join(file)).unwrap();
    let differs = committed.lines().zip(recomputed.lines()).find(|(old, new)| old != new);
    assert_eq!(differs, None, "{file}: run the example again and look at the difference");
    assert_eq!(committed.len(), recomputed.len(), "{file}");
}

/// Rows of the long table as [section, item, quantity, published, ours, relative error, verdict].
fn rows() -> Vec<[String; 7]> {
    let mut reader = csv::Reader::from_reader(RESULTS.table.as_bytes());
    let cells = |row: csv::StringRecord| {
        row.iter().map(ToOwned::to_owned).collect::<Vec<_>>().try_into().unwrap()
    };
    reader.records().map(|row| cells(row.unwrap())).collect()
}

/// Our number for an item and a quantity, which must stand in one section alone.
#[track_caller]
fn ours(item: &str, quantity: &str) -> f64 {
    let rows = rows();
    let found: Vec<_> = rows.iter().filter(|row| row[1] == item && row[2] == quantity).collect();
    assert!(!found.is_empty(), "no row {item:?}, {quantity:?}");
    found[0][4].parse().unwrap()
}

#[track_caller]
fn check(item: &str, quantity: &str, expect: f64, tolerance: f64) {
    let found = ours(item, quantity);
    assert!((found - expect).abs() <= tolerance, "{item}, {quantity}: {found}, not {expect}");
}

/// Verdicts of the rows whose quantity holds a text.
fn verdicts(section: &str, quantity: &str) -> Vec<(String, String)> {
    let rows = rows().into_iter();
    let rows = rows.filter(|row| row[0].starts_with(section) && row[2].contains(quantity));
    rows.map(|[_, item, _, _, _, _, verdict]| (item, verdict)).collect()
}

#[test]
fn the_page_and_the_table_are_those_committed() {
    check_bytes("result.md", &RESULTS.page);
    check_bytes("result.csv", &RESULTS.table);
}

#[test]
fn two_runs_give_the_same_bytes() {
    let again = recompute::recompute(&folder().join("published")).unwrap();
    assert!(again.page == RESULTS.page && again.table == RESULTS.table);
}

#[test]
fn the_readme_quotes_the_summary() {
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    assert!(readme.contains(&RESULTS.summary), "copy the summary of result.md into README.md");
}

#[test]
fn refits_in_the_published_basin_agree_but_for_mmlu_and_mbpp() {
    let found = verdicts("1 ", "published basin, against drawn");
    assert_eq!(found.len(), 28);
    for (row, verdict) in found {
        let off = row == "MMLU" || row == "MBPP";
        assert_eq!(verdict, if off { "not within 0.1 %" } else { "within 0.1 %" }, "{row}");
    }
    // Largest of the four, MBPP's b.
    check("MBPP", "b, published basin, against drawn", 138.334, 1e-3);
}

#[test]
fn both_basins_are_where_another_program_finds_them() {
    let found = verdicts("1 ", "against another program's fit");
    assert_eq!(found.len(), 28 + 24);
    assert!(found.iter().all(|(_, verdict)| verdict == "within 0.01 %"), "{found:?}");
    assert_eq!(verdicts("1 ", "basin of the lower SSE").len(), 6);
    assert!(verdicts("1 ", "lower SSE").iter().all(|(_, verdict)| verdict == "the same"));
    assert_eq!(verdicts("1 ", "steep-size basin").last().unwrap().1, "within 0.01 %");
    check("AVG4", "a, steep-size basin, against another program's fit", 115.937, 1e-3);
}

#[test]
fn every_vector_is_met_to_a_millionth() {
    for quantity in ["Nhat_D0_1T", "Nhat_D0_5T", "Nhat_D0_15T", "L_hat", "dlnNhat_dS_at_5T"] {
        let found = verdicts("2 ", quantity);
        assert_eq!(found.len(), 16, "{quantity}");
        assert!(found.iter().all(|(_, verdict)| verdict == "within 1e-6"), "{found:?}");
    }
    let other = verdicts("2 ", "Nhat_5T_if_other_LSQ_basin");
    let typed = other.iter().filter(|(_, verdict)| verdict == "as expected").count();
    let met = other.iter().filter(|(_, verdict)| verdict == "within 1e-6").count();
    assert_eq!((met, typed), (13, 3));
    let errors = verdicts("2 ", "error expected");
    assert!(errors.len() == 4 && errors.iter().all(|(_, verdict)| verdict == "as expected"));
}

#[test]
fn densities_are_those_of_the_file_and_partly_those_of_figure_1() {
    let found = verdicts("3 ", "against another program");
    assert_eq!(found.len(), 3 * 24 + 3);
    assert!(found.iter().all(|(_, verdict)| verdict.starts_with("within")), "{found:?}");
    for (within, rows) in [("1", 6.0), ("4", 10.0), ("10", 15.0)] {
        check("all models", &format!("rows within {within} %"), rows, 0.0);
    }
}

#[test]
fn students_keep_the_published_ratios_to_their_parents() {
    let found = verdicts("4 ", "plotted densities");
    assert_eq!(found.len(), 11);
    assert!(found.iter().all(|(_, verdict)| verdict.starts_with("within")), "{found:?}");
    check("Gemma2-9B", "ratio to parent, plotted densities", 1.686, 5e-4);
    check("Gemma2-9B", "ratio to parent, from scores", 1.353, 5e-4);
}

#[test]
fn the_trend_is_the_published_one() {
    let series = "Fig. 1, envelope";
    check(series, "A per day (recovered)", 0.006529, 5e-7);
    check(series, "B (recovered)", -2.6113, 5e-5);
    check(series, "R2 (printed)", 0.934, 5e-4);
    check(series, "doubling, days (inferred)", 106.16, 5e-3);
    check(series, "doubling, lower end of 95 % (inferred)", 86.0, 0.5);
    check(series, "doubling, upper end of 95 % (inferred)", 139.0, 0.5);
    check("Fig. 1, all models", "doubling, days (inferred)", 172.0, 0.5);
    check("Fig. 2, MMLU-CF", "A per day (recovered)", 0.006648, 5e-7);
    check("before, 3 points", "A per day (printed)", 0.0048, 5e-5);
    check("after, 6 points", "A per day (printed)", 0.0073, 5e-5);
    check("Fig. 3c", "two-sided p of equal slopes", 0.56, 5e-3);
}

#[test]
fn prices_and_chips_double_as_published_or_as_explained() {
    check("0.075", "first over last price (printed)", 266.7, 0.05);
    check("0.075", "halving, months, ends (inferred)", 2.53, 5e-3);
    check("0.075", "halving, months, line (inferred)", 2.49, 5e-3);
    check("Moore", "combined, from the fitted slope (inferred)", 93.26, 5e-3);
    check("Moore", "combined, from 0.007 (inferred)", 87.70, 5e-3);
}

#[test]
fn the_recipe_check_comes_back_whole() {
    let found = verdicts("8 ", "");
    assert_eq!(found.len(), 10);
    assert!(found.iter().all(|(_, verdict)| verdict == "rounds to it"), "{found:?}");
}

#[test]
fn a_folder_without_the_published_figures_is_named() {
    let Err(error) = recompute::recompute(Path::new("no/such/folder")) else {
        panic!("a folder that is not there was read");
    };
    assert!(error.to_string().contains("printed.csv"), "{error}");
}
