//! A made-up but plausible study for the tests: a 135M teacher, two ways to cut it, both recovered.

use std::collections::BTreeMap;

use pycno_density::{Comparison, Density, Effective, Interval, Verdict};
use pycno_record::{
    DataUse, ModelRecord, ModelRole, ModelSizes, ModelStep, Named, Provenance, Record, Remains,
    RulerCurve, RulerUse, StudyHead, TaskScore, TrainingCurve, TrainingStep, Weighing,
};
use pycno_units::{BitsPerByte, Bytes, NatsPerToken, ParamCount, Score, Seed, TokenCount};

/// Tasks with floor, items scored and items there are.
const TASKS: [(&str, f64, usize, usize); 3] =
    [("arc_easy", 25.0, 2376, 2376), ("blimp", 50.0, 1000, 67_000), ("lambada", 0.0, 1000, 5153)];

/// Millions of parameters, and scores, of the reference models.
const REFERENCE: [(f64, f64); 6] =
    [(4.7, 33.5), (19.0, 40.9), (85.0, 48.1), (302.0, 55.9), (805.0, 58.8), (1208.0, 60.8)];

/// What varies between the models of the fixture.
struct Made {
    name: &'static str,
    from: Option<&'static str>,
    /// Criterion, kind of part and how many stay.
    pruned: Option<(&'static str, &'static str, usize)>,
    millions: f64,
    bytes: u64,
    layers: usize,
    scores: [f64; 3],
    effective: Option<f64>,
    range: [Option<f64>; 2],
    ratio: [Option<f64>; 3],
    losses: Option<[f64; 2]>,
}

const MADE: [Made; 5] = [
    Made {
        name: "smol-135m",
        from: None,
        pruned: None,
        millions: 106.2,
        bytes: 269_030_016,
        layers: 30,
        scores: [58.4, 79.6, 38.1],
        effective: Some(681.0),
        range: [Some(4.7), Some(9.0)],
        ratio: [None; 3],
        losses: None,
    },
    Made {
        name: "depth-22",
        from: None,
        pruned: Some(("block-influence", "layers", 22)),
        millions: 77.9,
        bytes: 212_400_128,
        layers: 22,
        scores: [25.6, 52.1, 0.4],
        effective: None,
        range: [None, Some(0.035)],
        ratio: [None, None, Some(0.0062)],
        losses: None,
    },
    Made {
        name: "depth-22-recovered",
        from: Some("depth-22"),
        pruned: Some(("block-influence", "layers", 22)),
        millions: 77.9,
        bytes: 212_400_128,
        layers: 22,
        scores: [46.9, 72.8, 24.0],
        effective: Some(74.7),
        range: [Some(0.68), Some(1.31)],
        ratio: [Some(0.15), Some(0.113), Some(0.197)],
        losses: Some([3.9, 0.74]),
    },
    Made {
        name: "width-1024",
        from: None,
        pruned: Some(("minitron", "ffn", 1024)),
        millions: 84.9,
        bytes: 226_400_256,
        layers: 30,
        scores: [28.2, 58.3, 3.1],
        effective: Some(0.72),
        range: [None, Some(0.031)],
        ratio: [Some(0.00132), None, Some(0.0047)],
        losses: None,
    },
    Made {
        name: "width-1024-recovered",
        from: Some("width-1024"),
        pruned: Some(("minitron", "ffn", 1024)),
        millions: 84.9,
        bytes: 226_400_256,
        layers: 30,
        scores: [55.9, 78.0, 35.5],
        effective: Some(387.0),
        range: [Some(3.2), Some(6.5)],
        ratio: [Some(0.71), Some(0.52), Some(1.02)],
        losses: Some([2.6, 0.31]),
    },
];

