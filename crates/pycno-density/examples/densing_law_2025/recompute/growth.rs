//! Sections 5 and 7: growth over time, and together with the growth of chips.
//!
//! `ln(rho_max) = A t + B`; the growth factors of density and chips multiply, so the rates add.

use std::{error::Error, f64::consts::LN_2};

use pycno_density::{
    CHIP_DOUBLING_DAYS, DAYS_PER_MONTH, Dated, Periods, Series, Trend, Welch, combined_days,
};
use time::{Date, macros::date};

use super::{
    Fallible,
    published::{Published, Table},
    sheet::{FIGURES, Sheet, fixed, show},
};

/// First day of the second period: the release of `ChatGPT`.
const CHATGPT: Date = date!(2022 - 11 - 30);
/// The slope as the article prints it.
const ROUNDED: f64 = 0.007;
/// The slope of the text of 2024.
const OF_2024: f64 = 0.0073;

/// Writes section 5.
pub(crate) fn section(sheet: &mut Sheet, published: &Published) -> Fallible<()> {
    sheet.begin("5 Trend");
    sheet
        .say("Strict running maximum by release date, then ordinary least squares on ln(density).");
    let mut lines = figure_1(sheet, published)?;
    lines.extend(all_models(sheet, published)?);
    lines.extend(contamination_free(sheet, published)?);
    sheet.table(&FIGURES, &lines);
    sheet.say("**Two periods** (Fig. 3c, MMLU), the envelope starting anew on 2022-11-30:");
    periods(sheet, published)
}

fn dated(table: &Table, dates: &str, densities: &str) -> Fallible<Vec<Dated>> {
    let mut rows = Vec::new();
    for row in table.rows() {
        if let Some(density) = row.maybe(densities)? {
            let (name, date) = (row.text("model")?.to_owned(), row.date(dates)?);
            rows.push(Dated { name, date, density });
        }
    }
    Ok(rows)
}

/// The trend of Fig. 1.
fn envelope(published: &Published) -> Fallible<Trend> {
    let rows = dated(&published.densities, "release_date_plotted", "density_avg5bench")?;
    Ok(Trend::fit(&rows, Series::Envelope, None)?)
}

fn r2(trend: &Trend) -> Fallible<f64> {
    Ok(trend.line.r2.ok_or("densities that are all equal")?)
}

fn doubling(trend: &Trend) -> Fallible<f64> {
    Ok(trend.pace.doubling().ok_or("a series that does not grow")?.value)
}

fn figure_1(sheet: &mut Sheet, published: &Published) -> Fallible<Vec<Vec<String>>> {
    let trend = envelope(published)?;
    let days = trend.pace.doubling().ok_or("a series that does not grow")?;
    let high = days.high.ok_or("an open interval")?;
    let (slowest, fastest) = trend.leave_one_out_range().ok_or("a slope is missing")?;
    let year = trend.per_year.value.ok_or("no number")?;
    let slope = trend.line.slope.value;
    let entries = [
        ("slope drawn", "A per day", slope),
        ("slope", "A per day", slope),
        ("slope 0.0065", "A per day", slope),
        ("intercept drawn", "B", trend.line.intercept),
        ("r2", "R2", r2(&trend)?),
        ("doubling days", "doubling, days", days.value),
        ("doubling unrounded", "doubling, days", days.value),
        ("doubling months", "doubling, months", days.value / DAYS_PER_MONTH),
        ("doubling low", "doubling, lower end of 95 %", days.low),
        ("doubling high", "doubling, upper end of 95 %", high),
        ("left out low", "doubling, one left out, least", LN_2 / fastest),
        ("left out high", "doubling, one left out, most", LN_2 / slowest),
        ("rate per year", "factor per year", year),
    ];
    let lines = figures(sheet, published, ("Fig. 1, envelope", &entries))?;
    let [a, b] = [fixed(slope, 6), fixed(trend.line.intercept, 4)];
    let met = |name: &str, ours| Ok::<_, Box<dyn Error>>(published.figure(name)?.word(ours));
    let (printed, drawn) = (met("slope", slope)?, met("slope drawn", slope)?);
    sheet.short("A of Fig. 1, per day, printed", "~0.007", &a, printed);
    sheet.short("A of Fig. 1, per day, drawn", "0.006529", &a, drawn);
    let drawn = met("intercept drawn", trend.line.intercept)?;
    sheet.short("B of Fig. 1, drawn", "-2.6113", &b, drawn);
    sheet.short("R2 of Fig. 1", "0.934", &fixed(r2(&trend)?, 4), met("r2", r2(&trend)?)?);
    let ours = format!("{} [{}, {}]", fixed(days.value, 2), fixed(days.low, 0), fixed(high, 0));
    sheet.short(
        "doubling time, days",
        "106.2 (3.5 months)",
        &ours,
        met("doubling days", days.value)?,
    );
    sheet.gap(
        "106.164 days",
        &format!(
            "We get {}: the densities are read to five digits, the reference had them unrounded.",
            fixed(days.value, 4)
        ),
    );
    Ok(lines)
}

