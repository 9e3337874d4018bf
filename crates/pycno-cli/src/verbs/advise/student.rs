//! `pycno advise student`: how good a student must be to be worth keeping.

use anyhow::Context as _;
use pycno_density::{
    Bar, Binding, DensityError, FromScratch, Interval, Planned, Reach, STUDENT_ASSUMPTIONS,
    Teacher, Worth, worth_keeping,
};
use pycno_units::Score;
use serde_json::{Value, json};

use super::{
    fitted,
    law::Law,
    quantity::{self, Amount, Nothing, Unit, reached},
};
use crate::{
    args::StudentArguments,
    table,
    verbs::{assumptions, density::evidence, show, show_json, trend},
    words,
};

pub(super) fn student(arguments: &StudentArguments) -> anyhow::Result<()> {
    let score = evidence::score("--teacher-score", &arguments.teacher_score)?;
    let law = Law::new(&arguments.law)?;
    let teacher = Teacher { params: arguments.teacher_params, score };
    let size = arguments.student_params;
    let weighed =
        |from_scratch| worth_keeping(&law.drawn(), teacher, size, from_scratch).map(reached);
    let from_scratch = from_scratch(arguments)?;
    let bars = match weighed(from_scratch)? {
        Ok(worth) => {
            Ok(Bars::new(&worth, |density| weighed(FromScratch { density, ..from_scratch }))?)
        }
        Err(nothing) => Err(nothing),
    };
    if arguments.law.json {
        let mut all = law.document();
        all["teacher"] = json!({ "params": teacher.params.0, "score_percent": score.percent() });
        all["student_params"] = size.0.into();
        all["from_scratch_date"] = arguments.at.map(|date| date.to_string()).into();
        all["worth"] = bars.as_ref().map_or_else(Nothing::document, Bars::document);
        all["assumptions"] = assumptions(&STUDENT_ASSUMPTIONS);
        return show_json(&all);
    }
    let (text, shown) = match &bars {
        Ok(bars) => (bars.readable(arguments, teacher, law.name()), bars.shown()),
        Err(nothing) => (none(teacher, nothing), Vec::new()),
    };
    show(&format!("{text}{}", law.footer(&shown, &STUDENT_ASSUMPTIONS)))?;
    Ok(())
}

/// The model from scratch: of the ruler's own family, or of a trend at a date.
fn from_scratch(arguments: &StudentArguments) -> anyhow::Result<FromScratch> {
    let Some((census, at)) = arguments.trend.as_deref().zip(arguments.at) else {
        return Ok(FromScratch::on_ruler());
    };
    FromScratch::on_trend(&fitted(census)?, at).with_context(|| format!("--at {at}"))
}

fn none(teacher: Teacher, nothing: &Nothing) -> String {
    let Teacher { params, score } = teacher;
    format!(
        "A teacher of {params} that scores {score} has no density to exceed: {}.\n",
        nothing.why
    )
}

/// Both bars as quantities.
struct Bars {
    teacher: Row,
    from_scratch: Row,
    /// The from-scratch model's bar at the lower and at the upper end of its density's interval.
    from_scratch_ends: Vec<(&'static str, Row)>,
    reach: Option<Reach>,
    binding: Binding,
    /// Whether the intervals of the two densities leave no doubt about which binds.
    is_certain: bool,
}

/// A bar: the density to exceed, and the least score.
struct Row {
    density: Amount,
    score: Result<Amount, Nothing>,
}

impl Row {
    fn new(bar: &Bar, density: Amount) -> Self {
        let amount = |score: Planned<Score>| Amount::of(&score, Score::percent);
        let score = reached(bar.score).map(|score| amount(score).with(bar.outside));
        Self { density, score }
    }

    fn amounts(&self) -> impl Iterator<Item = &Amount> {
        std::iter::once(&self.density).chain(&self.score)
    }

    fn cells(&self, name: &str, note: String) -> Vec<String> {
        let [density, interval] = self.density.cells(Unit::Density);
        let (scores, flag) = match &self.score {
            Ok(score) => (score.cells(Unit::Percent), score.outside.map(words::extrapolated)),
            Err(nothing) => (["none".to_owned(), String::new()], Some(nothing.why.clone())),
        };
        let [score, ends] = scores;
        let notes: Vec<String> =
            [note].into_iter().chain(flag).filter(|note| !note.is_empty()).collect();
        vec![name.to_owned(), density, interval, score, ends, notes.join("; ")]
    }

