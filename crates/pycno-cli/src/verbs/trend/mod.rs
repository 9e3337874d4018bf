//! `pycno trend`: how fast density grows, and what follows for other sizes and dates.

mod document;
mod readable;

use std::path::Path;

use anyhow::Context as _;
use pycno_density::{Dated, Periods, SizeForecast, Trend};
use serde_json::Value;

use super::{show, show_json};
use crate::{
    args::TrendArguments,
    sheet::{self, Sheet},
};

pub(crate) use self::{
    document::{
        date as date_document, days, estimate, reach as reach_document, size as size_document,
    },
    readable::{date as date_row, pace, reach, size as size_row},
};

/// All that was asked of a census.
struct Found {
    trend: Trend,
    periods: Option<Periods>,
    size: Option<SizeForecast>,
    date: Option<pycno_density::DateForecast>,
}

pub(crate) fn trend(arguments: &TrendArguments) -> anyhow::Result<()> {
    let rows = census(&arguments.census)?;
    let place = || arguments.census.display().to_string();
    let series = arguments.series.into();
    let trend = Trend::fit(&rows, series, arguments.origin).with_context(place)?;
    let periods = arguments.split.map(|split| Periods::fit(&rows, series, split));
    let periods = periods.transpose().with_context(place)?;
    let (mut size, mut date) = (None, None);
    if let Some(effective) = arguments.effective {
        anyhow::ensure!(
            arguments.at.is_some() || arguments.size.is_some(),
            "--effective needs --at DATE (for a size) or --size COUNT (for a date)"
        );
        size = arguments.at.map(|at| trend.size_needed(effective, at)).transpose()?;
        date = arguments.size.map(|size| trend.date_when(effective, size)).transpose()?;
    }
    let found = Found { trend, periods, size, date };
    if arguments.json {
        return show_json(&document(arguments, &found));
    }
    show(&readable(arguments, &found))?;
    Ok(())
}

/// Reads model, date and density.
pub(crate) fn census(path: &Path) -> anyhow::Result<Vec<Dated>> {
    let sheet = Sheet::read(path)?;
    sheet.needs(&["model", "date", "density"])?;
    let row = |row: sheet::Row<'_>| {
        Ok(Dated {
            name: row.text("model").ok_or_else(|| row.error("model", "a name"))?.to_owned(),
            date: row.required("date", "a date such as 2024-02-01", sheet::date)?,
            density: row.required("density", "a positive number", sheet::positive)?,
        })
    };
    sheet.rows().map(row).collect()
}

fn readable(arguments: &TrendArguments, found: &Found) -> String {
    let mut parts = vec![readable::trend(&found.trend)];
    parts.push(readable::leave_one_out(&found.trend));
    parts.extend(found.periods.as_ref().map(readable::periods));
    let mut forecasts = Vec::new();
    if let Some(effective) = arguments.effective {
        let size = arguments.at.zip(found.size.as_ref());
        forecasts.extend(size.map(|(at, size)| readable::size(effective, at, size)));
        let date = arguments.size.zip(found.date.as_ref());
        forecasts.extend(date.map(|(size, date)| readable::date(effective, size, date)));
        parts.push(readable::forecasts(forecasts));
    }
    parts.join("\n")
}

fn document(arguments: &TrendArguments, found: &Found) -> Value {
    let mut document = document::trend(&found.trend);
    document["periods"] = found.periods.as_ref().map_or(Value::Null, document::periods);
    let effective = arguments.effective.map(|size| size.0);
    document["effective_params"] = effective.into();
    document["size_needed"] =
        found.size.as_ref().map_or(Value::Null, |size| document::size(arguments.at, size));
    document["date_when"] =
        found.date.as_ref().map_or(Value::Null, |date| document::date(arguments.size, date));
    document
}
