//! The table: density at a model's own token count, where it should be 1, and at the ruler's, where the law
//! says what it should be.

use std::error::Error;

use pycno_density::{
    Density, Evidence, ReferenceModel, Ruler, RulerDraws, ScoreError, Subject, TaskScore,
    reference_models,
};
use pycno_units::{ParamCount, Seed, TokenCount};

/// Tasks whose mean is weighed.
const TASKS: [&str; 4] =
    ["lab_facts", "lab_tracking_steps", "lab_arithmetic_steps", "lab_programs_steps"];
/// Items of each.
const ITEMS: u64 = 600;
const DRAWS: usize = 1000;
const HEAD: &str = "\
# Models the ruler has not seen

Written by `cargo run --release -p pycno-density --example lab_check` from `check.csv`; edits are lost, and a test compares.

{LAW}The mean of four tasks. A model of the ladder's recipe should weigh 1 when the ruler is read at the model's own tokens; read at
the ruler's own D0 it should weigh what the law gives its size and tokens (expected). Intervals are 95 %: items and reference runs.

| model | non-embedding | tokens | mean score | density at its own tokens | 1 inside | density at D0 | expected at D0 | inside |
|---|---|---|---|---|---|---|---|---|
";

/// The page for a ruler and a table of runs.
pub(crate) fn page(ruler: &str, table: &str) -> Result<String, Box<dyn Error>> {
    let ruler = Ruler::parse(ruler)?;
    let at_d0 = RulerDraws::new(&ruler, &TASKS, Seed(0), DRAWS)?;
    let card = ruler.mean_law(&TASKS)?.card;
    let loss = card.loss.ok_or("the ruler has no law of loss")?;
    let held = loss.hold_out_error.ok_or("too few sizes to hold one out")?;
    let law = format!(
        "Law of the mean: loss against size and tokens R2 {:.4}, rms {:.3} nats, largest size held out \
         {:+.1} %; score against loss {:.2} points rms.\n\n",
        loss.r_squared,
        loss.residual_rms,
        100.0 * held,
        card.score.residual_rms,
    );
    let mut page = HEAD.replace("{LAW}", &law);
    let models = reference_models(table)?;
    let mut inside = [0; 2];
    for model in &models {
        let row = Row::of(&ruler, &at_d0, model)?;
        inside[0] += usize::from(holds(&row.own, 1.0) == Some(true));
        inside[1] += usize::from(holds(&row.at_d0, row.expected) == Some(true));
        page += &row.line(&model.name);
    }
    let n = models.len();
    let [own, at_d0] = inside;
    let sum = format!("1 lies inside for {own} of {n}, the expected density for {at_d0} of {n}.");
    Ok(format!("{page}\n{sum}\n"))
}

/// What is found of one model.
struct Row {
    params: ParamCount,
    tokens: TokenCount,
    score: f64,
    own: Density,
    at_d0: Density,
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
            score: own.overall.score.percent(),
            own: own.overall.density,
            at_d0: at_d0.weigh(&subject)?.overall.density,
            expected: effective.0 / params.0,
        })
    }

    fn line(&self, name: &str) -> String {
        let Self { params, tokens, score, own, at_d0, expected } = self;
        let yes = |is: Option<bool>| is.map_or("open", |is| if is { "yes" } else { "no" });
        format!(
            "| {name} | {params} | {tokens} | {score:.1} | {} | {} | {} | {expected:.2} | {} |\n",
            shown(own),
            yes(holds(own, 1.0)),
            shown(at_d0),
            yes(holds(at_d0, *expected)),
        )
    }
}

fn subject(model: &ReferenceModel, params: ParamCount) -> Result<Subject, Box<dyn Error>> {
    let evidence = |task: &str| {
        let score = model.scores.get(task).copied().ok_or("a task without a score")?;
        let error = ScoreError::Items(ITEMS);
        Ok::<_, Box<dyn Error>>(Evidence::Score(TaskScore { task: task.to_owned(), score, error }))
    };
    let tasks = TASKS.into_iter().map(evidence).collect::<Result<_, _>>()?;
    Ok(Subject { name: model.name.clone(), params, tasks })
}

/// Whether an interval holds a value; `None` where an end is open, which says nothing.
fn holds(density: &Density, value: f64) -> Option<bool> {
    let (low, high) = (density.interval.low?, density.interval.high?);
    Some(low <= value && value <= high)
}

fn shown(density: &Density) -> String {
    let end = |end: Option<f64>| end.map_or_else(|| "open".to_owned(), |x| format!("{x:.2}"));
    let interval = density.interval;
    let middle = density.density.map_or_else(|| "none".to_owned(), |x| format!("{x:.2}"));
    format!("{middle} [{}, {}]", end(interval.low), end(interval.high))
}
