//! A trend in tables.

use std::f64::consts::LN_2;

use pycno_density::{
    DateForecast, Days, Estimate, Pace, Periods, Reach, Series, SizeForecast, Trend, YearFactor,
};
use pycno_units::ParamCount;
use time::Date;

use crate::{table, words};

pub(super) fn trend(trend: &Trend) -> String {
    let mut rows = vec![table::row(["quantity", "estimate", "95 % interval"])];
    rows.push(pace(&trend.pace));
    rows.extend(trend.leave_one_out_range().filter(|(low, _)| *low > 0.0).map(|(low, high)| {
        let [fast, slow] = [high, low].map(|slope| format!("{:.1}", LN_2 / slope));
        let name = "range of that without one point, days".to_owned();
        vec![name, String::new(), format!("[{fast}, {slow}]")]
    }));
    rows.push(year(&trend.per_year));
    rows.push(slope("slope of ln(density), a day", trend.line.slope));
    rows.push(plain("density on the line at day 0", trend.line.intercept.exp()));
    rows.push(plain("factor of one residual sd", trend.line.residual_sd.exp()));
    rows.extend(trend.line.r2.map(|r2| plain("R2", r2)));
    let series = match trend.series {
        Series::Envelope => "the densest of their day",
        Series::AllModels => "all models",
    };
    let span =
        |at: Option<&pycno_density::Dated>| at.map_or_else(String::new, |p| p.date.to_string());
    format!(
        "{}\n{} points ({series}), {} to {}; day 0 is {}\n",
        table::layout(&rows),
        trend.points.len(),
        span(trend.points.first()),
        span(trend.points.last()),
        trend.origin,
    )
}

/// Doubling or halving time.
pub(crate) fn pace(pace: &Pace) -> Vec<String> {
    match pace {
        Pace::Doubling { days } => time("doubling time, days", days),
        Pace::Halving { days } => time("halving time, days", days),
        Pace::Flat {} => table::row(["doubling time, days", "none: the slope is 0", ""]),
    }
}

fn time(name: &str, days: &Days) -> Vec<String> {
    let write = |days: f64| format!("{days:.1}");
    let interval = words::ends_in(Some(days.low), days.high, write);
    vec![name.to_owned(), write(days.value), interval]
}

fn year(factor: &YearFactor) -> Vec<String> {
    let value = factor.value.map_or_else(|| "none".to_owned(), words::number);
    vec!["factor a year".to_owned(), value, words::ends(factor.low, factor.high)]
}

fn slope(name: &str, Estimate { value, low, high }: Estimate) -> Vec<String> {
    vec![name.to_owned(), words::number(value), words::ends(Some(low), Some(high))]
}

fn plain(name: &str, value: f64) -> Vec<String> {
    vec![name.to_owned(), words::number(value), String::new()]
}

pub(super) fn leave_one_out(trend: &Trend) -> String {
    let head = ["model", "date", "density", "slope without it", "doubling, days"];
    let mut rows = vec![table::row(head)];
    rows.extend(trend.points.iter().zip(&trend.leave_one_out).map(|(point, left)| {
        let doubling = |slope: f64| {
            if slope > 0.0 { format!("{:.1}", LN_2 / slope) } else { "none".to_owned() }
        };
        vec![
            point.name.clone(),
            point.date.to_string(),
            words::number(point.density),
            left.slope.map_or_else(|| "none".to_owned(), words::number),
            left.slope.map_or_else(|| "none".to_owned(), doubling),
        ]
    }));
    table::layout(&rows)
}

pub(super) fn periods(periods: &Periods) -> String {
    let head = ["period", "points", "slope a day", "95 % interval", "doubling, days"];
    let mut rows = vec![table::row(head)];
    let of = |name: String, trend: &Trend| {
        let Estimate { value, low, high } = trend.line.slope;
        let doubling = trend.pace.doubling();
        vec![
            name,
            trend.points.len().to_string(),
            words::number(value),
            words::ends(Some(low), Some(high)),
            doubling.map_or_else(|| "none".to_owned(), |days| format!("{:.1}", days.value)),
        ]
    };
    rows.push(of(format!("before {}", periods.split), &periods.before));
    rows.push(of(format!("from {}", periods.split), &periods.after));
    let ratio = periods.ratio.map_or_else(String::new, |ratio| {
        format!("Slope after over slope before: {}. ", words::number(ratio))
    });
    let test = periods.test.as_ref().map_or_else(
        || "Both lines pass through all their points: no test.".to_owned(),
        |test| {
            let Estimate { value, low, high } = test.difference;
            format!(
                "Difference {} {} a day; Welch's t = {:.2} on {:.1} degrees of freedom, p = {}.",
                words::number(value),
                words::ends(Some(low), Some(high)),
                test.t,
                test.freedom,
                words::number(test.p),
            )
        },
    );
    format!("{}\n{ratio}{test}\n", table::layout(&rows))
}

/// Rows under `forecast, estimate, 95 % interval, reach`.
pub(super) fn forecasts(rows: Vec<Vec<String>>) -> String {
    let mut all = vec![table::row(["forecast", "estimate", "95 % interval", "reach"])];
    all.extend(rows);
    let wide = all.iter().any(|row| row[1] == "-");
    let note = if wide { format!("{}\n", words::WIDE_NOTE) } else { String::new() };
    format!(
        "{}\nThe intervals are those of a new model of the series.\n{note}",
        table::layout(&all)
    )
}

/// Row of a size under `forecast, estimate, 95 % interval, reach`.
pub(crate) fn size(effective: ParamCount, at: Date, size: &SizeForecast) -> Vec<String> {
    let end = |end: Option<ParamCount>| end.map(|size| size.0);
    let write = |size: f64| ParamCount(size).to_string();
    let wide = size.low.zip(size.high).is_none_or(|(low, high)| high.0 / low.0 > words::WIDE);
    vec![
        format!("size at {at}, effective size {effective}"),
        if wide { "-".to_owned() } else { size.params.to_string() },
        words::ends_in(end(size.low), end(size.high), write),
        reach(size.reach),
    ]
}

/// Row of a date under the same head.
pub(crate) fn date(effective: ParamCount, size: ParamCount, date: &DateForecast) -> Vec<String> {
    let end = |end: Option<Date>| end.map_or_else(|| "open".to_owned(), |date| date.to_string());
    vec![
        format!("date of size {size}, effective size {effective}"),
        date.date.to_string(),
        format!("[{}, {}]", end(date.earliest), end(date.latest)),
        reach(date.reach),
    ]
}

/// How far a date lies outside the points of a trend.
pub(crate) fn reach(reach: Reach) -> String {
    match reach {
        Reach::Within {} => "within the points".to_owned(),
        Reach::Before { days } => format!("{days} days before the first point"),
        Reach::After { days } => format!("{days} days after the last point"),
    }
}
