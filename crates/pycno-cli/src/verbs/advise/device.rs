//! `pycno advise device`: when a device is enough for a score.

use pycno_density::{
    DEVICE_ASSUMPTIONS, DEVICE_DATE_ASSUMPTIONS, DateForecast, DeviceEnough, DrawnLaw, Hardware,
    Trend, device_enough,
};
use pycno_units::{ParamCount, Score};
use serde_json::{Value, json};

use super::{
    fitted,
    law::Law,
    quantity::{Amount, Nothing, Quantity, Unit, settled},
};
use crate::{
    args::DeviceArguments,
    table,
    verbs::{assumptions, density::evidence, show, show_json, trend},
};

/// When a device is enough, and what it would be at the ends of the effective size's interval.
struct Found {
    effective: Amount,
    forecasts: Vec<Forecast>,
}

/// Forecasts of one effective size.
struct Forecast {
    /// `estimate`, `low` or `high`.
    of: &'static str,
    enough: DeviceEnough,
}

pub(super) fn device(arguments: &DeviceArguments) -> anyhow::Result<()> {
    let target = evidence::score("--score", &arguments.score)?;
    let law = Law::new(&arguments.law)?;
    let found = Found::new(arguments, &law.drawn(), target)?;
    let mut assumed = DEVICE_DATE_ASSUMPTIONS.to_vec();
    if arguments.chip_doubling_days.is_some() {
        assumed.extend(DEVICE_ASSUMPTIONS);
    }
    if arguments.law.json {
        let mut all = law.document();
        all["score_percent"] = target.percent().into();
        all["fits_params"] = arguments.fits.0.into();
        all["device_date"] = arguments.at.to_string().into();
        all["chip_doubling_days"] = arguments.chip_doubling_days.into();
        all["forecasts"] = found.as_ref().map_or_else(|_| json!([]), |f| f.document(arguments));
        all["effective_size"] = effective(found.map(|found| found.effective)).document();
        all["assumptions"] = assumptions(&assumed);
        return show_json(&all);
    }
    let title = format!("for a score of {target} on {}", law.name());
    let forecasts = found.as_ref().map_or_else(|_| String::new(), |f| f.readable(arguments));
    let effective = effective(found.map(|found| found.effective));
    let rows = [table::row([&title, "estimate", "95 % interval", "note"]), effective.row()];
    let shown: Vec<&Amount> = effective.found.iter().collect();
    let footer = law.footer(&shown, &assumed);
    show(&format!("{}{forecasts}{footer}", table::layout(&rows)))?;
    Ok(())
}

fn effective(found: Result<Amount, Nothing>) -> Quantity {
    let name = "effective size".to_owned();
    Quantity { key: "effective_size", name, unit: Unit::Params, found }
}

impl Found {
    fn new(
        arguments: &DeviceArguments,
        drawn: &DrawnLaw<'_>,
        target: Score,
    ) -> anyhow::Result<Result<Self, Nothing>> {
        let DeviceArguments { fits, at, chip_doubling_days, .. } = arguments;
        let hardware = Hardware { params: *fits, date: *at, chip_days: *chip_doubling_days };
        let trend = fitted(&arguments.trend)?;
        let found = settled(device_enough(drawn, target, hardware, &trend))?;
        let with_ends = |enough: DeviceEnough| {
            let size = enough.effective;
            let effective = Amount::of(&size.params, |size| size.0).with(size.outside);
            let mut forecasts = vec![Forecast { of: "estimate", enough }];
            let ends = effective.interval.map(|ends| [("low", ends.low), ("high", ends.high)]);
            for (of, size) in ends.into_iter().flatten() {
                let enough = size.map(|size| at_size(drawn, ParamCount(size), hardware, &trend));
                let enough = enough.transpose()?.flatten();
                forecasts.extend(enough.map(|enough| Forecast { of, enough }));
            }
            anyhow::Ok(Self { effective, forecasts })
        };
        Ok(match found {
            Ok(enough) => Ok(with_ends(enough)?),
            Err(nothing) => Err(nothing),
        })
    }

    /// A row per forecast and effective size; the estimate only where its interval is narrow.
    fn readable(&self, arguments: &DeviceArguments) -> String {
        let (fits, at) = (arguments.fits, arguments.at);
        let is_wide = self.effective.is_wide();
        let shown = || self.forecasts.iter().filter(|f| !(is_wide && f.of == "estimate"));
        let mut rows = vec![table::row(["forecast", "estimate", "95 % interval", "reach"])];
        for Forecast { of, enough } in shown() {
            let size = enough.effective.params.value;
            rows.push(named(of, trend::date_row(size, fits, &enough.same_device)));
        }
        for Forecast { of, enough } in shown() {
            let size = enough.effective.params.value;
            rows.extend(enough.same_price.as_ref().map(|date| {
                let mut row = trend::date_row(size, fits, date);
                row[0] = format!("date at the price of size {fits}, effective size {size}");
                named(of, row)
            }));
        }
        for Forecast { of, enough } in shown() {
            let size = enough.effective.params.value;
            rows.push(named(of, trend::size_row(size, at, &enough.needed_then)));
        }
        format!("\n{}", table::layout(&rows))
    }

    fn document(&self, arguments: &DeviceArguments) -> Value {
        let (fits, at) = (Some(arguments.fits), Some(arguments.at));
        let date = |date: &DateForecast| trend::date_document(fits, date);
        let one = |Forecast { of, enough }: &Forecast| {
            json!({
                "of": of,
                "effective_params": enough.effective.params.value.0,
                "same_device": date(&enough.same_device),
                "same_price": enough.same_price.as_ref().map(date),
                "size_needed": trend::size_document(at, &enough.needed_then),
            })
        };
        self.forecasts.iter().map(one).collect()
    }
}

/// A row whose name says at which end of the effective size's interval it is.
fn named(of: &str, mut row: Vec<String>) -> Vec<String> {
    if of != "estimate" {
        row[0] = format!("{} ({of} end)", row[0]);
    }
    row
}

/// The same question about the score that has this effective size.
fn at_size(
    drawn: &DrawnLaw<'_>,
    size: ParamCount,
    hardware: Hardware,
    trend: &Trend,
) -> anyhow::Result<Option<DeviceEnough>> {
    let law = drawn.law();
    let enough = device_enough(&DrawnLaw::alone(law), law.predict(size), hardware, trend);
    Ok(settled(enough)?.ok())
}
