//! Section 1b: how much the difference between drawn and refitted constants matters.
//!
//! The squared error has a long flat valley: along it the four constants of equation 2 move
//! together and the law on the points hardly changes.

use pycno_density::{Constants, LossConstants, LossPoint, ReferenceRange, ScoreLaw, fit_loss};
use pycno_units::{NatsPerToken, ParamCount, Score, TokenCount};

use super::{
    Fallible,
    constants::{AGREES, Refit, options, values},
    sheet::{Sheet, largest, percent, share, show},
};

/// Half the last digit of the points as read.
const ROUNDING: f64 = 5e-6;
/// Sets of points moved within that.
const SETS: u32 = 12;
/// Steps along the line between drawn and refitted constants.
const STEPS: u32 = 10;
/// Scores at which effective sizes are compared.
const SCORES: [f64; 3] = [30.0, 50.0, 70.0];
/// Tokens of the reference models.
const TOKENS: TokenCount = TokenCount(5_000_000_000_000);

/// What is known of one row's valley.
struct Valley {
    constants: f64,
    squares: f64,
    along: f64,
    loss: f64,
    sizes: [f64; 3],
    rounding: f64,
}

/// Writes the section.
pub(crate) fn section(sheet: &mut Sheet, refits: &[Refit<'_>]) -> Fallible<()> {
    sheet.begin("1b The flat valley");
    sheet.say(
        "*constants*: largest difference, drawn against refitted. *SSE*: drawn over optimum, minus \
         1, and the largest on the straight line between the two (in ln a, alpha, ln b, beta). \
         *loss*: largest change of the law on the 33 runs, against how far the recovered constants \
         miss the drawn curve. *N_hat*: refitted over drawn at D0 = 5e12, by the row's own sigmoid. \
         *rounding*: largest change of a refitted constant in 12 sets of points, each moved by up \
         to half its last digit (5e-6).",
    );
    let mut lines = Vec::new();
    for refit in refits {
        let valley = Valley::of(refit)?;
        lines.push(valley.line(sheet, refit)?);
        if valley.constants > AGREES {
            valley.gap(sheet, refit);
        }
    }
    let head = [
        "row",
        "constants",
        "SSE drawn",
        "SSE between",
        "loss, nats",
        "curve missed by",
        "N_hat, S = 30",
        "50",
        "70",
        "rounding",
    ];
    sheet.table(&head, &lines);
    Ok(())
}

impl Valley {
    fn of(refit: &Refit<'_>) -> Fallible<Self> {
        let (drawn, ours) = (&refit.drawn, &refit.loss.constants);
        let best = refit.squares(ours);
        let excess = |law: &LossConstants| refit.squares(law) / best - 1.0;
        let at = |step| excess(&between(drawn, ours, f64::from(step) / f64::from(STEPS)));
        let change = |p: &LossPoint| ours.loss(p.run).0 - drawn.loss(p.run).0;
        Ok(Self {
            constants: largest(refit.differences()),
            squares: excess(drawn),
            along: largest((0..=STEPS).map(at)),
            loss: largest(refit.points.iter().map(change)),
            sizes: sizes(refit)?,
            rounding: rounding(refit)?,
        })
    }

    fn line(&self, sheet: &mut Sheet, refit: &Refit<'_>) -> Fallible<Vec<String>> {
        let missed = refit.row.maybe("max_abs_residual_vs_drawn_loss_curve_nats")?;
        let entries = [
            ("largest difference of a loss constant", self.constants),
            ("SSE of the drawn constants over ours, minus 1", self.squares),
            ("largest SSE between them over ours, minus 1", self.along),
            ("largest change of the loss on the 33 runs, nats", self.loss),
            ("largest change of a constant by rounding", self.rounding),
        ];
        for (quantity, value) in entries {
            sheet.ours((refit.name, quantity), rounded(value));
        }
        for (score, change) in SCORES.iter().zip(self.sizes) {
            let quantity = format!("N_hat refitted over drawn, minus 1, S = {score}");
            sheet.ours((refit.name, &quantity), rounded(change));
        }
        let mut cells = vec![refit.name.to_owned(), share(self.constants, 3)];
        cells.extend([self.squares, self.along, self.loss].map(|x| format!("{x:.1e}")));
        cells.push(missed.map_or_else(String::new, |x| format!("{x:.1e}")));
        cells.extend(self.sizes.map(|change| percent(change, 3)));
        cells.push(share(self.rounding, 3));
        Ok(cells)
    }

    fn gap(&self, sheet: &mut Sheet, refit: &Refit<'_>) {
        let [a, alpha, b, beta] = refit.differences().map(|difference| percent(difference, 2));
        let what = format!("Loss constants of {} within 0.1 %", refit.name);
        let most = share(largest(self.sizes), 1);
        sheet.gap(
            &what,
            &format!(
                "Our refit differs by {a} (a), {alpha} (alpha), {b} (b), {beta} (beta); another \
                 program's refit ends where ours does. The valley is flat: the drawn constants' SSE \
                 is only {:.1e} above the optimum, and the loss on the 33 runs moves by at most \
                 {:.1e} nats; N_hat at D0 = 5e12, far from the runs, moves by up to {most}. Points \
                 rounded to 1e-5 move our constants by {} at most, so that is not the reason. What \
                 is, is not known.",
                self.squares,
                self.loss,
                share(self.rounding, 3),
            ),
        );
    }
}

/// Three digits: what these measures are good for.
fn rounded(value: f64) -> f64 {
    show(value, 3).parse().unwrap_or(value)
}

fn between(from: &LossConstants, to: &LossConstants, share: f64) -> LossConstants {
    let mix = |from: f64, to: f64| from + share * (to - from);
    LossConstants {
        a: mix(from.a.ln(), to.a.ln()).exp(),
        alpha: mix(from.alpha, to.alpha),
        b: mix(from.b.ln(), to.b.ln()).exp(),
        beta: mix(from.beta, to.beta),
        irreducible: None,
    }
}

/// Refitted over drawn effective sizes, minus 1.
fn sizes(refit: &Refit<'_>) -> Fallible<[f64; 3]> {
    let range =
        ReferenceRange { smallest: ParamCount(5_247_232.0), largest: ParamCount(828_225_024.0) };
    let law = |loss| {
        let constants = Constants::TwoStep { loss, score: refit.sigmoid };
        ScoreLaw::new(constants, TOKENS, range)
    };
    let (drawn, ours) = (law(refit.drawn)?, law(refit.loss.constants)?);
    let mut found = [0.0; 3];
    for (change, percent) in found.iter_mut().zip(SCORES) {
        let score = Score::from_percent(percent)?;
        let size = |law: &ScoreLaw| law.effective(score).params().ok_or("a score without a size");
        *change = size(&ours)?.0 / size(&drawn)?.0 - 1.0;
    }
    Ok(found)
}

/// Largest relative change of a constant over refits of points moved within their last digit.
fn rounding(refit: &Refit<'_>) -> Fallible<f64> {
    let ours = values(&refit.loss.constants);
    let mut most = 0.0f64;
    for set in 0..SETS {
        let moved: Vec<LossPoint> = refit
            .points
            .iter()
            .zip(0u32..)
            .map(|(p, i)| {
                let shift = ROUNDING * f64::from(set * 1000 + i).powi(2).sin();
                LossPoint { loss: NatsPerToken(p.loss.0 + shift), ..*p }
            })
            .collect();
        let fitted = values(&fit_loss(&moved, options())?.constants);
        most = most.max(largest((0..4).map(|i| fitted[i] / ours[i] - 1.0)));
    }
    Ok(most)
}
