//! A pruning decision as data: what each layer keeps, who decided, and on which numbers.

use std::fmt;

use pycno_model::{ModelSpec, ParamCounts};
use serde::{Deserialize, Serialize};

use crate::{
    Importance, PruneConfig, PruneError,
    document::{self, Kind},
};

/// Version of [`PrunePlan`] as a document.
pub const PLAN_FORMAT: u32 = 2;

const KIND: Kind = Kind { document: "plan", format: PLAN_FORMAT };

/// What stays of a model. Indices are 0-based, ascending, and those of the model the plan applies to.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PrunePlan {
    /// Version of this document.
    pub format: u32,
    /// [`crate::fingerprint`] of the checkpoint the plan was made for. It may be applied to any other
    /// of the same shape, such as one trained on.
    pub source: String,
    /// How the choice came about, first step first; empty where nothing was decided.
    pub steps: Vec<PlanStep>,
    /// The layers that stay, bottom first.
    pub layers: Vec<LayerPlan>,
}

/// One method's decision.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PlanStep {
    /// What was asked for.
    pub config: PruneConfig,
    /// Fingerprint of the checkpoint that was rated; its indices are those of `importance`.
    pub source: String,
    /// Hash of the statistics.
    pub statistics: String,
    /// What the decision was taken by.
    pub importance: Importance,
}

/// What stays of one layer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LayerPlan {
    /// The layer's index in the source.
    pub layer_idx: usize,
    /// Key/value heads that stay, each with the query heads it serves.
    pub kv_groups: Vec<usize>,
    /// FFN channels that stay.
    pub ffn: Vec<usize>,
}

/// Parameters before and after.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SizeChange {
    /// Of the source.
    pub before: ParamCounts,
    /// Of what the plan leaves.
    pub after: ParamCounts,
}

/// A list of kept indices, for error messages.
#[derive(Clone, Copy)]
enum List {
    Layers,
    KvGroups(usize),
    Ffn(usize),
}

impl PrunePlan {
    /// The plan that removes nothing.
    pub fn keep_all(spec: &ModelSpec, source: String) -> Self {
        let layers = spec.layers.iter().enumerate().map(|(layer_idx, layer)| LayerPlan {
            layer_idx,
            kv_groups: (0..layer.n_kv_heads()).collect(),
            ffn: (0..layer.d_ffn()).collect(),
        });
        Self { format: KIND.format, source, steps: Vec::new(), layers: layers.collect() }
    }

    /// Reads a plan that applies to models of this shape.
    ///
    /// # Errors
    ///
    /// [`PruneError::Format`], [`PruneError::Json`], and those of [`PrunePlan::check`].
    pub fn from_json(json: &str, spec: &ModelSpec) -> Result<Self, PruneError> {
        let plan: Self = KIND.read(json)?;
        plan.check(spec)?;
        Ok(plan)
    }

    /// The plan as JSON in one line; equal plans give equal bytes.
    pub fn to_json(&self) -> String {
        document::write(self)
    }

    /// The BLAKE3 hash of [`PrunePlan::to_json`], in hex.
    pub fn hash(&self) -> String {
        document::hash(self)
    }

    /// Checks that every kept index exists in a model of this shape.
    ///
    /// # Errors
    ///
    /// [`PruneError::Format`]; [`PruneError::NothingKept`], [`PruneError::IndexRange`] or
    /// [`PruneError::IndexOrder`] naming the list.
    pub fn check(&self, spec: &ModelSpec) -> Result<(), PruneError> {
        KIND.expect(self.format)?;
        let layers: Vec<usize> = self.layers.iter().map(|layer| layer.layer_idx).collect();
        List::Layers.check(&layers, spec.layers.len())?;
        self.layers.iter().try_for_each(|layer| {
            let shape = spec.layers[layer.layer_idx];
            List::KvGroups(layer.layer_idx).check(&layer.kv_groups, shape.n_kv_heads())?;
            List::Ffn(layer.layer_idx).check(&layer.ffn, shape.d_ffn())
        })
    }

