//! The table: density at a model's own token count, where it should be 1, and at the ruler's, where the law
//! says what it should be.

use std::error::Error;

use pycno_density::{
    Evidence, Interval, ReferenceModel, Ruler, RulerDraws, ScoreError, ScoreSummary, Subject,
    Weight, reference_models,
};
use pycno_units::{ParamCount, Seed, TokenCount};

/// Tasks whose mean is weighed.
const TASKS: [&str; 4] =
    ["lab_facts_steps", "lab_tracking_steps", "lab_arithmetic_steps", "lab_programs_steps"];
/// Items of each.
const ITEMS: u64 = 600;
const DRAWS: usize = 1000;
const HEAD: &str = "\
# Models the ruler has not seen

Written by `cargo run --release -p pycno-density --example lab_check` from `check.csv`; edits are lost, and a test compares.

{LAW}The mean of four tasks. A model of the ladder's recipe should weigh 1 when the ruler is read at the model's own tokens; read at
the ruler's own D0 it should weigh what the law gives its size and tokens (expected). Intervals are 95 %: first that of this one model
(items and reference runs), then its prediction interval over runs (run-to-run variance besides), which should hold 1, or what is expected.

| model | non-embedding | tokens | mean score | density at its own tokens | over runs | 1 inside | density at D0 | over runs | expected | inside |
|---|---|---|---|---|---|---|---|---|---|---|
";

/// The page for a ruler and a table of runs.
pub(crate) fn page(ruler: &str, table: &str) -> Result<String, Box<dyn Error>> {
    let ruler = Ruler::parse(ruler)?;
    let at_d0 = RulerDraws::new(&ruler, &TASKS, Seed(0), DRAWS)?;
    let card = ruler.mean_law(&TASKS)?.card;
    let loss = card.loss.ok_or("the ruler has no law of loss")?;
    let held = loss.hold_out_error.ok_or("too few sizes to hold one out")?;
    let repeated = loss.repeated.ok_or("no size and token count has two runs")?;
    let law = format!(
        "Law of the mean: loss against size and tokens R2 {:.4} of runs (at most {:.4}, by run-to-run variance) and \
         {:.4} of the means of runs alike, rms {:.3} {}, standard deviation of a run {:.3}; largest size held out {:+.1} %; score against loss {:.2} \
         points rms.\n\n",
        loss.r_squared,
        repeated.r_squared_limit,
        repeated.r_squared_of_means,
        loss.residual_rms,
        if loss.objective.is_log() { "relative" } else { "nats per token" },
        repeated.run_stddev,
        100.0 * held,
        card.score.residual_rms,
    );
    let mut page = HEAD.replace("{LAW}", &law);
    let models = reference_models(table)?;
    let rows = models.iter().map(|model| Row::of(&ruler, &at_d0, model));
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    page.extend(rows.iter().zip(&models).map(|(row, model)| row.line(&model.name)));
    Ok(format!("{page}\n{}\n", summary(&rows)))
}

/// How many intervals hold what they should.
fn summary(rows: &[Row]) -> String {
    let n = rows.len();
    let count = |holds: &dyn Fn(&Row) -> Option<bool>| {
        rows.iter().filter(|row| holds(row) == Some(true)).count()
    };
    format!(
        "Prediction intervals over runs hold 1 for {} of {n} and the expected density at D0 for {} of {n}; those of the one model, \
         which leave out run-to-run variance, for {} and {}.",
        count(&|row| holds(row.own.density.over_runs, 1.0)),
        count(&|row| holds(row.at_d0.density.over_runs, row.expected)),
        count(&|row| holds(Some(row.own.density.interval), 1.0)),
        count(&|row| holds(Some(row.at_d0.density.interval), row.expected)),
    )
}

/// What is found of one model.
struct Row {
    params: ParamCount,
    tokens: TokenCount,
    own: Weight,
    at_d0: Weight,
    expected: f64,
}

impl Row {
    fn of(
        ruler: &Ruler,
        at_d0: &RulerDraws,
        model: &ReferenceModel,
    ) -> Result<Self, Box<dyn Error>> {
        let params = model.params.ok_or("a model without params")?;
        let tokens = model.tokens.ok_or("a model without tokens")?;
        let subject = subject(model, params)?;
        let own_ruler = ruler.at_tokens(tokens)?;
        let own = RulerDraws::new(&own_ruler, &TASKS, Seed(0), DRAWS)?.weigh(&subject)?;
        let by_law = own_ruler.mean_law(&TASKS)?.law.predict(params);
        let effective = ruler.mean_law(&TASKS)?.law.effective(by_law);
        let effective = effective.params().ok_or("the law has no size at D0")?;
        Ok(Self {
            params,
            tokens,
            own: own.overall,
            at_d0: at_d0.weigh(&subject)?.overall,
            expected: effective.0 / params.0,
        })
    }

    fn line(&self, name: &str) -> String {
        let Self { params, tokens, own, at_d0, expected } = self;
        let yes = |is: Option<bool>| is.map_or("open", |is| if is { "yes" } else { "no" });
        let (own_runs, runs) = (own.density.over_runs, at_d0.density.over_runs);
        format!(
            "| {name} | {params} | {tokens} | {:.1} | {} | {} | {} | {} | {} | {expected:.2} | {} |\n",
            own.score.percent(),
            weight(own),
            ends(own_runs),
            yes(holds(own_runs, 1.0)),
            weight(at_d0),
            ends(runs),
            yes(holds(runs, *expected)),
        )
    }
}

fn subject(model: &ReferenceModel, params: ParamCount) -> Result<Subject, Box<dyn Error>> {
    let evidence = |task: &str| {
        let score = model.scores.get(task).copied().ok_or("a task without a score")?;
        let error = ScoreError::Items(ITEMS);
        Ok::<_, Box<dyn Error>>(Evidence::Score(ScoreSummary {
            task: task.to_owned(),
            score,
            error,
        }))
    };
    let tasks = TASKS.into_iter().map(evidence).collect::<Result<_, _>>()?;
    Ok(Subject { name: model.name.clone(), params, tasks })
}

/// Whether an interval holds a value; `None` where an end is open, which says nothing.
fn holds(interval: Option<Interval>, value: f64) -> Option<bool> {
    let interval = interval?;
    Some(interval.low? <= value && value <= interval.high?)
}

fn weight(weight: &Weight) -> String {
    let density = weight.density;
    let middle = density.density.map_or_else(|| "none".to_owned(), |x| format!("{x:.2}"));
    format!("{middle} {}", ends(Some(density.interval)))
}

fn ends(interval: Option<Interval>) -> String {
    let end = |end: Option<f64>| end.map_or_else(|| "open".to_owned(), |x| format!("{x:.2}"));
    interval.map_or_else(String::new, |of| format!("[{}, {}]", end(of.low), end(of.high)))
}