/// Lines of several figures of one series, as (name of the figure, quantity, our value).
fn figures(
    sheet: &mut Sheet,
    published: &Published,
    (series, entries): (&str, &[(&str, &str, f64)]),
) -> Fallible<Vec<Vec<String>>> {
    let line = |(name, quantity, ours): &(&str, &str, f64)| {
        Ok(sheet.figure((series, quantity), published.figure(name)?, *ours))
    };
    entries.iter().map(line).collect()
}

fn all_models(sheet: &mut Sheet, published: &Published) -> Fallible<Vec<Vec<String>>> {
    let rows = dated(&published.densities, "release_date_plotted", "density_avg5bench")?;
    let trend = Trend::fit(&rows, Series::AllModels, None)?;
    let entries = [
        ("all slope", "A per day", trend.line.slope.value),
        ("all r2", "R2", r2(&trend)?),
        ("all doubling", "doubling, days", doubling(&trend)?),
    ];
    let days = doubling(&trend)?;
    let met = published.figure("all doubling")?.word(days);
    sheet.short("doubling time of all 45 models, days", "(172)", &fixed(days, 1), met);
    figures(sheet, published, ("Fig. 1, all models", &entries))
}

fn contamination_free(sheet: &mut Sheet, published: &Published) -> Fallible<Vec<Vec<String>>> {
    let rows = dated(&published.densities, "release_date_plotted", "density_MMLU_CF_fig2")?;
    let trend = Trend::fit(&rows, Series::Envelope, None)?;
    let entries = [
        ("cf slope drawn", "A per day", trend.line.slope.value),
        ("cf slope", "A per day", trend.line.slope.value),
        ("cf intercept drawn", "B", trend.line.intercept),
        ("cf r2", "R2", r2(&trend)?),
        ("cf r2 recovered", "R2", r2(&trend)?),
        ("cf doubling", "doubling, days", doubling(&trend)?),
    ];
    let (slope, share) = (trend.line.slope.value, r2(&trend)?);
    let met = published.figure("cf slope")?.word(slope);
    sheet.short("A of MMLU-CF, per day", "~0.0066", &fixed(slope, 6), met);
    let (r2, met) = (fixed(share, 4), published.figure("cf r2")?.word(share));
    sheet.short("R2 of MMLU-CF", "0.953", &r2, met);
    sheet.gap(
        "R2 = 0.953 of MMLU-CF",
        &format!("It is {r2}, which rounds to 0.954: the printed figure looks cut, not rounded."),
    );
    figures(sheet, published, ("Fig. 2, MMLU-CF", &entries))
}

