//! Whether a training cost comes back before a half-size rival appears.

use anyhow::Context as _;
use pycno_density::{BREAK_EVEN_ASSUMPTIONS, BreakEven, Payback, Profit, Venture};
use serde_json::{Value, json};

use super::moore::Growth;
use crate::{args::CostArguments, table, verbs::assumptions, words};

pub(super) fn of(arguments: &CostArguments, growth: &Growth) -> anyhow::Result<Option<BreakEven>> {
    let flags = arguments.training_usd.zip(arguments.profit_usd_per_month);
    let Some((training_usd, usd)) = flags else { return Ok(None) };
    let venture = Venture { training_usd, profit: Profit::Month { usd } };
    venture.break_even(growth.density).map(Some).context("--training-usd, --profit-usd-per-month")
}

/// A verdict, sure or not where the doubling time has an interval.
pub(super) fn readable(found: &BreakEven, is_interval: bool) -> String {
    let months = |months: Option<f64>| {
        months.map_or_else(|| "none".to_owned(), |months| format!("{months:.1}"))
    };
    let rows = vec![
        table::row(["break-even", "months"]),
        vec!["until the training cost is earned".to_owned(), months(found.recovery_months)],
        vec!["until a half-size model matches".to_owned(), months(Some(found.window_months))],
        vec!["left over".to_owned(), months(found.margin_months)],
    ];
    let verdict = match found.verdict {
        Payback::InTime => "The cost comes back in time",
        Payback::TooLate => "The cost comes back too late",
        Payback::Never => "The cost never comes back: there is no profit",
    };
    let certain = match (is_interval, found.certain) {
        (false, _) => "",
        (true, true) => ", whatever the doubling time within its interval",
        (true, false) => ", but not over the whole interval of the doubling time",
    };
    format!(
        "{}\n{verdict}{certain}. The window earns {}% of the cost.\n",
        table::layout(&rows),
        words::number(100.0 * found.earned_share),
    )
}

pub(super) fn document(found: &BreakEven) -> Value {
    json!({
        "recovery_months": found.recovery_months,
        "window_months": found.window_months,
        "margin_months": found.margin_months,
        "earned_share": found.earned_share,
        "verdict": match found.verdict {
            Payback::InTime => "in-time",
            Payback::TooLate => "too-late",
            Payback::Never => "never",
        },
        "is_certain": found.certain,
        "assumptions": assumptions(&BREAK_EVEN_ASSUMPTIONS),
    })
}
