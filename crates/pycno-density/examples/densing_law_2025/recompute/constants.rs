//! Section 1: the constants of both steps, drawn by the authors and fitted by us.
//!
//! Equations 2 and 3. The article prints no constant; those compared with are recovered from the
//! curves of Extended Data Fig. 1, so they are the authors' to about 4 to 5 digits.

use pycno_density::{
    Anchor, FitObjective, LossConstants, LossFit, LossFitOptions, LossForm, LossPoint, MinimumCard,
    Run, ScoreFit, ScoreLimits, ScorePoint, SigmoidConstants, fit_loss, fit_score,
};
use pycno_units::{NatsPerToken, ParamCount, Score, TokenCount};

use super::{
    Fallible,
    published::{Published, Record},
    sheet::{Check, FIGURES, Sheet, fixed, largest, percent, relative, share, show, word},
};

/// The start that leads to the authors' basin.
const START: [f64; 4] = [1.0, 0.1, 100.0, 0.3];
/// What the constants of a task have to agree within.
pub(crate) const AGREES: f64 = 1e-3;
/// What two programs' refits have to agree within: the other's are given with 5 to 6 digits.
const SAME_FIT: f64 = 1e-4;
/// The tasks that the acceptance line names.
const NAMED: [&str; 3] = ["BBH", "MBPP", "HUMANEVAL"];
/// Names of the first step's constants.
const LOSS: [&str; 4] = ["a", "alpha", "b", "beta"];
/// Names of the second step's constants.
const SCORE: [&str; 4] = ["c", "gamma", "l", "d"];
/// Floor and ceiling are fitted.
const FREE: ScoreLimits = ScoreLimits { floor: None, ceiling: None };
/// What the two basins are called here.
const BASINS: &str = "**Two basins.** The *published basin* falls slowly with size and fast with \
    data (alpha 0.08 to 0.16, beta 0.24 to 0.50); the *steep-size basin*, the other one, the other \
    way round (alpha 0.35 to 0.70, beta 0.14 to 0.21). The start [1, 0.1, 100, 0.3] chooses the \
    published one; all minima are found from the same starts. Starts: how many of all ended there.";

/// A row of constants with our fits.
pub(crate) struct Refit<'a> {
    pub(crate) row: Record<'a>,
    pub(crate) name: &'a str,
    pub(crate) drawn: LossConstants,
    pub(crate) sigmoid: SigmoidConstants,
    pub(crate) points: Vec<LossPoint>,
    pub(crate) loss: LossFit,
    score: ScoreFit,
}

/// How the first step is fitted: as the authors did.
pub(crate) const fn options() -> LossFitOptions {
    LossFitOptions {
        form: LossForm::Densing,
        objective: FitObjective::Squares,
        basin: Some(START),
        exhaustive: false,
    }
}

/// Fits both steps of every row of constants.
pub(crate) fn refits(published: &Published) -> Fallible<Vec<Refit<'_>>> {
    published.constants.rows().map(|row| Refit::new(published, row)).collect()
}

/// The constants as an array, in the order of equation 2.
pub(crate) const fn values(constants: &LossConstants) -> [f64; 4] {
    [constants.a, constants.alpha, constants.b, constants.beta]
}

impl<'a> Refit<'a> {
    fn new(published: &Published, row: Record<'a>) -> Fallible<Self> {
        let name = row.text("benchmark")?;
        let [a, alpha, b, beta] = row.numbers(LOSS)?;
        let [c, gamma, l, d] = row.numbers(SCORE)?;
        let points = loss_points(published, name)?;
        let anchor = Anchor { loss: NatsPerToken(0.0), score: Score::FULL };
        Ok(Self {
            row,
            name,
            drawn: LossConstants { a, alpha, b, beta, irreducible: None },
            sigmoid: SigmoidConstants { c, gamma, l, d },
            loss: fit_loss(&points, options())?,
            score: fit_score(&score_points(published, name, "fit")?, &[anchor], FREE)?,
            points,
        })
    }

    /// Sum of squared errors of a law on the points.
    pub(crate) fn squares(&self, law: &LossConstants) -> f64 {
        self.points.iter().map(|point| (law.loss(point.run).0 - point.loss.0).powi(2)).sum()
    }

    /// Our constants over the drawn ones, minus 1.
    pub(crate) fn differences(&self) -> [f64; 4] {
        let (drawn, ours) = (values(&self.drawn), values(&self.loss.constants));
        std::array::from_fn(|i| ours[i] / drawn[i] - 1.0)
    }

    /// The minimum that is used, and the other one.
    fn minima(&self) -> (Option<&MinimumCard>, Option<&MinimumCard>) {
        let with = |chosen| self.loss.card.minima.iter().find(|minimum| minimum.chosen == chosen);
        (with(true), with(false))
    }
}