    fn document(&self) -> Value {
        json!({
            "density": quantity::document(&Ok(self.density.clone()), Unit::Density),
            "least_score": quantity::document(&self.score, Unit::Percent),
        })
    }
}

impl Bars {
    /// `at` weighs a model from scratch of another density.
    fn new(
        worth: &Worth,
        at: impl Fn(f64) -> Result<Result<Worth, Nothing>, DensityError>,
    ) -> anyhow::Result<Self> {
        let teacher = Amount::of(&worth.teacher_density, |x| x).with(worth.teacher_outside);
        let FromScratch { density: value, low, high, reach } = worth.from_scratch;
        let interval = reach.map(|_| Interval { low, high, level: 0.95, undefined: 0.0 });
        let from_scratch = Amount { value, interval, outside: None };
        let mut from_scratch_ends = Vec::new();
        for (end, density) in [("low", low), ("high", high)] {
            let worth = density.map(&at).transpose()?.and_then(Result::ok);
            from_scratch_ends.extend(worth.map(|worth| {
                let density =
                    Amount { value: worth.from_scratch.density, interval: None, outside: None };
                (end, Row::new(&worth.better_than_from_scratch, density))
            }));
        }
        Ok(Self {
            from_scratch_ends,
            is_certain: are_apart(&teacher, &from_scratch),
            teacher: Row::new(&worth.denser_than_teacher, teacher),
            from_scratch: Row::new(&worth.better_than_from_scratch, from_scratch),
            reach,
            binding: worth.binding,
        })
    }

    fn shown(&self) -> Vec<&Amount> {
        let ends = self.from_scratch_ends.iter().map(|(_, row)| row);
        [&self.teacher, &self.from_scratch].into_iter().chain(ends).flat_map(Row::amounts).collect()
    }

    fn readable(&self, arguments: &StudentArguments, teacher: Teacher, law: &str) -> String {
        let title = format!("a student of {} must beat", arguments.student_params);
        let score = format!("least score on {law}");
        let Teacher { params, score: taught } = teacher;
        let from_scratch =
            arguments.at.map_or("a model from scratch of the ruler's family".to_owned(), |at| {
                format!("a model from scratch of {at}")
            });
        let mut own = self
            .from_scratch
            .cells(&from_scratch, self.reach.map_or_else(String::new, trend::reach));
        if self.from_scratch.density.is_wide() {
            // The interval of this score is that of the ruler at a density that is not shown.
            own[3..].fill(String::new());
            "-".clone_into(&mut own[3]);
            own[5] = self.reach.map_or_else(String::new, trend::reach);
        }
        let head = [&title, "density", "95 % interval", &score, "95 % interval", "note"];
        let mut rows = vec![table::row(head)];
        rows.push(self.teacher.cells(&format!("its teacher: {params}, {taught}"), String::new()));
        rows.push(own);
        rows.extend(
            self.from_scratch_ends
                .iter()
                .map(|(end, row)| row.cells(&format!("  at the {end} end of that"), String::new())),
        );
        format!("{}\n{}\n", table::layout(&rows), self.verdict())
    }

    fn verdict(&self) -> String {
        let which = match self.binding {
            Binding::Teacher => "The teacher's density is the higher bar",
            Binding::FromScratch => "The from-scratch model's density is the higher bar",
        };
        let sure = if self.is_certain {
            ", whatever the densities within their intervals."
        } else {
            ", but the intervals of the densities overlap: either may bind."
        };
        format!("{which}{sure}")
    }

    fn document(&self) -> Value {
        let ends = self.from_scratch_ends.iter().map(|(end, row)| {
            let mut document = row.document();
            document["of"] = (*end).into();
            document
        });
        json!({
            "answer": "reached",
            "denser_than_teacher": self.teacher.document(),
            "better_than_from_scratch": self.from_scratch.document(),
            "from_scratch_ends": ends.collect::<Value>(),
            "from_scratch_reach": self.reach.map(|reach| trend::reach_document(reach).0),
            "from_scratch_reach_days": self.reach.map(|reach| trend::reach_document(reach).1),
            "binding": if self.binding == Binding::Teacher { "teacher" } else { "from-scratch" },
            "is_certain": self.is_certain,
        })
    }
}

/// Whether the intervals of two densities have no value in common.
fn are_apart(one: &Amount, other: &Amount) -> bool {
    let ends = |of: &Amount| {
        let low = of.interval.map_or(of.value, |ends| ends.low.unwrap_or(0.0));
        let high = of.interval.map_or(of.value, |ends| ends.high.unwrap_or(f64::INFINITY));
        (low, high)
    };
    let ((low, high), (lower, higher)) = (ends(one), ends(other));
    high < lower || higher < low
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(low: Option<f64>, high: Option<f64>) -> Amount {
        let interval = Interval { low, high, level: 0.95, undefined: 0.0 };
        Amount { value: 2.0, interval: Some(interval), outside: None }
    }

    #[test]
    fn a_bar_binds_for_sure_where_the_densities_are_apart() {
        let one = Amount { value: 1.0, interval: None, outside: None };
        let check = |low, high, expect| assert_eq!(are_apart(&amount(low, high), &one), expect);
        check(Some(1.5), Some(3.0), true);
        check(Some(1.5), None, true);
        check(Some(0.9), Some(3.0), false);
        check(None, Some(3.0), false);
        check(Some(0.1), Some(0.9), true);
    }
}
