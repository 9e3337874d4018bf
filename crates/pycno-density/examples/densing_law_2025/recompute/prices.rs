//! Section 6: the price of a capability.
//!
//! Fig. 3a: US dollars per million tokens, the cheapest of their day.

use pycno_density::{DAYS_PER_MONTH, DatedPrice, PriceTrend};

use super::{
    Fallible,
    published::Published,
    sheet::{FIGURES, Sheet, fixed},
};

/// The model whose price is read as 0.07 and printed as 0.075.
const TWO_PRICES: &str = "Gemini-1.5-Flash";
/// A month as short figures take it.
const SHORT_MONTH: f64 = 30.0;

/// Writes the section.
pub(crate) fn section(sheet: &mut Sheet, published: &Published) -> Fallible<()> {
    sheet.begin("6 Prices");
    sheet.say(
        "Record-low prices; *ends*: first and last point alone; *line*: least squares over all \
         record lows. Fig. 3a reads 0.07 for Gemini-1.5-Flash, the text prints 0.075.",
    );
    let mut lines = Vec::new();
    let printed = published.figure("price gemini")?.value;
    for price in [Some(printed), None] {
        let trend = PriceTrend::fit(&rows(published, price)?)?;
        let line = trend.pace.halving().ok_or("prices that do not fall")?.value;
        let months = [trend.ends.halving_days, line].map(|days| days / DAYS_PER_MONTH);
        let series = if price.is_some() { "0.075" } else { "0.07" };
        for (name, quantity, ours) in [
            ("price factor", "first over last price", trend.ends.factor),
            ("price halving months", "halving, months, ends", months[0]),
            ("price halving ends", "halving, months, ends", months[0]),
            ("price halving line", "halving, months, line", months[1]),
        ] {
            lines.push(sheet.figure((series, quantity), published.figure(name)?, ours));
        }
        if price.is_some() {
            lines.push(short_months(sheet, published, (&trend, months))?);
        }
    }
    sheet.table(&FIGURES, &lines);
    Ok(())
}

/// The prices as read, one of them as printed.
fn rows(published: &Published, printed: Option<f64>) -> Fallible<Vec<DatedPrice>> {
    let mut rows = Vec::new();
    for row in published.prices.rows() {
        let name = row.text("model")?.to_owned();
        let read = row.number("usd_per_million_tokens")?;
        let usd_per_million = printed.filter(|_| name == TWO_PRICES).unwrap_or(read);
        rows.push(DatedPrice { name, date: row.date("date_plotted")?, usd_per_million });
    }
    Ok(rows)
}

fn short_months(
    sheet: &mut Sheet,
    published: &Published,
    (trend, [ends, line]): (&PriceTrend, [f64; 2]),
) -> Fallible<Vec<String>> {
    let months = trend.ends.halving_days / SHORT_MONTH;
    let figure = published.figure("price halving months")?;
    let (mean_months, ends, line) = (ends, fixed(ends, 2), fixed(line, 2));
    let (days, short) = (fixed(trend.ends.halving_days, 1), fixed(months, 2));
    let ours = format!("{ends} (first and last), {line} (line)");
    sheet.short("halving of prices, months", "about 2.6", &ours, figure.word(mean_months));
    let what = "the same in months of 30 days";
    sheet.short(what, "about 2.6", &short, figure.word(months));
    sheet.gap(
        "Prices halve in 2.6 months",
        &format!(
            "First and last price give {days} days: {ends} months of 30.4375 days, {short} of 30 \
             days, which rounds to 2.6. The line over all record lows gives {line}. \
             With 0.07 as Fig. 3a reads, all are a little shorter."
        ),
    );
    Ok(sheet.figure(("0.075", "halving, months of 30 days, ends"), figure, months))
}
