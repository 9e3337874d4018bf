//! A made-up ladder on known laws, for tests that need to know the truth.

use pycno_density::{
    Convention, DirectRecipe, Family, Recipe, ReferenceModel, Ruler, RulerSpec, TaskSpec,
};
use pycno_units::{ParamCount, Score, TokenCount};
use rand::{SeedableRng as _, rngs::Xoshiro256PlusPlus};
use rand_distr::{Distribution as _, StandardNormal};

/// Tasks of the ladder and their chance levels.
pub(crate) const TASKS: [(&str, f64); 2] = [("cloze", 0.0), ("choice", 25.0)];
const LN_SIZES: [f64; 8] = [16.8, 18.3, 19.5, 20.5, 20.9, 21.6, 22.6, 23.2];

/// Percent on the known law of a task.
pub(crate) fn truth(floor: f64, ln_size: f64) -> f64 {
    floor + (80.0 - floor) / (1.0 + (-0.6 * (ln_size - 19.0)).exp())
}

pub(crate) fn normal(rng: &mut Xoshiro256PlusPlus) -> f64 {
    StandardNormal.sample(rng)
}

pub(crate) fn percent(value: f64) -> Score {
    Score::from_percent(value).unwrap()
}

pub(crate) fn family(tokens: u64) -> Family {
    Family {
        name: "lab".to_owned(),
        convention: Convention::NonEmbedding,
        tokens: TokenCount(tokens),
        source: "made up".to_owned(),
        license: "none".to_owned(),
    }
}

pub(crate) fn task(name: &str, recipe: Recipe) -> TaskSpec {
    let (name, metric) = (name.to_owned(), "acc".to_owned());
    TaskSpec { name, metric, mean_of: Vec::new(), recipe, published: None }
}

/// A ladder of 8 sizes x 2 runs on known laws, with run effects of this deviation.
pub(crate) fn ruler(deviation: f64, seed: u64) -> Ruler {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut model = |i: usize| {
        let ln_size = LN_SIZES[i / 2];
        let score = |(name, floor): (&str, f64)| {
            (name.to_owned(), percent(truth(floor, ln_size) + deviation * normal(&mut rng)))
        };
        let scores = TASKS.into_iter().map(score).collect();
        let params = Some(ParamCount(ln_size.exp()));
        let (name, suite) = (format!("m{i}"), "lab".to_owned());
        ReferenceModel { name, suite, params, scores, ..ReferenceModel::default() }
    };
    let models = (0..16).map(&mut model).collect();
    let of = |(name, floor): (&str, f64)| {
        let suites = vec!["lab".to_owned()];
        task(name, Recipe::Direct(DirectRecipe { floor: percent(floor), ceiling: None, suites }))
    };
    Ruler::fit(RulerSpec { family: family(1), tasks: TASKS.map(of).to_vec(), models }).unwrap()
}