    /// The shape that is left: `k' = k - r` key/value heads of `h' = (h / k) k'` query heads.
    ///
    /// # Errors
    ///
    /// Those of [`PrunePlan::check`].
    pub fn spec_after(&self, spec: &ModelSpec) -> Result<ModelSpec, PruneError> {
        self.check(spec)?;
        let layers = self.layers.iter().map(|layer| {
            let shape = spec.layers[layer.layer_idx];
            shape.with_kv_heads(layer.kv_groups.len()).with_d_ffn(layer.ffn.len())
        });
        Ok(ModelSpec { layers: layers.collect(), ..spec.clone() })
    }

    /// Parameters before and after.
    ///
    /// # Errors
    ///
    /// Those of [`PrunePlan::check`].
    pub fn sizes(&self, spec: &ModelSpec) -> Result<SizeChange, PruneError> {
        let after = self.spec_after(spec)?.param_counts();
        Ok(SizeChange { before: spec.param_counts(), after })
    }
}

/// The plan that does what `first` and then `second` do, in indices of the first one's source.
///
/// # Errors
///
/// [`PruneError::IndexRange`] if `second` keeps what `first` leaves none of.
pub fn compose(first: &PrunePlan, second: &PrunePlan) -> Result<PrunePlan, PruneError> {
    let layers = second.layers.iter().map(|inner| {
        let outer = List::Layers.get(&first.layers, inner.layer_idx)?;
        let groups = List::KvGroups(inner.layer_idx);
        let ffn = List::Ffn(inner.layer_idx);
        Ok(LayerPlan {
            layer_idx: outer.layer_idx,
            kv_groups: groups.pick(&outer.kv_groups, &inner.kv_groups)?,
            ffn: ffn.pick(&outer.ffn, &inner.ffn)?,
        })
    });
    Ok(PrunePlan {
        format: KIND.format,
        source: first.source.clone(),
        steps: first.steps.iter().chain(&second.steps).cloned().collect(),
        layers: layers.collect::<Result<_, PruneError>>()?,
    })
}

impl List {
    /// Strictly ascending, not empty, below `available`.
    fn check(self, indices: &[usize], available: usize) -> Result<(), PruneError> {
        let Some(last) = indices.last() else {
            return Err(PruneError::NothingKept { list: self.to_string() });
        };
        if let Some(pair) = indices.windows(2).find(|pair| pair[0] >= pair[1]) {
            let (list, previous, next) = (self.to_string(), pair[0], pair[1]);
            return Err(PruneError::IndexOrder { list, previous, next });
        }
        if *last >= available {
            return Err(PruneError::IndexRange { list: self.to_string(), available, index: *last });
        }
        Ok(())
    }

    fn get<T>(self, items: &[T], index: usize) -> Result<&T, PruneError> {
        let available = items.len();
        items.get(index).ok_or_else(|| PruneError::IndexRange {
            list: self.to_string(),
            available,
            index,
        })
    }

