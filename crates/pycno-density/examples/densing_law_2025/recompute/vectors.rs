//! Section 2: effective sizes at given scores, their sensitivities, and scores without a size.
//!
//! Equation 4 with the AVG4 constants of the shipped ruler.

use pycno_density::{Constants, Effective, LossConstants, Ruler, Run, ScoreLaw};
use pycno_units::{ParamCount, Score, TokenCount};

use super::{
    Fallible,
    published::{Published, Record},
    sheet::{Check, FIGURES, Sheet, fixed, relative, show, word},
};

/// What vectors have to agree within.
pub(crate) const VECTORS: f64 = 1e-6;
/// What the sizes of two independent fits of the other basin have to agree within.
const OTHER_FIT: f64 = 1e-3;
/// Token counts of the vectors with their columns.
const TOKENS: [(&str, TokenCount); 3] = [
    ("1T", TokenCount(1_000_000_000_000)),
    ("5T", TokenCount(5_000_000_000_000)),
    ("15T", TokenCount(15_000_000_000_000)),
];
/// Scores whose answers are errors, with the kind the reference expects.
const ERRORS: [(f64, &str); 4] =
    [(10.0, "below"), (10.78089, "below"), (98.9, "above"), (101.6, "above")];

/// The laws of the section.
struct Laws {
    at: [ScoreLaw; 3],
    /// The other basin as the file of constants gives it: what the vectors were computed with.
    stated: ScoreLaw,
    /// The other basin as the shipped ruler's fit found it.
    fitted: ScoreLaw,
}

/// An effective size in words.
pub(crate) fn outcome(effective: Effective) -> String {
    match effective {
        Effective::Inside { params } => format!("{params}"),
        Effective::Extrapolated { params, factor } => {
            format!("{params} (extrapolated {}-fold)", show(factor, 3))
        }
        Effective::BelowFloor { floor } => format!("below the floor {}", show(floor.percent(), 5)),
        Effective::AboveCeiling { ceiling } => {
            format!("above the ceiling {}", show(ceiling.percent(), 5))
        }
        Effective::BeyondReference { limit } => {
            format!("beyond the reference, limit {}", show(limit.percent(), 5))
        }
    }
}

/// Writes the section.
pub(crate) fn section(sheet: &mut Sheet, published: &Published, ruler: &Ruler) -> Fallible<()> {
    sheet.begin("2 Effective sizes at given scores");
    sheet.say(
        "N_hat by the shipped ruler (AVG4), against the vectors of an independent program; relative \
         errors at D0 = 1e12, 5e12 and 15e12. *other basin*: with its stated constants; where the \
         vector says nan our answer is typed.",
    );
    let laws = Laws::new(published, ruler)?;
    let (mut lines, mut worst) = (Vec::new(), 0.0f64);
    for row in published.vectors.rows() {
        lines.push(laws.line(sheet, row, &mut worst)?);
    }
    let head = [
        "S",
        "N_hat 5T published",
        "ours",
        "1T",
        "5T",
        "15T",
        "L_hat",
        "sensitivity",
        "other basin",
    ];
    sheet.table(&head, &lines);
    let count = lines.len();
    let what = format!("N_hat vectors, {count} scores at 3 token counts");
    sheet.short(&what, "1e-6 relative", &format!("{worst:.0e} at worst"), word(worst <= VECTORS));
    sheet.say("Expected errors, D0 = 5e12:");
    errors(sheet, &laws.at[1]);
    sheet.say("Forward, and the largest scores that have a size:");
    forward(sheet, published, &laws)
}

impl Laws {
    fn new(published: &Published, ruler: &Ruler) -> Fallible<Self> {
        let law = ruler.task("avg4")?.law;
        let row = published.constants.find("benchmark", "AVG4")?;
        let columns = ["other_basin_a", "other_basin_alpha", "other_basin_b", "other_basin_beta"];
        let [a, alpha, b, beta] = row.numbers(columns)?;
        let Constants::TwoStep { score, .. } = law.constants() else {
            return Err("AVG4 must have two steps".into());
        };
        let loss = LossConstants { a, alpha, b, beta, irreducible: None };
        let stated = Constants::TwoStep { loss, score };
        let [one, five, fifteen] = TOKENS.map(|(_, tokens)| law.at_tokens(tokens));
        Ok(Self {
            at: [one?, five?, fifteen?],
            stated: ScoreLaw::new(stated, law.tokens(), law.range())?,
            fitted: ruler.in_other_basin()?.task("avg4")?.law,
        })
    }

