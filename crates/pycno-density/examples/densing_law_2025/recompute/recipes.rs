//! Section 8: which recipe the authors used, by what others would give.
//!
//! Ratio of the recomputed to the plotted density over all rows of section 3, no number tuned.

use pycno_density::{Ruler, ScoreLaw, TimeRatio};
use pycno_units::{Score, TokenCount};

use super::{
    Fallible,
    models::{four_categories, size},
    published::{Published, Record},
    sheet::{Sheet, median, show, word},
};

/// The token count of the text of 2024.
const OF_2024: TokenCount = TokenCount(1_000_000_000_000);
/// Rows count as near within this.
const NEAR: f64 = 0.1;

/// How a row's average score is formed; `None` for a row that lacks a benchmark.
type Average<'a> = dyn Fn(Record<'_>) -> Fallible<Option<Score>> + 'a;

/// Writes the section.
pub(crate) fn section(sheet: &mut Sheet, published: &Published, ruler: &Ruler) -> Fallible<()> {
    sheet.begin("8 Recipe check");
    sheet.say(
        "Ratio of our density to the plotted one; published: the same check by an independent \
         program. *AVERAGE loss constants*: its loss panel takes MBPP alone as code.",
    );
    let avg4 = ruler.task("avg4")?;
    let four = |row: Record<'_>| four_categories(&avg4, row).map(Some);
    let other = ruler.in_other_basin()?;
    let recipes: [(&str, &str, ScoreLaw, &Average<'_>); 5] = [
        ("avg4", "AVG4, published basin, D0 = 5e12", avg4.law, &four),
        ("1T", "same, D0 = 1e12", avg4.law.at_tokens(OF_2024)?, &four),
        ("average", "AVERAGE loss constants as drawn", ruler.task("average")?.law, &four),
        ("five", "mean of five benchmarks, not of four categories", avg4.law, &five),
        ("other", "AVG4, other basin", other.task("avg4")?.law, &four),
    ];
    let (mut lines, mut same) = (Vec::new(), 0);
    for (key, name, law, average) in recipes {
        let ratios = ratios(published, &law, average)?;
        let (line, met) = line(sheet, published, (key, name), &ratios)?;
        same += usize::from(met);
        lines.push(line);
    }
    let head = ["recipe", "median ratio published", "ours", "rows within 10 % published", "ours"];
    sheet.table(&head, &lines);
    let ours = format!("{same} of {} the same", lines.len());
    let what = "recipe check: median ratio and rows within 10 %";
    sheet.short(what, "(5 recipes)", &ours, word(same == lines.len()));
    Ok(())
}

/// Mean of the five benchmarks alike; only for rows that know both code benchmarks.
fn five(row: Record<'_>) -> Fallible<Option<Score>> {
    let (Some(humaneval), Some(mbpp)) = (row.maybe("HumanEval")?, row.maybe("MBPP")?) else {
        return Ok(None);
    };
    let [mmlu, bbh, math] = row.numbers(["MMLU", "BBH", "MATH"])?;
    Ok(Some(Score::from_percent((mmlu + bbh + math + humaneval + mbpp) / 5.0)?))
}

fn ratios(published: &Published, law: &ScoreLaw, average: &Average<'_>) -> Fallible<Vec<f64>> {
    let mut ratios = Vec::new();
    for row in published.scores.rows() {
        let Some(score) = average(row)? else { continue };
        let effective = law.effective(score).params().ok_or("a score without a size")?;
        let density = effective.0 / size(row, TimeRatio::Recomputed)?.0;
        ratios.push(density / row.number("density_fig1")?);
    }
    Ok(ratios)
}

fn line(
    sheet: &mut Sheet,
    published: &Published,
    (key, name): (&str, &str),
    ratios: &[f64],
) -> Fallible<(Vec<String>, bool)> {
    let near = ratios.iter().filter(|ratio| (**ratio - 1.0).abs() <= NEAR).count();
    let middle = median(ratios.iter().copied());
    let figure = published.figure(&format!("recipe {key} median"))?;
    sheet.figure((name, "median ratio"), figure, middle);
    let rows = published.figure(&format!("recipe {key} rows"))?;
    sheet.figure((name, "rows within 10 %"), rows, near as f64);
    let met =
        [(figure, middle), (rows, near as f64)].iter().all(|(figure, ours)| figure.met(*ours));
    let cells = vec![
        name.to_owned(),
        figure.value.to_string(),
        show(middle, 3),
        format!("{} of {}", rows.value, ratios.len()),
        format!("{near} of {}", ratios.len()),
    ];
    Ok((cells, met))
}
