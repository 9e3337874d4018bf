//! A fit card as text.

use pycno_density::{FitCard, FitObjective, LossConstants, MinimumCard, Repeated, TaskCard};

use super::constants;
use crate::{table, words};

/// Both cards of a task, and its checks.
pub(super) fn readable(
    card: &TaskCard,
    others: &[LossConstants],
    chosen: Option<&LossConstants>,
) -> String {
    let mut text = String::new();
    if let Some(loss) = &card.loss {
        let held = |error: f64| format!("{:+.2}%", 100.0 * error);
        text += &fit("loss against size and tokens", loss, "nats per token", held);
        text += &loss.repeated.as_ref().map_or_else(String::new, repeated);
        text += &loss_minima(loss, others, chosen);
    }
    let held = |error: f64| format!("{error:+.2} points");
    let title = if card.loss.is_some() { "score against loss" } else { "score against size" };
    text += &fit(title, &card.score, "percent points", held);
    text += &minima(&card.score);
    let check = |(name, error): (&String, &f64)| format!("{name} {error:+.2}");
    let checks: Vec<String> = card.checks.iter().map(check).collect();
    if checks.is_empty() {
        return text;
    }
    let checks = checks.join(", ");
    format!("{text}  Checks, predicted minus observed score, points: {checks}\n")
}

fn fit(title: &str, card: &FitCard, unit: &str, held: impl Fn(f64) -> String) -> String {
    let FitCard { points, clusters, starts, converged, agreeing, .. } = card;
    let unit = if card.objective.is_log() { "relative" } else { unit };
    let held = card.hold_out_error.map_or_else(|| "too few points".to_owned(), held);
    let bounds = match card.bounds_hit.join(", ") {
        none if none.is_empty() => "none".to_owned(),
        hit => hit,
    };
    format!(
        "  Fit of {title}: {} over {points} points in {clusters} clusters\n\
         \x20   starts    {starts}, converged {converged}, agreeing on the best {agreeing}\n\
         \x20   residual  rms {}, largest {} ({unit}); R2 {:.4}; hold-out {held}\n\
         \x20   criteria  AIC {:.1}, BIC {:.1}; condition {:.1e}; gradient {:.1e}\n\
         \x20   bounds    {bounds}\n",
        objective(card.objective),
        words::number(card.residual_rms),
        words::number(card.largest_residual),
        card.r_squared,
        card.aic,
        card.bic,
        card.condition,
        card.gradient,
    )
}

/// What runs of one size and token count say.
fn repeated(of: &Repeated) -> String {
    format!(
        "    repeated  {} inputs; standard deviation of a run {}; R2 {:.4} of the means, at most {:.4} of runs\n",
        of.inputs,
        words::number(of.run_stddev),
        of.r_squared_of_means,
        of.r_squared_limit,
    )
}

const fn objective(objective: FitObjective) -> &'static str {
    match objective {
        FitObjective::HuberLog => "Huber of log residuals",
        FitObjective::Huber => "Huber of residuals",
        FitObjective::SquaresLog => "squares of log residuals",
        FitObjective::Squares => "squares of residuals",
    }
}

/// Minima by their constants: the chosen one's are those of our fit, the others' follow by cost.
fn loss_minima(card: &FitCard, others: &[LossConstants], chosen: Option<&LossConstants>) -> String {
    let mut others = others.iter();
    let constants = card.minima.iter().map(|minimum| {
        let of = if minimum.chosen { chosen } else { others.next() };
        of.map_or_else(Vec::new, constants::of_loss)
    });
    listed(card, &constants.collect::<Vec<_>>())
}

fn minima(card: &FitCard) -> String {
    let parameters = |minimum: &MinimumCard| {
        // Score laws are fitted on shares.
        let named = |(name, value): (&String, &f64)| match name.as_str() {
            "amplitude" | "floor" => (format!("{name}, %"), 100.0 * value),
            _ => (name.clone(), *value),
        };
        minimum.parameters.iter().map(named).collect()
    };
    let parameters: Vec<Vec<(String, f64)>> = card.minima.iter().map(parameters).collect();
    listed(card, &parameters)
}

/// A row per minimum.
fn listed<N: ToString>(card: &FitCard, constants: &[Vec<(N, f64)>]) -> String {
    let mut head = table::row(["minimum", "cost", "starts", "chosen", "close"]);
    head.extend(constants.iter().max_by_key(|of| of.len()).into_iter().flatten().map(name));
    let mut rows = vec![head];
    for (i, (minimum, constants)) in card.minima.iter().zip(constants).enumerate() {
        let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
        let mut row = vec![(i + 1).to_string(), words::number(minimum.cost)];
        row.extend([minimum.starts.to_string(), yes(minimum.chosen), yes(minimum.close)]);
        row.extend(constants.iter().map(|(_, value)| words::number(*value)));
        rows.push(row);
    }
    indented(&table::layout(&rows))
}

fn name<N: ToString>((name, _): &(N, f64)) -> String {
    name.to_string()
}

/// Four spaces before each line.
pub(super) fn indented(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("    {line}\n")).collect();
    lines.concat()
}