    fn pick(self, outer: &[usize], inner: &[usize]) -> Result<Vec<usize>, PruneError> {
        inner.iter().map(|index| self.get(outer, *index).copied()).collect()
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layers => write!(f, "layers"),
            Self::KvGroups(layer_idx) => write!(f, "key/value groups of layer {layer_idx}"),
            Self::Ffn(layer_idx) => write!(f, "FFN channels of layer {layer_idx}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use pycno_units::ParamCount;

    use super::*;
    use crate::fixture::{self, Shape};

    fn spec() -> ModelSpec {
        Shape::default().spec()
    }

    fn some_plan() -> PrunePlan {
        let mut plan = PrunePlan::keep_all(&spec(), "weights".to_owned());
        plan.layers.remove(1);
        plan.layers[0].ffn = vec![0, 2, 6];
        plan.layers[1].kv_groups = vec![1];
        plan.steps.push(PlanStep {
            config: PruneConfig::BlockInfluence { keep_layers: 2 },
            source: "weights".to_owned(),
            statistics: "sums".to_owned(),
            importance: Importance { blocks: vec![0.3, 0.1, 1.0 / 3.0], ..Importance::default() },
        });
        plan
    }

    #[track_caller]
    fn check_refused(change: impl Fn(&mut PrunePlan), message: &str) {
        let mut plan = some_plan();
        change(&mut plan);
        let error = PrunePlan::from_json(&plan.to_json(), &spec()).unwrap_err();
        assert_eq!(error.to_string(), message);
    }

    #[test]
    fn a_plan_survives_json_with_the_same_bytes() {
        let plan = some_plan();
        let back = PrunePlan::from_json(&plan.to_json(), &spec()).unwrap();
        assert_eq!(back, plan);
        assert_eq!((back.to_json(), back.hash()), (plan.to_json(), plan.hash()));
    }

    #[test]
    fn hostile_plans_are_refused_by_the_list_that_lies() {
        check_refused(
            |plan| plan.layers[1].layer_idx = 3,
            "indices of the layers must lie below 3, got 3",
        );
        check_refused(
            |plan| plan.layers[0].ffn[2] = 7,
            "indices of the FFN channels of layer 0 must lie below 7, got 7",
        );
        check_refused(
            |plan| plan.layers[1].kv_groups = vec![0, 2],
            "indices of the key/value groups of layer 2 must lie below 2, got 2",
        );
        check_refused(
            |plan| plan.layers.swap(0, 1),
            "indices of the layers must be strictly ascending, got 0 after 2",
        );
        check_refused(
            |plan| plan.layers[0].ffn = vec![1, 1, 2],
            "indices of the FFN channels of layer 0 must be strictly ascending, got 1 after 1",
        );
        check_refused(
            |plan| plan.layers.clear(),
            "a plan must keep at least one of the layers, got none",
        );
        check_refused(
            |plan| plan.layers[0].kv_groups.clear(),
            "a plan must keep at least one of the key/value groups of layer 0, got none",
        );
        check_refused(|plan| plan.format = 1, "plan must have format 2, got 1");
    }

    #[test]
    fn json_that_is_no_plan_is_refused() {
        let json = some_plan().to_json();
        let refused = |json: &str| {
            matches!(
                PrunePlan::from_json(json, &spec()),
                Err(PruneError::Json { document: "plan", .. })
            )
        };
        assert!(refused(&json.replace("\"ffn\"", "\"extra\":[],\"ffn\"")));
        assert!(refused(&json.replace("[0,2,6]", "[-1,2,6]")));
        assert!(refused(&json.replace("[0,2,6]", "[0.5,2,6]")));
        assert!(refused(&json[..json.len() - 1]));
        assert!(refused("{}"));
    }

    #[test]
    fn a_composed_plan_speaks_of_the_first_ones_source() {
        let first = some_plan();
        let second = PrunePlan {
            format: PLAN_FORMAT,
            source: "sliced".to_owned(),
            steps: some_plan().steps,
            layers: vec![LayerPlan { layer_idx: 1, kv_groups: vec![0], ffn: vec![3, 4] }],
        };
        let both = compose(&first, &second).unwrap();
        assert_eq!(both.layers, [LayerPlan { layer_idx: 2, kv_groups: vec![1], ffn: vec![3, 4] }]);
        assert_eq!((both.source.as_str(), both.steps.len()), ("weights", 2));
        let through = second.spec_after(&first.spec_after(&spec()).unwrap()).unwrap();
        assert_eq!(both.spec_after(&spec()).unwrap(), through);
    }

    #[test]
    fn composing_with_a_part_that_is_gone_is_refused() {
        let refused = |layer: LayerPlan| {
            let second = PrunePlan { layers: vec![layer], ..some_plan() };
            compose(&some_plan(), &second).unwrap_err().to_string()
        };
        let part = |layer_idx, kv_groups, ffn| LayerPlan { layer_idx, kv_groups, ffn };
        assert_eq!(
            refused(part(2, vec![0], vec![0])),
            "indices of the layers must lie below 2, got 2"
        );
        assert_eq!(
            refused(part(1, vec![1], vec![0])),
            "indices of the key/value groups of layer 1 must lie below 1, got 1"
        );
        assert_eq!(
            refused(part(0, vec![0], vec![3])),
            "indices of the FFN channels of layer 0 must lie below 3, got 3"
        );
    }

    /// `[vocab, d_model, d_head, n_layers, n_kv_heads, heads per group, d_ffn]`, untied unless said.
    fn published([vocab, d_model, d_head, n, k, g, f]: [usize; 7]) -> ModelSpec {
        let shape = Shape { d_model, d_head, layers: vec![[k, g, f]; n], ..Shape::default() };
        ModelSpec { vocab, ..shape.spec() }
    }

    #[track_caller]
    fn check_gate(spec: &ModelSpec, cut: impl Fn(&mut Vec<LayerPlan>), before: f64, after: f64) {
        let mut plan = PrunePlan::keep_all(spec, String::new());
        cut(&mut plan.layers);
        let sizes = plan.sizes(spec).unwrap();
        assert_eq!(sizes.before.total, ParamCount(before));
        assert_eq!(sizes.after.total, ParamCount(after));
    }

    fn narrow(layers: &mut [LayerPlan], groups: usize, ffn: usize) {
        for layer in layers {
            layer.kv_groups.truncate(groups);
            layer.ffn.truncate(ffn);
        }
    }

    #[test]
    fn cut_models_count_as_published() {
        let tiny = published([32000, 2048, 64, 22, 4, 8, 5632]);
        let cut = |layers: &mut Vec<LayerPlan>| narrow(&mut layers[4..18], 3, 4224);
        check_gate(&tiny, cut, 1_100_048_384.0, 945_907_712.0);

        let llama = published([32000, 4096, 128, 32, 32, 1, 11008]);
        let cut = |layers: &mut Vec<LayerPlan>| narrow(&mut layers[4..30], 24, 8256);
        check_gate(&llama, cut, 6_738_415_616.0, 5_422_977_024.0);
        let drop_nine = |layers: &mut Vec<LayerPlan>| _ = layers.drain(21..30);
        check_gate(&llama, drop_nine, 6_738_415_616.0, 4_916_965_376.0);

        let llama3 = published([128256, 4096, 128, 32, 8, 4, 14336]);
        let half = |layers: &mut Vec<LayerPlan>| layers.truncate(16);
        check_gate(&llama3, half, 8_030_261_248.0, 4_540_469_248.0);

        let smol = ModelSpec { tied: true, ..published([49152, 576, 64, 30, 3, 3, 1536]) };
        // A block of SmolLM2 has 3,540,096 parameters: 2*576*576 + 2*576*192 + 3*576*1536 + 2*576.
        let drop_ten = |layers: &mut Vec<LayerPlan>| layers.truncate(20);
        check_gate(&smol, drop_ten, 134_515_008.0, 134_515_008.0 - 35_400_960.0);
    }

    #[test]
    fn the_fixture_agrees_with_the_spec_it_is_cut_to() {
        let plan = some_plan();
        let student = crate::slice(&fixture::checkpoint(&spec(), 1), &plan).unwrap();
        assert_eq!(student.spec, plan.spec_after(&spec()).unwrap());
        let stored: usize = student.tensors.values().map(|tensor| tensor.data().len()).sum();
        assert_eq!(ParamCount(stored as f64), plan.sizes(&spec()).unwrap().after.total);
    }
}
