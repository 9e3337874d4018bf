//! Section 4: compressed models against their parents.
//!
//! Figures 3b and 1. Where the scores of student and parent are known, the ratio is also our own.

use super::{
    Fallible,
    models::Weighed,
    published::{Published, Record},
    sheet::{Check, Sheet, fixed, percent, show, word},
};

/// Half a last digit of a ratio given with three decimals.
const THREE_DECIMALS: f64 = 5.05e-4;
/// What our own ratios are held to.
const OWN: f64 = 0.1;

/// A ratio as read and from scores.
struct Own<'a> {
    name: &'a str,
    read: f64,
    ours: f64,
}

/// Writes the section.
pub(crate) fn section(
    sheet: &mut Sheet,
    published: &Published,
    weighed: &[Weighed<'_>],
) -> Fallible<()> {
    sheet.begin("4 Compression: density of the student over that of its parent");
    sheet.say(
        "*plotted*: density and ratio to the parent as read; *recomputed*: from the two plotted \
         densities; *from scores*: both weighed by us (section 3).",
    );
    let (mut lines, mut denser, mut own) = (Vec::new(), Vec::new(), Vec::new());
    for row in published.compression.rows() {
        let (name, parent) = (row.text("compressed_model")?, row.text("parent")?);
        let Some(ratio) = plotted(published, row)? else { continue };
        if ratio > 1.0 {
            denser.push(name);
        }
        let check = Check::Absolute(THREE_DECIMALS);
        let read = row.number("density_ratio_to_parent")?;
        sheet.compare((name, "ratio to parent, plotted densities"), read, ratio, check);
        let ours = from_scores(weighed, name, parent);
        let mut note = String::new();
        if let Some(ours) = ours {
            let check = Check::Relative(OWN);
            sheet.compare((name, "ratio to parent, from scores"), read, ours, check);
            note = format!("{} ({})", show(ours, 3), percent(ours / read - 1.0, 1));
            own.push(Own { name, read, ours });
        }
        let cells = [name, parent, row.text("density")?, row.text("density_ratio_to_parent")?];
        let mut cells: Vec<String> = cells.into_iter().map(ToOwned::to_owned).collect();
        cells.extend([fixed(ratio, 3), note, row.text("figure")?.to_owned()]);
        lines.push(cells);
    }
    let head =
        ["student", "parent", "density", "ratio plotted", "recomputed", "from scores", "figure"];
    sheet.table(&head, &lines);
    claims(sheet, &denser, &own, lines.len());
    Ok(())
}

/// Ratio of the plotted densities; `None` for a parent row or a parent that is not plotted.
fn plotted(published: &Published, row: Record<'_>) -> Fallible<Option<f64>> {
    let parent = row.text("parent")?;
    if row.maybe("density_ratio_to_parent")?.is_none() {
        return Ok(None);
    }
    let parent = match published.compression.find("compressed_model", parent) {
        Ok(parent) => parent.number("density")?,
        Err(_) => published.plotted(parent)?.number("density_avg5bench")?,
    };
    Ok(Some(row.number("density")? / parent))
}

fn from_scores(weighed: &[Weighed<'_>], student: &str, parent: &str) -> Option<f64> {
    let density = |name: &str| weighed.iter().find(|model| model.name == name).map(|m| m.density);
    Some(density(student)? / density(parent)?)
}

fn claims(sheet: &mut Sheet, denser: &[&str], own: &[Own<'_>], ratios: usize) {
    let denser = denser.join(", ");
    sheet.answer(("all students", "denser than the parent"), "Gemma2-9B", &denser);

    sheet.short(
        "students denser than their parent",
        "Gemma2-9B alone",
        &denser,
        word(denser == "Gemma2-9B"),
    );
    let errors: Vec<String> = own
        .iter()
        .map(|Own { name, read, ours }| format!("{name} {}", percent(ours / read - 1.0, 0)))
        .collect();
    let errors = errors.join(", ");
    let same_side = own.iter().all(|ratio| (ratio.read > 1.0) == (ratio.ours > 1.0));
    sheet.say(&format!(
        "Of {ratios} ratios {} can be had from public scores in our file: {errors}. Whether \
         the student is the denser one comes out {}.",
        own.len(),
        if same_side { "the same in both" } else { "differently" },
    ));
    sheet.short("compression ratios from scores", "0 %", &errors, "in part");
    sheet.gap(
        &format!("{} of {ratios} compression ratios from scores", ratios - own.len()),
        "The scores of Llama-3.1-8B, Llama-3.2, Minitron and the quantized models are not in our \
         file; only the plotted densities are recomputed.",
    );
    sheet.gap(
        "One density for Llama-3.1-Minitron-4B",
        "Fig. 3b plots 0.6479, Fig. 1 0.5058 (Width) and 0.3571 (Depth); the article does not say \
         why. The two Minitron models of Nemotron-4-15B have no ratio, as the parent is not plotted.",
    );
    sheet.gap(
        "Whether equation 7 was applied to the quantized models",
        "It is not said, and their scores are not known: 0.5696 (GPTQ) can be either.",
    );
}
