//! `pycno advise score`: which size, how many tokens and how much compute reach a score.

use pycno_density::{
    CheapestRun, DrawnLaw, TARGET_ASSUMPTIONS, cheapest_run, fewest_tokens, loss_needed,
    smallest_size,
};
use pycno_units::{ParamCount, Score, TokenCount};

use super::{
    law::Law,
    quantity::{Amount, Nothing, Quantity, Unit, settled},
};
use crate::{
    args::TargetArguments,
    table,
    verbs::{assumptions, density::evidence, show, show_json},
};

pub(super) fn score(arguments: &TargetArguments) -> anyhow::Result<()> {
    let target = evidence::score("--score", &arguments.score)?;
    let law = Law::new(&arguments.law)?;
    let quantities = planned(arguments, &law.drawn(), target)?;
    if arguments.law.json {
        let mut all = law.document();
        all["score_percent"] = target.percent().into();
        all["asked_tokens"] = arguments.tokens.map(|tokens| tokens.0).into();
        all["asked_params"] = arguments.params.map(|params| params.0).into();
        for quantity in &quantities {
            all[quantity.key] = quantity.document();
        }
        all["assumptions"] = assumptions(&TARGET_ASSUMPTIONS);
        return show_json(&all);
    }
    let shown: Vec<&Amount> = quantities.iter().filter_map(|one| one.found.as_ref().ok()).collect();
    let footer = law.footer(&shown, &TARGET_ASSUMPTIONS);
    show(&format!("{}{footer}", readable(&quantities, law.name(), target)))?;
    Ok(())
}

fn planned(
    arguments: &TargetArguments,
    drawn: &DrawnLaw<'_>,
    target: Score,
) -> anyhow::Result<Vec<Quantity>> {
    let own = drawn.law().tokens();
    let mut quantities = vec![loss(drawn, target)?];
    let name = format!("smallest size at D0, {own} tokens");
    quantities.push(size(drawn, target, own, ("smallest_size_at_d0", name))?);
    if let Some(tokens) = arguments.tokens {
        let name = format!("smallest size at {tokens} tokens");
        quantities.push(size(drawn, target, tokens, ("smallest_size_at_tokens", name))?);
    }
    if let Some(params) = arguments.params {
        quantities.push(tokens(drawn, target, params)?);
    }
    quantities.extend(cheapest(drawn, target)?);
    Ok(quantities)
}

fn loss(drawn: &DrawnLaw<'_>, target: Score) -> anyhow::Result<Quantity> {
    let found = settled(loss_needed(drawn, target))?;
    Ok(Quantity {
        key: "loss",
        name: "loss, nats per token".to_owned(),
        unit: Unit::Nats,
        found: found.map(|loss| Amount::of(&loss, |loss| loss.0)),
    })
}

fn size(
    drawn: &DrawnLaw<'_>,
    target: Score,
    tokens: TokenCount,
    (key, name): (&'static str, String),
) -> anyhow::Result<Quantity> {
    let found = settled(smallest_size(drawn, target, tokens))?;
    let found = found.map(|size| Amount::of(&size.params, |size| size.0).with(size.outside));
    Ok(Quantity { key, name, unit: Unit::Params, found })
}

fn tokens(drawn: &DrawnLaw<'_>, target: Score, params: ParamCount) -> anyhow::Result<Quantity> {
    let found = settled(fewest_tokens(drawn, target, params))?;
    let count = |count: TokenCount| count.0 as f64;
    Ok(Quantity {
        key: "fewest_tokens_at_params",
        name: format!("fewest tokens at size {params}"),
        unit: Unit::Tokens,
        found: found.map(|found| Amount::of(&found.tokens, count).with(found.outside)),
    })
}

fn cheapest(drawn: &DrawnLaw<'_>, target: Score) -> anyhow::Result<[Quantity; 3]> {
    let run = settled(cheapest_run(drawn, target))?;
    let of = |key, part: &str, unit, amount: fn(&CheapestRun) -> Amount| Quantity {
        key,
        name: format!("cheapest run: {part}"),
        unit,
        found: run.as_ref().map(amount).map_err(Nothing::clone),
    };
    let size = |run: &CheapestRun| Amount::of(&run.params, |size| size.0).with(run.outside);
    let count = |run: &CheapestRun| Amount::of(&run.tokens, |count| count.0 as f64);
    let flops = |run: &CheapestRun| Amount::of(&run.flops, |flops| flops.0);
    Ok([
        of("cheapest_run_size", "size", Unit::Params, size),
        of("cheapest_run_tokens", "tokens", Unit::Tokens, count),
        of("cheapest_run_flops", "flops", Unit::Flops, flops),
    ])
}

/// A row per quantity; those that this kind of law does not tell are named below.
fn readable(quantities: &[Quantity], law: &str, target: Score) -> String {
    let of_kind = |quantity: &&Quantity| quantity.found.as_ref().is_err_and(Nothing::is_of_kind);
    let (untold, told): (Vec<_>, Vec<_>) = quantities.iter().partition(of_kind);
    let title = format!("for a score of {target} on {law}");
    let mut rows = vec![table::row([&title, "estimate", "95 % interval", "note"])];
    rows.extend(told.into_iter().map(Quantity::row));
    format!("{}{}", table::layout(&rows), left_out(&untold))
}

fn left_out(untold: &[&Quantity]) -> String {
    if untold.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = untold.iter().map(|quantity| quantity.name.as_str()).collect();
    format!(
        "\nThis law goes from size to score, at one token count and without a loss; it does not \
         tell:\n  {}\n",
        names.join("\n  "),
    )
}
