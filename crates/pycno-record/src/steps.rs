//! How a model came to be, step by step, as data; the words for people are made here and nowhere else.

use std::{collections::BTreeMap, fmt};

use pycno_units::{Seed, TokenCount};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Digits of a plan's hash that people are shown.
const PLAN_DIGITS: usize = 8;

/// One step from a file or from nothing to a model.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "step", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ModelStep {
    /// Read from a source.
    Loaded {
        /// As the study names it.
        source: String,
    },
    /// First weights of its own.
    FromScratch {
        /// The model whose shape it has.
        shape_of: String,
        /// What the weights were drawn by.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seed: Option<Seed>,
    },
    /// Parts or single weights removed.
    Pruned {
        /// Who said which.
        criterion: Named,
        /// What left: by kind of part how many stay of each layer, or which share goes.
        structure: BTreeMap<String, Remains>,
        /// How much where: `uniform`, `global`.
        allocation: String,
        /// What the weights that stay did: `none`.
        update: String,
    },
    /// Pruned as a plan says that was decided before, of this model or of another of its shape.
    Replayed {
        /// BLAKE3 of the plan.
        plan: String,
        /// The prunings it was decided by, in a few words each; empty for a plan written by hand.
        decided_by: Vec<String>,
    },
    /// Trained: from scratch, or after pruning to recover.
    Trained {
        /// What was minimized.
        objective: Named,
        /// Tokens trained on.
        tokens: TokenCount,
        /// Whether it was trained from scratch; else it recovered.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        from_scratch: bool,
    },
}

/// A name with its options, as a study file has them.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Named {
    /// The name.
    pub name: String,
    /// Options by key; empty if there are none.
    #[serde(flatten)]
    pub options: BTreeMap<String, Value>,
}

/// What stays of one kind of part.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Remains {
    /// So many.
    Keep(usize),
    /// All but this share.
    Sparsity {
        /// The share.
        sparsity: f64,
    },
    /// Of single weights: so many of every run of inputs.
    Pattern {
        /// Weights that stay of a run.
        keep: usize,
        /// Weights of a run.
        of: usize,
    },
}

impl ModelStep {
    /// Whether a model that came to be by these steps began with weights of its own.
    pub fn begin_from_scratch(steps: &[Self]) -> bool {
        matches!(steps.first(), Some(Self::FromScratch { .. }))
    }
}

impl Named {
    /// From a config that is a name, or a table with `name`; `None` for anything else.
    pub fn of(config: &impl Serialize) -> Option<Self> {
        let value = serde_json::to_value(config).ok()?;
        match value {
            Value::String(name) => Some(Self { name, options: BTreeMap::new() }),
            table => serde_json::from_value(table).ok(),
        }
    }
}

impl fmt::Display for Named {
    /// As in `forward-kl (temperature 2)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for (i, (key, value)) in self.options.iter().enumerate() {
            let before = if i == 0 { " (" } else { ", " };
            match value.as_f64() {
                Some(number) => write!(f, "{before}{key} {number}")?,
                None => write!(f, "{before}{key} {value}")?,
            }
        }
        if self.options.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

impl fmt::Display for Remains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep(keep) => write!(f, "keep {keep}"),
            Self::Sparsity { sparsity } => write!(f, "sparsity {sparsity}"),
            Self::Pattern { keep, of } => write!(f, "{keep}:{of}"),
        }
    }
}

impl fmt::Display for ModelStep {
    /// A line for people: `pruned: minitron, ffn keep 1024`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loaded { source } => write!(f, "loaded: {source}"),
            Self::FromScratch { shape_of, .. } => {
                write!(f, "from scratch, in the shape of {shape_of}")
            }
            Self::Pruned { criterion, structure, allocation, update } => {
                // What every pruning does unless asked otherwise is not told.
                let unusual = [(allocation, "uniform"), (update, "none")]
                    .into_iter()
                    .filter(|(word, plain)| word.as_str() != *plain)
                    .map(|(word, _)| word.clone());
                let parts = structure.iter().map(|(part, remains)| format!("{part} {remains}"));
                let words: Vec<String> = parts.chain(unusual).collect();
                write!(f, "pruned: {criterion}, {}", words.join(", "))
            }
            Self::Replayed { plan, decided_by } => {
                let plan = plan.get(..PLAN_DIGITS).unwrap_or(plan);
                write!(f, "pruned: as plan {plan} says")?;
                let decided_by = decided_by.join(", then ");
                if decided_by.is_empty() { Ok(()) } else { write!(f, ", decided by {decided_by}") }
            }
            Self::Trained { objective, tokens, from_scratch } => {
                let verb = if *from_scratch { "trained" } else { "recovered" };
                write!(f, "{verb}: {objective} on {tokens} tokens")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, words: &str) {
        let step: ModelStep = serde_json::from_str(json).unwrap();
        assert_eq!(step.to_string(), words);
        assert_eq!(serde_json::to_string(&step).unwrap(), json);
    }

    #[test]
    fn every_step_is_read_written_and_told() {
        check(r#"{"step":"loaded","source":"lab:teacher"}"#, "loaded: lab:teacher");
        check(
            r#"{"step":"from-scratch","shape_of":"depth","seed":7}"#,
            "from scratch, in the shape of depth",
        );
        check(
            r#"{"step":"pruned","criterion":{"name":"minitron"},"structure":{"ffn":1024,"kv-groups":2},"allocation":"uniform","update":"none"}"#,
            "pruned: minitron, ffn keep 1024, kv-groups keep 2",
        );
        check(
            r#"{"step":"pruned","criterion":{"name":"random","seed":3},"structure":{"weights":{"sparsity":0.5}},"allocation":"global","update":"none"}"#,
            "pruned: random (seed 3), weights sparsity 0.5, global",
        );
        check(
            r#"{"step":"pruned","criterion":{"name":"magnitude"},"structure":{"weights":{"keep":2,"of":4}},"allocation":"uniform","update":"none"}"#,
            "pruned: magnitude, weights 2:4",
        );
        check(
            r#"{"step":"replayed","plan":"0123456789abcdef","decided_by":["minitron (ffn keep 4)"]}"#,
            "pruned: as plan 01234567 says, decided by minitron (ffn keep 4)",
        );
        check(r#"{"step":"replayed","plan":"0123","decided_by":[]}"#, "pruned: as plan 0123 says");
        check(
            r#"{"step":"trained","objective":{"name":"forward-kl","temperature":1.0},"tokens":48128}"#,
            "recovered: forward-kl (temperature 1) on 48.13K tokens",
        );
        check(
            r#"{"step":"trained","objective":{"name":"language-model"},"tokens":1000,"from_scratch":true}"#,
            "trained: language-model on 1000 tokens",
        );
    }

    #[test]
    fn a_name_alone_and_a_table_are_named() {
        let named = Named::of(&"magnitude").unwrap();
        assert_eq!((named.name.as_str(), named.options.len()), ("magnitude", 0));
        assert_eq!(Named::of(&3), None);
    }

    #[test]
    fn an_unknown_step_is_refused() {
        let error = serde_json::from_str::<ModelStep>(r#"{"step":"melted"}"#).unwrap_err();
        assert!(error.to_string().contains("melted"), "{error}");
    }
}