impl Made {
    fn steps(&self) -> Vec<ModelStep> {
        let named = |name: &str| Named { name: name.to_owned(), options: BTreeMap::new() };
        let pruned = self.pruned.map(|(criterion, part, keep)| ModelStep::Pruned {
            criterion: named(criterion),
            structure: BTreeMap::from([(part.to_owned(), Remains::Keep(keep))]),
            allocation: "uniform".to_owned(),
            update: "none".to_owned(),
        });
        let trained = self.losses.map(|_| ModelStep::Trained {
            objective: named("forward-kl"),
            tokens: TokenCount(20_000_000),
            from_scratch: false,
        });
        let loaded = ModelStep::Loaded { source: "hub".to_owned() };
        std::iter::once(loaded).chain(pruned).chain(trained).collect()
    }
}

/// The made-up study.
pub(crate) fn record() -> Record {
    Record {
        format: pycno_record::FORMAT,
        study: StudyHead {
            name: "depth-or-width".to_owned(),
            question:
                "At equal size, does dropping layers or thinning the MLPs cost less density, \
                       and how much does distillation bring back?"
                    .to_owned(),
            seed: Seed(17),
        },
        provenance: Provenance {
            pycno: "0.1.0".to_owned(),
            commit: "4f0c2d9b7a61".to_owned(),
            dirty: true,
            burn: "0.22.1".to_owned(),
            device: "flex, 2 threads".to_owned(),
            dtype: "f32".to_owned(),
            vector_extension: "avx2".to_owned(),
            gpu: None,
            config_hash: hash("config"),
            config: "[study]\nname = \"depth-or-width\"\nseed = 17\n\n[[student]]\nname = \
                     \"depth-22\"\nprune = { criterion = \"block-influence\", structure = \"layers\", keep = 22 }\n"
                .to_owned(),
            command: "pycno run experiments/depth-or-width/study.toml".to_owned(),
        },
        data: vec![
            text("calibration", "wikitext-103 train", 128, 32_768),
            text("train", "stories, first 100 MB", 78_125, 20_000_000),
            text("arc_easy", "tasks/arc_easy.jsonl", 2376, 91_204),
        ],
        ruler: ruler(),
        models: MADE.iter().map(model).collect(),
    }
}

fn hash(name: &str) -> String {
    format!("{:064x}", u128::from(Seed(1).split(name).0) << 60)
}

fn text(role: &str, source: &str, count: usize, tokens: u64) -> DataUse {
    DataUse {
        role: role.to_owned(),
        source: source.to_owned(),
        sha256: hash(source),
        count,
        tokens: (tokens > 0).then_some(TokenCount(tokens)),
    }
}

fn percent(value: f64) -> Score {
    Score::from_percent(value).unwrap()
}

fn ruler() -> RulerUse {
    let point = |(millions, score): (f64, f64)| (ParamCount(millions * 1e6), percent(score));
    let sample = |i: i32| {
        let millions = 0.4 * 1.27f64.powi(i);
        (millions, 27.6 + 38.0 / (1.0 + (60.0 / millions).powf(0.62)))
    };
    let curve = |floor| RulerCurve {
        points: REFERENCE.map(point).to_vec(),
        law: (0..36).map(sample).map(point).collect(),
        floor: percent(floor),
        ceiling: percent(100.0),
        residual: 0.63,
    };
    let mut curves: BTreeMap<_, _> =
        TASKS.iter().map(|(task, floor, ..)| ((*task).to_owned(), curve(*floor))).collect();
    curves.insert("mean".to_owned(), curve(27.6));
    RulerUse {
        name: "pythia".to_owned(),
        hash: hash("ruler"),
        source: "public zero-shot evaluations of the Pythia family, last checkpoints".to_owned(),
        curves,
    }
}

