//! Section 3: the density of every model whose scores are known.
//!
//! Equation 1; models of experts by the time-based size of equation 6.

use pycno_density::{Ruler, RulerTask, SizeRule, Sizes, TimeRatio};
use pycno_units::{ParamCount, Score};

use super::{
    Fallible,
    published::{Published, Record},
    sheet::{Check, Sheet, percent, show},
};

/// Parameters of a column that counts in units of 1e9.
const BILLION: f64 = 1e9;
/// Half a last digit of figures given with four decimals.
const FOUR_DECIMALS: f64 = 5.05e-5;
/// Half a precision weight's bits: none of these models is quantized.
const BITS: f64 = 16.0;
/// Shares are counted within these.
pub(crate) const WITHIN: [f64; 3] = [0.01, 0.04, 0.1];

/// A model weighed by us.
pub(crate) struct Weighed<'a> {
    pub(crate) name: &'a str,
    /// Mean of the four categories, percent.
    pub(crate) score: f64,
    /// Density, effective over real size.
    pub(crate) density: f64,
    /// Density as plotted in Fig. 1.
    pub(crate) plotted: f64,
    size: f64,
    printed_order: Option<f64>,
    source: &'a str,
}

/// Size of a model for its density: non-embedding, of a model of experts by time.
pub(crate) fn size(row: Record<'_>, ratio: TimeRatio) -> Fallible<ParamCount> {
    let total = ParamCount(row.number("N_nonembedding_B")? * BILLION);
    let active = row.maybe("N_active_B_if_MoE")?.map(|active| ParamCount(active * BILLION));
    let weight_bits = Some(BITS);
    let sizes = Sizes { total, non_embedding: total, active, non_zero: None, weight_bits };
    let rule = if active.is_some() { SizeRule::time(ratio) } else { SizeRule::NonEmbedding };
    Ok(sizes.size(rule)?)
}

/// Mean of the four categories; where the two code benchmarks are not known apart, their average
/// stands for both.
pub(crate) fn four_categories(avg4: &RulerTask<'_>, row: Record<'_>) -> Fallible<Score> {
    let code = row.maybe("code_avg")?;
    let of = |task: &str| match task {
        "mmlu" => row.maybe("MMLU").ok().flatten(),
        "bbh" => row.maybe("BBH").ok().flatten(),
        "math" => row.maybe("MATH").ok().flatten(),
        "humaneval" => row.maybe("HumanEval").ok().flatten().or(code),
        "mbpp" => row.maybe("MBPP").ok().flatten().or(code),
        _ => None,
    };
    let mean = avg4.spec.value(of).ok_or("a model without all four categories")?;
    Ok(Score::from_percent(mean)?)
}

/// Writes the section and gives every weighed row.
pub(crate) fn section<'a>(
    sheet: &mut Sheet,
    published: &'a Published,
    ruler: &Ruler,
) -> Fallible<Vec<Weighed<'a>>> {
    sheet.begin("3 Density of every model with known scores");
    sheet.say(
        "S: mean of four categories from public scores. *implied S*: the score that the plotted \
         density and size give back, so the difference of the two is what the scores explain. Sizes \
         are non-embedding; models of experts, marked MoE, count by time with r = 2.45 (in \
         brackets the order as printed, r = 1/2.45).",
    );
    let avg4 = ruler.task("avg4")?;
    let (mut found, mut lines) = (Vec::new(), Vec::new());
    for row in published.scores.rows() {
        let weighed = Weighed::of(&avg4, row)?;
        lines.push(weighed.line(sheet, row, published)?);
        found.push(weighed);
    }
    let head = ["model", "S", "implied S", "size", "density", "Fig. 1", "error", "scores from"];
    sheet.table(&head, &lines);
    shares(sheet, &found);
    Ok(found)
}

impl<'a> Weighed<'a> {
    fn of(avg4: &RulerTask<'_>, row: Record<'a>) -> Fallible<Self> {
        let score = four_categories(avg4, row)?;
        let effective = avg4.law.effective(score).params().ok_or("a score without a size")?.0;
        let density = |ratio| size(row, ratio).map(|size| effective / size.0);
        let experts = row.maybe("N_active_B_if_MoE")?.is_some();
        Ok(Self {
            name: row.text("model")?,
            score: score.percent(),
            size: size(row, TimeRatio::Recomputed)?.0,
            density: density(TimeRatio::Recomputed)?,
            printed_order: experts.then(|| density(TimeRatio::PrintedOrder)).transpose()?,
            plotted: row.number("density_fig1")?,
            source: row.text("score_source")?,
        })
    }