    fn line(&self, sheet: &mut Sheet, row: Record<'_>, worst: &mut f64) -> Fallible<Vec<String>> {
        let percent = row.number("S_4cat_avg")?;
        let (score, item) = (Score::from_percent(percent)?, format!("S = {percent}"));
        let check = Check::Relative(VECTORS);
        let mut errors = Vec::new();
        let mut compare = |quantity: &str, published: f64, ours: f64| {
            sheet.compare((&item, quantity), published, ours, check);
            errors.push(relative(published, ours).unwrap_or_default());
        };
        let mut sizes = [0.0; 3];
        for ((law, (name, _)), size) in self.at.iter().zip(TOKENS).zip(&mut sizes) {
            *size = law.effective(score).params().ok_or("a vector without a size")?.0;
            let column = format!("Nhat_D0_{name}");
            compare(&column, row.number(&column)?, *size);
        }
        let loss = self.loss(sizes[1])?;
        compare("L_hat", row.number("L_hat")?, loss);
        let sensitivity = self.at[1].sensitivity(score).ok_or("a vector without a sensitivity")?;
        compare("dlnNhat_dS_at_5T", row.number("dlnNhat_dS_at_5T")?, sensitivity);
        *worst = errors[..4].iter().fold(*worst, |worst, error| worst.max(error.abs()));
        let published = show(row.number("Nhat_D0_5T")?, 9);
        let other = self.other_basin(sheet, &item, row, score)?;
        let errors = errors.iter().map(|error| format!("{error:.0e}"));
        let start = [show(percent, 3), published, show(sizes[1], 9)];
        Ok(start.into_iter().chain(errors).chain([other]).collect())
    }

    /// Loss of a reference model of this size at D0 = 5e12: `L_hat`, if the inverse is right.
    fn loss(&self, size: f64) -> Fallible<f64> {
        let Constants::TwoStep { loss, .. } = self.at[1].constants() else {
            return Err("AVG4 must have two steps".into());
        };
        Ok(loss.loss(Run::new(ParamCount(size), TOKENS[1].1)?).0)
    }

    fn other_basin(
        &self,
        sheet: &mut Sheet,
        item: &str,
        row: Record<'_>,
        score: Score,
    ) -> Fallible<String> {
        let answer = self.stated.effective(score);
        let quantity = "Nhat_5T_if_other_LSQ_basin";
        let (published, ours) = (row.maybe(quantity)?, answer.params());
        if let (Some(published), Some(ours)) = (published, ours) {
            sheet.compare((item, quantity), published, ours.0, Check::Relative(VECTORS));
            let fitted = self.fitted.effective(score).params().ok_or("no size in our fit")?;
            let quantity = "the same by our own fit of that basin";
            sheet.compare((item, quantity), published, fitted.0, Check::Relative(OTHER_FIT));
            return Ok(show(ours.0, 9));
        }
        let expected = if published.is_none() && ours.is_none() { "nan" } else { "a number" };
        let answer = outcome(answer);
        sheet.typed((item, quantity), expected, &answer, expected == "nan");
        Ok(format!("{expected} -> {answer}"))
    }
}

fn errors(sheet: &mut Sheet, law: &ScoreLaw) {
    let mut lines = Vec::new();
    for (percent, expected) in ERRORS {
        let (answer, met) = match Score::from_percent(percent).map(|score| law.effective(score)) {
            Ok(answer @ Effective::BelowFloor { .. }) => (outcome(answer), expected == "below"),
            Ok(answer @ (Effective::AboveCeiling { .. } | Effective::BeyondReference { .. })) => {
                (outcome(answer), expected == "above")
            }
            Ok(answer) => (outcome(answer), false),
            Err(refused) => (format!("no score: {refused}"), percent > 100.0),
        };
        let item = format!("S = {percent}");
        sheet.typed((&item, "error expected"), expected, &answer, met);
        lines.push(vec![percent.to_string(), expected.to_owned(), answer]);
    }
    sheet.table(&["S", "expected", "our answer"], &lines);
}

fn forward(sheet: &mut Sheet, published: &Published, laws: &Laws) -> Fallible<()> {
    let mut lines = Vec::new();
    for (size, name) in [(1e9, "1e9"), (1e10, "1e10"), (1e11, "1e11")] {
        if let Ok(figure) = published.figure(&format!("loss of {name}")) {
            lines.push(sheet.figure((&format!("N = {name}"), "loss"), figure, laws.loss(size)?));
        }
        let figure = published.figure(&format!("score of {name}"))?;
        let score = laws.at[1].predict(ParamCount(size)).percent();
        lines.push(sheet.figure((&format!("N = {name}"), "score"), figure, score));
    }
    for (law, (name, _)) in laws.at.iter().zip(TOKENS) {
        let figure = published.figure(&format!("limit {name}"))?;
        let item = format!("D0 = {name}");
        lines.push(sheet.figure(
            (&item, "largest score with a size"),
            figure,
            law.limit().percent(),
        ));
    }
    let (figure, limit) = (published.figure("limit other basin")?, laws.stated.limit().percent());
    let fitted = laws.fitted.limit().percent();
    sheet.gap(
        "79.87 as the largest score of the other basin",
        &format!(
            "Its stated constants give {}, our fit of it {}; no vector lies between.",
            fixed(limit, 3),
            fixed(fitted, 3)
        ),
    );
    lines.push(sheet.figure(("other basin, 5T", "largest score with a size"), figure, limit));
    sheet.table(&FIGURES, &lines);
    Ok(())
}
