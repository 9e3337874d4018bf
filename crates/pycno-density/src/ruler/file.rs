//! The ruler file: what it holds, and the hash that finds a number changed by hand.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::spec::{Family, ReferenceModel, TaskSpec};
use crate::{Constants, FitCard, LossConstants};

/// Version of the file format: 2 brought the two-step laws.
pub(crate) const FORMAT: u32 = 2;

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RulerFile {
    pub(crate) format: u32,
    pub(crate) hash: String,
    pub(crate) family: Family,
    pub(crate) task: Vec<TaskEntry>,
    pub(crate) model: Vec<ReferenceModel>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskEntry {
    pub(crate) spec: TaskSpec,
    pub(crate) law: Constants,
    /// First-step laws of the other minima, least cost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) other_basin: Vec<LossConstants>,
    pub(crate) card: TaskCard,
}

/// How a task's laws were found and how well they hold.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TaskCard {
    /// The score law's fit.
    pub score: FitCard,
    /// The loss law's fit, for laws of two steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<FitCard>,
    /// Predicted minus observed score, percent points, of models that were not fitted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub checks: BTreeMap<String, f64>,
}

impl TaskCard {
    /// Why no size can be read from the laws, if none can.
    pub(super) fn weakness(&self) -> Option<String> {
        let of_loss = self.loss.as_ref().and_then(FitCard::weakness);
        let of_loss = of_loss.map(|weakness| format!("of the loss, {weakness}"));
        let found: Vec<String> = self.score.weakness().into_iter().chain(of_loss).collect();
        (!found.is_empty()).then(|| found.join("; "))
    }
}

impl RulerFile {
    /// SHA-256 over one line a fact, lines sorted, numbers in their shortest exact form.
    ///
    /// Family, recipes, points and constants enter it; cards, comments and the order of rows do not.
    pub(crate) fn computed_hash(&self) -> String {
        let Family { name, convention, tokens, .. } = &self.family;
        let mut lines = vec![format!("family {name:?} {convention:?} {}", tokens.0)];
        for TaskEntry { spec, law, other_basin, .. } in &self.task {
            lines.push(format!("task {spec:?} {law:?} {other_basin:?}"));
        }
        lines.extend(self.model.iter().map(|model| format!("{model:?}")));
        lines.sort();
        let digest = Sha256::digest(lines.join("\n"));
        digest.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    }
}