fn periods(sheet: &mut Sheet, published: &Published) -> Fallible<()> {
    let rows = dated(&published.mmlu, "release_date_plotted", "density_mmlu")?;
    let periods = Periods::fit(&rows, Series::Envelope, CHATGPT)?;
    let mut lines = Vec::new();
    for (name, trend) in [("before", &periods.before), ("after", &periods.after)] {
        let figure = |quantity: &str| format!("{name} {quantity}");
        let names = ["slope drawn", "slope", "r2", "doubling"].map(figure);
        let slope = trend.line.slope.value;
        let entries = [
            (names[0].as_str(), "A per day", slope),
            (names[1].as_str(), "A per day", slope),
            (names[2].as_str(), "R2", r2(trend)?),
            (names[3].as_str(), "doubling, days", doubling(trend)?),
        ];
        let series = format!("{name}, {} points", trend.points.len());
        lines.extend(figures(sheet, published, (&series, &entries))?);
        let what = format!("slope {name} ChatGPT, per day");
        let printed = published.figure(&names[1])?;
        sheet.short(&what, &printed.value.to_string(), &fixed(slope, 6), printed.word(slope));
    }
    let faster = 100.0 * (periods.ratio.ok_or("a slope that is not positive")? - 1.0);
    let figure = published.figure("faster percent")?;
    lines.push(sheet.figure(("after over before", "faster by, percent"), figure, faster));
    sheet.table(&FIGURES, &lines);
    let test = periods.test.ok_or("lines without any residual")?;
    let ours = format!("{} %, p = {}", fixed(faster, 0), fixed(test.p, 2));
    sheet.short("faster after ChatGPT", "50 %", &ours, figure.word(faster));
    acceleration(sheet, &periods.before, test)
}

fn acceleration(sheet: &mut Sheet, before: &Trend, test: Welch) -> Fallible<()> {
    let Welch { difference, t, freedom, p } = test;
    let slope = before.line.slope;
    for (quantity, value) in [
        ("slope before, lower end of 95 %", slope.low),
        ("slope before, upper end of 95 %", slope.high),
        ("difference of the slopes", difference.value),
        ("difference, lower end of 95 %", difference.low),
        ("difference, upper end of 95 %", difference.high),
        ("Welch's t", t),
        ("its degrees of freedom", freedom),
        ("two-sided p of equal slopes", p),
    ] {
        sheet.ours(("Fig. 3c", quantity), show(value, 5).parse()?);
    }
    let text = format!(
        "The slope before is {} [{}, {}]: its interval includes zero, as it rests on three models. \
         The slopes differ by {} [{}, {}] per day; Welch's t = {} on {} degrees of freedom, p = {}.",
        fixed(slope.value, 6),
        fixed(slope.low, 4),
        fixed(slope.high, 4),
        fixed(difference.value, 6),
        fixed(difference.low, 4),
        fixed(difference.high, 4),
        fixed(t, 2),
        fixed(freedom, 2),
        fixed(p, 2),
    );
    sheet.say(&text);
    sheet.gap(
        "That density grows faster since ChatGPT",
        &format!("The two slopes come back, but {}", text.replacen("The slope", "the slope", 1)),
    );
    Ok(())
}

/// Writes section 7: density times Moore.
pub(crate) fn moore(sheet: &mut Sheet, published: &Published) -> Fallible<()> {
    sheet.begin("7 Densing times Moore");
    sheet.say("T = 1 / (1/T_density + 1/T_chip), T_chip = 2.1 years = 767.025 days.");
    let fitted = doubling(&envelope(published)?)?;
    let combined = |days: f64| combined_days(days, CHIP_DOUBLING_DAYS);
    let by_fit = combined(fitted)?;
    let by_rounded = combined(LN_2 / ROUNDED)?;
    let entries = [
        ("combined", "combined, from the fitted slope", by_fit),
        ("combined fitted", "combined, from the fitted slope", by_fit),
        ("doubling rounded", "ln 2 / 0.007", LN_2 / ROUNDED),
        ("combined", "combined, from 0.007", by_rounded),
        ("combined rounded", "combined, from 0.007", by_rounded),
        ("combined v2", "combined, from 0.0073", combined(LN_2 / OF_2024)?),
    ];
    let lines = figures(sheet, published, ("Moore", &entries))?;
    sheet.table(&FIGURES, &lines);
    let (fit, rounded) = (fixed(by_fit, 2), fixed(by_rounded, 2));
    let figure = published.figure("combined")?;
    sheet.short("densing times Moore, days", "88", &fit, figure.word(by_fit));
    sheet.short("the same with A = 0.007", "88", &rounded, figure.word(by_rounded));
    sheet.gap(
        "88 days",
        &format!(
            "88 belongs to the slope rounded to 0.007 ({rounded}); the article's own 106-day \
             doubling time gives {fit}."
        ),
    );
    Ok(())
}