fn loss_points(published: &Published, name: &str) -> Fallible<Vec<LossPoint>> {
    let point = |row: Record<'_>| {
        let tokens: u64 = row.text("D_tokens")?.parse()?;
        let run = Run::new(ParamCount(row.number("N")?), TokenCount(tokens))?;
        Ok(LossPoint { run, loss: NatsPerToken(value(row, "loss", name)?) })
    };
    published.losses.rows().map(point).collect()
}

fn score_points(published: &Published, name: &str, role: &str) -> Fallible<Vec<ScorePoint>> {
    let has_role = |row: &Record<'_>| row.text("role").is_ok_and(|found| found == role);
    let point = |row: Record<'_>| {
        let loss = NatsPerToken(value(row, "loss", name)?);
        Ok(ScorePoint { loss, score: Score::from_percent(value(row, "score", name)?)? })
    };
    published.performance.rows().filter(has_role).map(point).collect()
}

/// A benchmark's column; of AVG4 the mean of four categories, code being the mean of two.
fn value(row: Record<'_>, prefix: &str, name: &str) -> Fallible<f64> {
    let of = |name: &str| row.number(&format!("{prefix}_{name}"));
    if name != "AVG4" {
        return of(name);
    }
    let code = f64::midpoint(of("HUMANEVAL")?, of("MBPP")?);
    Ok((of("MMLU")? + of("BBH")? + of("MATH")? + code) / 4.0)
}