    fn error(&self) -> f64 {
        self.density / self.plotted - 1.0
    }

    fn line(
        &self,
        sheet: &mut Sheet,
        row: Record<'_>,
        published: &Published,
    ) -> Fallible<Vec<String>> {
        let item = format!("{} ({})", self.name, row.text("score_source")?);
        let effective = self.density * self.size / BILLION;
        let four = Check::Absolute(FOUR_DECIMALS);
        let file = row.number("S_4cat")?;
        sheet.compare((&item, "S, against another program"), file, self.score, four);
        let file = row.number("Nhat_B_D0_5T")?;
        sheet.compare((&item, "N_hat in 1e9, against another program"), file, effective, four);
        let file = row.number("density_reproduced")?;
        sheet.compare((&item, "density, against another program"), file, self.density, four);
        let check = Check::Relative(WITHIN[2]);
        sheet.compare((&item, "density, against Fig. 1"), self.plotted, self.density, check);
        let mut density = show(self.density, 4);
        if let Some(printed) = self.printed_order {
            let file = row.number("density_MoE_if_k1_eq_2p45k2_as_printed")?;
            let quantity = "density, order as printed, against another program";
            sheet.compare((&item, quantity), file, printed, four);
            let quantity = "density, order as printed, against Fig. 1";
            sheet.compare((&item, quantity), self.plotted, printed, check);
            density = format!("{density} ({})", show(printed, 4));
        }
        let implied = published.plotted(self.name)?.maybe("implied_4cat_avg_score_at_D0_5T")?;
        let size = ParamCount(self.size).to_string();
        let size = if self.printed_order.is_some() { format!("MoE {size}") } else { size };
        Ok(vec![
            self.name.to_owned(),
            show(self.score, 4),
            implied.map_or_else(String::new, |implied| show(implied, 4)),
            size,
            density,
            show(self.plotted, 4),
            percent(self.error(), 1),
            self.source.to_owned(),
        ])
    }
}

fn shares(sheet: &mut Sheet, found: &[Weighed<'_>]) {
    let rows = found.len();
    let counts = WITHIN.map(|within| {
        let count = found.iter().filter(|model| model.error().abs() <= within).count();
        sheet.ours(("all models", &format!("rows within {} %", 100.0 * within)), count as f64);
        count
    });
    let [one, four, ten] = counts;
    let text =
        format!("**{one}, {four} and {ten} of {rows} rows lie within 1, 4 and 10 % of Fig. 1.**");
    sheet.say(&text);
    let ours = format!("{one}, {four}, {ten} of {rows}");
    let verdict = if ten == rows { "met" } else { "in part" };
    sheet.short("densities within 1, 4, 10 % of Fig. 1", "all", &ours, verdict);
    let off = |model: &&Weighed<'_>| model.error().abs() > WITHIN[2];
    let name = |model: &Weighed<'_>| format!("{} {}", model.name, percent(model.error(), 0));
    let off: Vec<String> = found.iter().filter(off).map(name).collect();
    sheet.gap(
        &format!("Densities of {} of {rows} rows within 10 % of Fig. 1", off.len()),
        &format!(
            "{}. The authors print no scores; ours come from model cards and project pages. Ruler \
             and size are the same for all rows, and a point of score moves a density by 11 to 36 \
             %: column *implied S* shows how many points are missing.",
            off.join(", ")
        ),
    );
    printed_order(sheet, found);
}

fn printed_order(sheet: &mut Sheet, found: &[Weighed<'_>]) {
    let experts = || found.iter().filter(|model| model.printed_order.is_some());
    let list = |errors: Vec<f64>| {
        errors.iter().map(|error| percent(*error, 0)).collect::<Vec<_>>().join(", ")
    };
    let ours = list(experts().map(Weighed::error).collect());
    let printed = |model: &Weighed<'_>| model.printed_order.map(|it| it / model.plotted - 1.0);
    let printed = list(experts().filter_map(printed).collect());
    let names = experts().map(|model| model.name).collect::<Vec<_>>().join(", ");
    sheet.gap(
        "k1 ~ 2.45 k2 as printed",
        &format!(
            "The printed order misses the plotted models of experts by {printed} ({names}), the \
             opposite order by {ours}. The article's own device figures give k2 = 2.45 k1: a \
             misprint."
        ),
    );
    sheet.short("models of experts, k1 ~ 2.45 k2 as printed", "0 %", &printed, "**misprint**");
    sheet.short("models of experts, k2 = 2.45 k1", "0 %", &ours, "in part");
}
