//! A trend as JSON; units are in the names of the fields.

use pycno_density::{
    DateForecast, Dated, Days, Estimate, LeftOut, Pace, Periods, Reach, Series, SizeForecast, Trend,
};
use pycno_units::ParamCount;
use serde_json::{Value, json};
use time::Date;

pub(crate) fn estimate(Estimate { value, low, high }: Estimate) -> Value {
    json!({ "value": value, "low": low, "high": high })
}

pub(crate) fn days(days: Option<Days>) -> Value {
    days.map_or(
        Value::Null,
        |Days { value, low, high }| json!({ "value": value, "low": low, "high": high }),
    )
}

pub(super) fn trend(trend: &Trend) -> Value {
    let point = |Dated { name, date, density }: &Dated| json!({ "model": name, "date": date.to_string(), "density": density });
    let left = |LeftOut { name, slope }: &LeftOut| json!({ "model": name, "slope_per_day": slope });
    let pace = match trend.pace {
        Pace::Doubling { .. } => "doubling",
        Pace::Halving { .. } => "halving",
        Pace::Flat {} => "flat",
    };
    let factor = &trend.per_year;
    let range = trend.leave_one_out_range();
    json!({
        "series": if trend.series == Series::Envelope { "envelope" } else { "all" },
        "origin": trend.origin.to_string(),
        "points": trend.points.iter().map(point).collect::<Vec<_>>(),
        "pace": pace,
        "doubling_days": days(trend.pace.doubling()),
        "halving_days": days(trend.pace.halving()),
        "factor_per_year": { "value": factor.value, "low": factor.low, "high": factor.high },
        "slope_per_day": estimate(trend.line.slope),
        "intercept_ln_density": trend.line.intercept,
        "residual_sd_ln_density": trend.line.residual_sd,
        "r_squared": trend.line.r2,
        "leave_one_out": trend.leave_one_out.iter().map(left).collect::<Vec<_>>(),
        "leave_one_out_slope_per_day": range.map(|(low, high)| json!({ "low": low, "high": high })),
    })
}

pub(super) fn periods(periods: &Periods) -> Value {
    json!({
        "split": periods.split.to_string(),
        "before": trend(&periods.before),
        "from": trend(&periods.after),
        "slope_ratio": periods.ratio,
        "slope_difference_per_day": periods.difference,
        "welch": periods.test.as_ref().map(|test| json!({
            "slope_difference_per_day": estimate(test.difference),
            "t": test.t,
            "degrees_of_freedom": test.freedom,
            "p": test.p,
        })),
    })
}

pub(crate) fn size(at: Option<Date>, size: &SizeForecast) -> Value {
    let (reach, days) = reach(size.reach);
    json!({
        "date": at.map(|date| date.to_string()),
        "params": size.params.0,
        "low_params": size.low.map(|size| size.0),
        "high_params": size.high.map(|size| size.0),
        "reach": reach,
        "reach_days": days,
    })
}

pub(crate) fn date(size: Option<ParamCount>, date: &DateForecast) -> Value {
    let (reach, days) = reach(date.reach);
    json!({
        "params": size.map(|size| size.0),
        "date": date.date.to_string(),
        "earliest": date.earliest.map(|date| date.to_string()),
        "latest": date.latest.map(|date| date.to_string()),
        "reach": reach,
        "reach_days": days,
    })
}

/// How far a date lies outside the points of a trend, and in days.
pub(crate) const fn reach(reach: Reach) -> (&'static str, u64) {
    match reach {
        Reach::Within {} => ("within", 0),
        Reach::Before { days } => ("before", days),
        Reach::After { days } => ("after", days),
    }
}
