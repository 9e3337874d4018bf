//! How fast the price of a capability falls.

use std::path::Path;

use anyhow::Context as _;
use pycno_density::{DatedPrice, PriceTrend};
use serde_json::{Value, json};

use crate::{
    sheet::{self, Row, Sheet},
    table,
    verbs::trend,
    words,
};

const PRICE: &str = "usd_per_million_tokens";

pub(super) fn fit(path: &Path) -> anyhow::Result<PriceTrend> {
    let sheet = Sheet::read(path)?;
    sheet.needs(&["date", "name", PRICE])?;
    let row = |row: Row<'_>| {
        Ok(DatedPrice {
            name: row.text("name").ok_or_else(|| row.error("name", "a name"))?.to_owned(),
            date: row.required("date", "a date such as 2024-02-01", sheet::date)?,
            usd_per_million: row.required(
                PRICE,
                "a positive number of dollars",
                sheet::positive,
            )?,
        })
    };
    let rows = sheet.rows().map(row).collect::<anyhow::Result<Vec<_>>>()?;
    PriceTrend::fit(&rows).with_context(|| path.display().to_string())
}

pub(super) fn readable(prices: &PriceTrend) -> String {
    let mut rows = vec![table::row(["quantity", "estimate", "95 % interval"])];
    rows.push(trend::pace(&prices.pace));
    let ends = &prices.ends;
    rows.push(plain("halving time by the end points, days", format!("{:.1}", ends.halving_days)));
    rows.push(plain("price at the first over the last point", words::number(ends.factor)));
    rows.push(plain("days between them", format!("{:.0}", ends.days)));
    let mut lows = vec![table::row(["record low", "date", "USD a million tokens"])];
    lows.extend(prices.points.iter().map(|point| {
        vec![point.name.clone(), point.date.to_string(), words::number(point.usd_per_million)]
    }));
    format!("{}\n{}", table::layout(&rows), table::layout(&lows))
}

fn plain(name: &str, value: String) -> Vec<String> {
    vec![name.to_owned(), value, String::new()]
}

pub(super) fn document(prices: &PriceTrend) -> Value {
    let point = |point: &DatedPrice| {
        json!({
            "name": point.name,
            "date": point.date.to_string(),
            "usd_per_million_tokens": point.usd_per_million,
        })
    };
    json!({
        "record_lows": prices.points.iter().map(point).collect::<Vec<_>>(),
        "halving_days": trend::days(prices.pace.halving()),
        "slope_per_day": trend::estimate(prices.line.slope),
        "end_points": {
            "price_factor": prices.ends.factor,
            "days": prices.ends.days,
            "halving_days": prices.ends.halving_days,
        },
    })
}
