//! Density times Moore's law: how fast the effective size grows that a device of fixed price holds.

use anyhow::{Context as _, bail};
use pycno_density::{
    DEVICE_ASSUMPTIONS, Days, Device, Estimate, Pace, Series, Trend, combined_days,
};
use pycno_units::ParamCount;
use serde_json::{Value, json};

use crate::{
    args::CostArguments,
    table,
    verbs::{assumptions, trend},
};

/// Stands where an interval would.
const KNOWN: &str = "taken as known";

/// The doubling time of density, and of chips.
pub(super) struct Growth {
    pub(super) density: Days,
    chip_days: f64,
    trend: Option<Trend>,
}

impl Growth {
    /// By the flags; `None` where neither a trend nor a doubling time is given.
    pub(super) fn of(arguments: &CostArguments) -> anyhow::Result<Option<Self>> {
        let chip_days = arguments.chip_doubling_days;
        if let Some(days) = arguments.doubling_days {
            let density = Days { value: days, low: days, high: Some(days) };
            return Ok(Some(Self { density, chip_days, trend: None }));
        }
        let Some(path) = &arguments.trend else { return Ok(None) };
        let rows = trend::census(path)?;
        let fitted = Trend::fit(&rows, Series::Envelope, None);
        let fitted = fitted.with_context(|| path.display().to_string())?;
        let Some(density) = fitted.pace.doubling() else {
            bail!("--trend {}: its density must grow, it does not", path.display());
        };
        Ok(Some(Self { density, chip_days, trend: Some(fitted) }))
    }

    /// The combined doubling time, with the interval of the trend's slope.
    fn combined(&self) -> anyhow::Result<Days> {
        let value = combined_days(self.density.value, self.chip_days)?;
        let known = Days { value, low: value, high: Some(value) };
        let Some(trend) = &self.trend else { return Ok(known) };
        let date = trend.points.last().map_or(trend.origin, |last| last.date);
        // The pace is that of any effective size.
        let device = Device::new(ParamCount(1.0), date, trend.clone(), self.chip_days)?;
        device.pace().doubling().context("a device of fixed price must hold ever more, it does not")
    }
}

pub(super) fn readable(growth: &Growth) -> anyhow::Result<String> {
    let known = growth.trend.is_none().then_some(KNOWN);
    let row = |name: &str, days: Days, known: Option<&str>| {
        let mut row = trend::pace(&Pace::Doubling { days });
        name.clone_into(&mut row[0]);
        if let Some(known) = known {
            known.clone_into(&mut row[2]);
        }
        row
    };
    let chips =
        Days { value: growth.chip_days, low: growth.chip_days, high: Some(growth.chip_days) };
    let combined = growth.combined()?;
    let rows = vec![
        table::row(["doubling time", "days", "95 % interval"]),
        row("density", growth.density, known),
        row("chip performance per price", chips, Some(KNOWN)),
        row("effective size on a device of fixed price", combined, known.and(Some(""))),
    ];
    Ok(table::layout(&rows))
}

pub(super) fn document(growth: &Growth) -> anyhow::Result<Value> {
    let slope = growth.trend.as_ref().map(|trend| trend.line.slope);
    Ok(json!({
        "density_doubling_days": trend::days(Some(growth.density)),
        "density_slope_per_day": slope.map(|slope: Estimate| trend::estimate(slope)),
        "chip_doubling_days": growth.chip_days,
        "combined_doubling_days": trend::days(Some(growth.combined()?)),
        "assumptions": assumptions(&DEVICE_ASSUMPTIONS),
    }))
}