fn model(made: &Made) -> ModelRecord {
    let size = ParamCount(made.millions * 1e6);
    let is_teacher = made.layers == 30 && made.losses.is_none() && made.ratio == [None; 3];
    ModelRecord {
        name: made.name.to_owned(),
        role: if is_teacher { ModelRole::Teacher } else { ModelRole::Student },
        from: made.from.map(str::to_owned),
        steps: made.steps(),
        sizes: ModelSizes {
            total: ParamCount(size.0 + 28.3e6),
            non_embedding: size,
            non_zero: size,
            n_layers: made.layers,
            bytes: Bytes(made.bytes),
        },
        weights_hash: hash(made.name),
        tasks: TASKS
            .iter()
            .zip(made.scores)
            .map(|(task, score)| scored(made, task, score))
            .collect(),
        training: made.losses.map(training),
        weighing: weighing(made, is_teacher),
    }
}

fn scored(made: &Made, (task, _, n, all): &(&str, f64, usize, usize), score: f64) -> TaskScore {
    TaskScore {
        task: (*task).to_owned(),
        version: 1,
        metric: "acc".to_owned(),
        n: *n,
        n_available: *all,
        score: Some(percent(score)),
        stderr: Some((score * (100.0 - score) / *n as f64).sqrt()),
        also: if *task == "arc_easy" {
            BTreeMap::from([("acc_norm".to_owned(), score - 2.5)])
        } else {
            BTreeMap::new()
        },
        gold_loss: NatsPerToken(5.2 - score / 20.0),
        gold_bits: BitsPerByte(1.9 - score / 80.0),
        items_hash: hash(&format!("{} {task}", made.name)),
        prompts_hash: hash(task),
    }
}

fn weighing(made: &Made, is_teacher: bool) -> Weighing {
    let mean = made.scores.iter().sum::<f64>() / 3.0;
    let share = made.range[0].map_or(0.31, |_| 0.0);
    let interval =
        |[low, high]: [Option<f64>; 2]| Interval { low, high, level: 0.95, undefined: share };
    let overall = density(made, interval(made.range));
    let against = Comparison {
        ratio: made.ratio[0],
        interval: interval([made.ratio[1], made.ratio[2]]),
        over_runs: Some(wider(interval([made.ratio[1], made.ratio[2]]))),
        verdict: match made.ratio[2] {
            Some(high) if high < 1.0 => Verdict::Lowered,
            _ => Verdict::Undecided,
        },
    };
    let by_task = TASKS.map(|(task, ..)| (task.to_owned(), overall));
    let by_task_against = TASKS.map(|(task, ..)| (task.to_owned(), against));
    Weighing {
        mean_score: percent(mean),
        overall,
        by_task: by_task.into(),
        against_teacher: (!is_teacher).then_some(against),
        by_task_against_teacher: if is_teacher { BTreeMap::new() } else { by_task_against.into() },
    }
}

/// The same interval with run-to-run variance in it.
fn wider(of: Interval) -> Interval {
    Interval { low: of.low.map(|low| 0.8 * low), high: of.high.map(|high| 1.25 * high), ..of }
}

fn density(made: &Made, interval: Interval) -> Density {
    let effective = match made.effective {
        None => Effective::BelowFloor { floor: percent(27.6) },
        Some(size) if size < 2.35 => {
            Effective::Extrapolated { params: ParamCount(size * 1e6), factor: size / 4.7 }
        }
        Some(size) => Effective::Inside { params: ParamCount(size * 1e6) },
    };
    Density {
        effective,
        density: made.effective.map(|size| size / made.millions),
        interval,
        over_runs: Some(wider(interval)),
        sensitivity: made.effective.map(|_| 0.12),
    }
}

fn training([first, last]: [f64; 2]) -> TrainingCurve {
    let step = |step: u64| {
        let wobble = (step as f64 * 12.9898).sin() * 0.12 * last;
        TrainingStep {
            step,
            tokens: TokenCount(step * 16_384),
            loss: last + (first - last) * (-(step as f64) / 140.0).exp() + wobble,
            learning_rate: 3e-4,
            gradient_norm: 1.0,
            skipped: false,
        }
    };
    TrainingCurve {
        objective: "forward-kl".to_owned(),
        tokens: TokenCount(20_004_864),
        steps: (1..=1221).map(step).collect(),
    }
}