/// Writes the section.
pub(crate) fn section(
    sheet: &mut Sheet,
    published: &Published,
    refits: &[Refit<'_>],
) -> Fallible<()> {
    sheet.begin("1 Constants");
    sheet.say(
        "Loss `L = a N^-alpha + b D^-beta` on 33 runs, plain least squares. *drawn*: recovered \
         from the authors' curves; SSE: sum of squared errors on the 33 points, ours throughout.",
    );
    let mut lines = Vec::new();
    for refit in refits {
        lines.extend(loss_lines(sheet, refit)?);
    }
    sheet.table(&["row", "law", "a", "alpha", "b", "beta", "SSE", "starts"], &lines);
    sheet.say(BASINS);
    verdicts(sheet, refits);
    sigmoids(sheet, refits)?;
    checks(sheet, published, refits)
}

fn loss_lines(sheet: &mut Sheet, refit: &Refit<'_>) -> Fallible<Vec<Vec<String>>> {
    let (drawn, ours) = (values(&refit.drawn), values(&refit.loss.constants));
    for (i, constant) in LOSS.iter().enumerate() {
        let quantity = format!("{constant}, published basin, against drawn");
        let check = Check::Relative(AGREES);
        sheet.compare((refit.name, &quantity), drawn[i], ours[i], check);
        let other = refit.row.number(&format!("refit_same_basin_{constant}"))?;
        let quantity = format!("{constant}, published basin, against another program's fit");
        sheet.compare((refit.name, &quantity), other, ours[i], Check::Relative(SAME_FIT));
    }
    let (chosen, other) = refit.minima();
    let starts = |minimum: Option<&MinimumCard>| {
        minimum.map_or_else(String::new, |m| format!("{} of {}", m.starts, refit.loss.card.starts))
    };
    let squares = [refit.squares(&refit.drawn), refit.squares(&refit.loss.constants)];
    for (column, ours) in ["SSE_loss_33points", "SSE_refit_same_basin"].iter().zip(squares) {
        let check = Check::Relative(SAME_FIT);
        sheet.compare((refit.name, column), refit.row.number(column)?, ours, check);
    }
    let line = |law: &str, values: [f64; 4], squares: f64, starts: String| {
        let cells = values.map(|value| show(value, 6));
        let ends = [show(squares, 5), starts];
        [refit.name.to_owned(), law.to_owned()].into_iter().chain(cells).chain(ends).collect()
    };
    let differences = refit.differences().map(|difference| percent(difference, 3));
    let difference = [refit.name, "difference"].map(ToOwned::to_owned).into_iter();
    let squares_off = percent(squares[1] / squares[0] - 1.0, 4);
    let mut lines: Vec<Vec<String>> = vec![
        line("drawn", drawn, squares[0], String::new()),
        line("ours, published basin", ours, squares[1], starts(chosen)),
        difference.chain(differences).chain([squares_off, String::new()]).collect(),
    ];
    if let Some(law) = refit.loss.others.first() {
        other_basin(sheet, refit, law)?;
        let squares = refit.squares(law);
        lines.push(line("ours, steep-size basin", values(law), squares, starts(other)));
    } else {
        sheet.answer(
            (refit.name, "steep-size basin"),
            refit.row.text("lower_SSE_basin")?,
            "only one",
        );
    }
    Ok(lines)
}

fn other_basin(sheet: &mut Sheet, refit: &Refit<'_>, law: &LossConstants) -> Fallible<()> {
    let check = Check::Relative(SAME_FIT);
    for (constant, ours) in LOSS.iter().zip(values(law)) {
        let quantity = format!("{constant}, steep-size basin, against another program's fit");
        let published = refit.row.number(&format!("other_basin_{constant}"))?;
        sheet.compare((refit.name, &quantity), published, ours, check);
    }
    let published = refit.row.number("SSE_other_basin")?;
    let ours = refit.squares(law);
    sheet.compare((refit.name, "SSE_other_basin"), published, ours, check);
    let lower = if ours < refit.squares(&refit.loss.constants) { "other" } else { "published" };
    let quantity = "basin of the lower SSE";
    sheet.answer((refit.name, quantity), refit.row.text("lower_SSE_basin")?, lower);
    Ok(())
}

fn verdicts(sheet: &mut Sheet, refits: &[Refit<'_>]) {
    for refit in refits {
        let most = largest(refit.differences());
        if NAMED.contains(&refit.name) {
            let what = format!("loss constants of {}, largest difference", refit.name);
            sheet.short(&what, "within 0.1 %", &share(most, 3), word(most <= AGREES));
        }
    }
    let off = refits.iter().filter(|refit| largest(refit.differences()) > AGREES);
    let off: Vec<&str> = off.map(|refit| refit.name).collect();
    let found = refits.iter().filter(|refit| !refit.loss.others.is_empty()).count();
    let (rows, off) = (refits.len(), off.join(" and "));
    sheet.say(&format!(
        "All four loss constants agree within 0.1 % in every row but {off}; section 1b says why. \
         The steep-size basin is found in {found} of {rows} rows; MBPP has one minimum."
    ));
    let listed =
        refits.iter().filter(|refit| refit.row.maybe("other_basin_a").is_ok_and(|a| a.is_some()));
    let listed = listed.count();
    let [listed, found] = [listed, found].map(|count| format!("{count} of {rows} rows"));
    sheet.short("steep-size basin found", &listed, &found, word(listed == found));
}

fn sigmoids(sheet: &mut Sheet, refits: &[Refit<'_>]) -> Fallible<()> {
    sheet.say(
        "Score `S = d + c / (1 + exp(-gamma (L - l)))` on 10 models and the anchor of loss 0 and \
         score 100, which the article does not mention.",
    );
    let (mut lines, mut most) = (Vec::new(), 0.0f64);
    for refit in refits {
        let SigmoidConstants { c, gamma, l, d } = refit.score.constants;
        let drawn = refit.row.numbers(SCORE)?;
        let mut cells = vec![refit.name.to_owned()];
        for ((constant, drawn), ours) in SCORE.iter().zip(drawn).zip([c, gamma, l, d]) {
            // A floor at the bound 0 has no relative error.
            let bound = drawn < AGREES && *constant == "d";
            let check = if bound { Check::Absolute(AGREES) } else { Check::Relative(AGREES) };
            sheet.compare((refit.name, &format!("{constant}, sigmoid")), drawn, ours, check);
            let error = relative(drawn, ours).filter(|_| !bound).unwrap_or_default();
            most = most.max(error.abs());
            let note = if bound { "at 0".to_owned() } else { percent(error, 3) };
            cells.push(format!("{} -> {} ({note})", show(drawn, 6), show(ours, 6)));
        }
        lines.push(cells);
    }
    sheet.table(&["row (drawn -> ours)", "c", "gamma", "l", "d"], &lines);
    let what = "sigmoid constants, largest difference";
    sheet.short(what, "(within 0.1 %)", &share(most, 3), word(most <= AGREES));
    Ok(())
}

/// Where the curve ends without the anchor, and what it says of models that were not fitted.
fn checks(sheet: &mut Sheet, published: &Published, refits: &[Refit<'_>]) -> Fallible<()> {
    let mut tops = Vec::new();
    for refit in refits {
        let points = score_points(published, refit.name, "fit")?;
        let SigmoidConstants { c, d, .. } = fit_score(&points, &[], FREE)?.constants;
        sheet.ours((refit.name, "c + d without the anchor"), c + d);
        tops.push(c + d);
    }
    tops.sort_by(f64::total_cmp);
    if let [least, .., most] = tops.as_slice() {
        let (least, most) = (fixed(*least, 1), fixed(*most, 1));
        sheet.say(&format!(
            "Without the anchor c + d is {least} to {most}, and scores above have no size; with it \
             99.8 to 102.2 as drawn. Models that the authors predict and do not fit, AVG4:"
        ));
    }
    let drawn = refits.iter().find(|refit| refit.name == "AVG4").ok_or("no row AVG4")?.sigmoid;
    let mut lines = Vec::new();
    for (i, point) in score_points(published, "AVG4", "prediction")?.iter().enumerate() {
        let figure = published.figure(&format!("check large_{i}"))?;
        let error = drawn.percent(point.loss) - point.score.percent();
        lines.push(sheet.figure((&format!("large_{i}"), "predicted minus read"), figure, error));
    }
    sheet.table(&FIGURES, &lines);
    Ok(())
}
