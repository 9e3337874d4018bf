//! A pruning decision as data: what stays along each axis, who decided, and on which numbers.

use std::{collections::BTreeMap, fmt};

use pycno_model::{LayerSpec, ModelSpec, ParamCounts};
use serde::{Deserialize, Serialize};

use crate::{
    Amount, Axis, Importance, PruneConfig, PruneError,
    document::{self, Kind},
    importance::most_important,
    once,
};

/// Version of [`PrunePlan`] as a document.
pub const PLAN_FORMAT: u32 = 3;

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

/// One pruning's decision.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PlanStep {
    /// What was asked for.
    pub config: PruneConfig,
    /// Fingerprint of the checkpoint that was rated; its indices are those of `importance`.
    pub source: String,
    /// Hash of the statistics; `None` if the criterion needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistics: Option<String>,
    /// What the decision was taken by; empty where single weights went.
    pub importance: Importance,
    /// Hash of the masks where single weights went; they are beside the student's weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masks: Option<String>,
}

/// What stays of one layer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LayerPlan {
    /// The layer's index in the source.
    pub layer_idx: usize,
    /// The parts that stay along each axis within the block; an axis that is absent stays whole.
    #[serde(flatten, deserialize_with = "once::each")]
    pub kept: BTreeMap<Axis, Vec<usize>>,
}

/// Parameters before and after.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SizeChange {
    /// Of the source.
    pub before: ParamCounts,
    /// Of what the plan leaves.
    pub after: ParamCounts,
}

/// A list of kept indices, for error messages: along an axis, of a layer unless it lists layers.
#[derive(Clone, Copy)]
struct List(Axis, usize);

impl PrunePlan {
    /// The plan that removes nothing.
    pub fn keep_all(spec: &ModelSpec, source: String) -> Self {
        let whole = |layer_idx| LayerPlan { layer_idx, kept: BTreeMap::new() };
        let layers = (0..spec.layers.len()).map(whole).collect();
        Self { format: KIND.format, source, steps: Vec::new(), layers }
    }

    /// The plan that keeps the most important parts along every axis asked for, by importances from anywhere.
    ///
    /// # Errors
    ///
    /// [`PruneError::Keep`] if it keeps no part of a place or more than there are, [`PruneError::Ranking`] unless
    /// there is an importance, and a number, for every part.
    pub fn by_importance(
        spec: &ModelSpec,
        source: String,
        amounts: &BTreeMap<Axis, Amount>,
        importance: &Importance,
    ) -> Result<Self, PruneError> {
        let mut plan = Self::keep_all(spec, source);
        for (axis, amount) in amounts {
            let lists = importance.of(*axis);
            check_ranking(*axis, spec, lists)?;
            let kept = amount.kept_along(*axis, spec)?.into_iter().zip(lists);
            plan.keep(*axis, kept.map(|(keep, list)| most_important(list, keep)).collect());
        }
        Ok(plan)
    }

    /// Keeps so much along an axis; lists are by place in the source, as [`Axis::available`].
    fn keep(&mut self, axis: Axis, mut lists: Vec<Vec<usize>>) {
        if axis == Axis::Layers {
            self.layers.retain(|layer| lists[0].contains(&layer.layer_idx));
        } else {
            for layer in &mut self.layers {
                layer.kept.insert(axis, std::mem::take(&mut lists[layer.layer_idx]));
            }
        }
    }

    /// Reads a plan, of a model of whatever shape.
    ///
    /// # Errors
    ///
    /// [`PruneError::Format`], [`PruneError::Json`].
    pub fn parse(json: &str) -> Result<Self, PruneError> {
        KIND.read(json)
    }

    /// Reads a plan that applies to models of this shape.
    ///
    /// # Errors
    ///
    /// Those of [`PrunePlan::parse`] and [`PrunePlan::check`].
    pub fn from_json(json: &str, spec: &ModelSpec) -> Result<Self, PruneError> {
        let plan = Self::parse(json)?;
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

    /// Refuses a plan by which single weights left: which of them, the student's masks say.
    ///
    /// # Errors
    ///
    /// [`PruneError::MasksElsewhere`].
    pub fn expect_parts_alone(&self) -> Result<(), PruneError> {
        if self.steps.iter().any(|step| step.masks.is_some()) {
            return Err(PruneError::MasksElsewhere);
        }
        Ok(())
    }

    /// Checks that every kept index exists in a model of this shape, and that the first step rated the parts of one.
    ///
    /// # Errors
    ///
    /// [`PruneError::Format`]; [`PruneError::Ranking`]; [`PruneError::NothingKept`], [`PruneError::IndexRange`] or
    /// [`PruneError::IndexOrder`] naming the list; [`PruneError::NoPartOfABlock`].
    pub fn check(&self, spec: &ModelSpec) -> Result<(), PruneError> {
        KIND.expect(self.format)?;
        let layers: Vec<usize> = self.layers.iter().map(|layer| layer.layer_idx).collect();
        List(Axis::Layers, 0).check(&layers, spec.layers.len())?;
        self.layers.iter().try_for_each(|layer| layer.check(&spec.layers[layer.layer_idx]))?;
        let rated = self.steps.first().map(|first| &first.importance.0);
        let mut rated = rated.into_iter().flatten();
        rated.try_for_each(|(axis, lists)| check_ranking(*axis, spec, lists))
    }

    /// The shape that is left: `k' = k - r` key/value heads of `h' = (h / k) k'` query heads.
    ///
    /// # Errors
    ///
    /// Those of [`PrunePlan::check`].
    pub fn spec_after(&self, spec: &ModelSpec) -> Result<ModelSpec, PruneError> {
        self.check(spec)?;
        let layers = self.layers.iter().map(|layer| {
            let resized = |shape: LayerSpec, (axis, kept): (&Axis, &Vec<usize>)| {
                axis.resized(shape, kept.len())
            };
            layer.kept.iter().fold(spec.layers[layer.layer_idx], resized)
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

/// An importance for every part there is, each a number.
fn check_ranking(axis: Axis, spec: &ModelSpec, lists: &[Vec<f64>]) -> Result<(), PruneError> {
    let expected = axis.available(spec);
    let found: Vec<usize> = lists.iter().map(Vec::len).collect();
    if expected != found {
        let (expected, found) = (format!("{expected:?} of them"), format!("{found:?}"));
        return Err(PruneError::Ranking { axis, expected, found });
    }
    if lists.iter().flatten().any(|importance| importance.is_nan()) {
        let (expected, found) = ("numbers only".to_owned(), "NaN".to_owned());
        return Err(PruneError::Ranking { axis, expected, found });
    }
    Ok(())
}

impl LayerPlan {
    fn check(&self, shape: &LayerSpec) -> Result<(), PruneError> {
        self.kept.iter().try_for_each(|(axis, kept)| {
            if !Axis::IN_BLOCK.contains(axis) {
                return Err(PruneError::NoPartOfABlock { axis: *axis, layer_idx: self.layer_idx });
            }
            List(*axis, self.layer_idx).check(kept, axis.in_block(shape))
        })
    }

    /// What this plan and then, on what it leaves, `inner` keep along an axis; `None` for all of it.
    fn then(&self, axis: Axis, inner: &Self) -> Result<Option<Vec<usize>>, PruneError> {
        let list = List(axis, inner.layer_idx);
        Ok(match (self.kept.get(&axis), inner.kept.get(&axis)) {
            (Some(outer), Some(inner)) => Some(list.pick(outer, inner)?),
            (outer, inner) => outer.or(inner).cloned(),
        })
    }
}

/// The plan that does what `first` and then `second` do, in indices of the first one's source.
///
/// # Errors
///
/// [`PruneError::IndexRange`] if `second` keeps what `first` leaves none of.
pub fn compose(first: &PrunePlan, second: &PrunePlan) -> Result<PrunePlan, PruneError> {
    let layers = second.layers.iter().map(|inner| {
        let outer = List(Axis::Layers, 0).get(&first.layers, inner.layer_idx)?;
        let axes = Axis::IN_BLOCK.into_iter().filter_map(|axis| {
            let kept = outer.then(axis, inner).transpose()?;
            Some(kept.map(|kept| (axis, kept)))
        });
        Ok(LayerPlan { layer_idx: outer.layer_idx, kept: axes.collect::<Result<_, PruneError>>()? })
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
            Self(Axis::Layers, _) => write!(f, "{}", Axis::Layers),
            Self(axis, layer_idx) => write!(f, "{axis} of layer {layer_idx}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use pycno_units::ParamCount;

    use super::*;
    use crate::{
        BlockInfluence, Criterion, Structure,
        fixture::{self, Shape},
    };

    fn spec() -> ModelSpec {
        Shape::default().spec()
    }

    fn some_plan() -> PrunePlan {
        let mut plan = PrunePlan::keep_all(&spec(), "weights".to_owned());
        plan.layers.remove(1);
        plan.layers[0].kept.insert(Axis::Ffn, vec![0, 2, 6]);
        plan.layers[1].kept.insert(Axis::KvGroups, vec![1]);
        let two = Structure::Parts([(Axis::Layers, Amount::Keep(2))].into());
        plan.steps.push(PlanStep {
            config: PruneConfig::new(Criterion::BlockInfluence(BlockInfluence), two).unwrap(),
            source: "weights".to_owned(),
            statistics: Some("sums".to_owned()),
            importance: Importance::along(Axis::Layers, vec![vec![0.3, 0.1, 1.0 / 3.0]]),
            masks: None,
        });
        plan
    }

    fn set(plan: &mut PrunePlan, layer: usize, axis: Axis, kept: &[usize]) {
        plan.layers[layer].kept.insert(axis, kept.to_vec());
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
            |plan| set(plan, 0, Axis::Ffn, &[0, 2, 7]),
            "indices of the FFN channels of layer 0 must lie below 7, got 7",
        );
        check_refused(
            |plan| set(plan, 1, Axis::KvGroups, &[0, 2]),
            "indices of the key/value groups of layer 2 must lie below 2, got 2",
        );
        check_refused(
            |plan| plan.layers.swap(0, 1),
            "indices of the layers must be strictly ascending, got 0 after 2",
        );
        check_refused(
            |plan| set(plan, 0, Axis::Ffn, &[1, 1, 2]),
            "indices of the FFN channels of layer 0 must be strictly ascending, got 1 after 1",
        );
        check_refused(
            |plan| plan.layers.clear(),
            "a plan must keep at least one of the layers, got none",
        );
        check_refused(
            |plan| set(plan, 0, Axis::KvGroups, &[]),
            "a plan must keep at least one of the key/value groups of layer 0, got none",
        );
        check_refused(|plan| plan.format = 1, "plan must have format 3, got 1");
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

    fn part(layer_idx: usize, kept: &[(Axis, &[usize])]) -> LayerPlan {
        let kept = kept.iter().map(|(axis, kept)| (*axis, kept.to_vec())).collect();
        LayerPlan { layer_idx, kept }
    }

    #[test]
    fn an_axis_left_out_stays_whole_through_composition() {
        let whole = PrunePlan::keep_all(&spec(), "weights".to_owned());
        assert_eq!(whole.spec_after(&spec()).unwrap(), spec());
        let plan = some_plan();
        assert_eq!(compose(&whole, &plan).unwrap().layers, plan.layers);
        let after = PrunePlan::keep_all(&plan.spec_after(&spec()).unwrap(), String::new());
        assert_eq!(compose(&plan, &after).unwrap().layers, plan.layers);
    }

    #[test]
    fn importances_of_ones_own_make_a_plan() {
        let amounts = [(Axis::Layers, Amount::Keep(2)), (Axis::Ffn, Amount::Keep(1))].into();
        let mut importance = Importance::along(Axis::Layers, vec![vec![1.0, 0.5, 2.0]]);
        importance.0.insert(Axis::Ffn, vec![vec![1.0, 9.0, 3.0, 0.0, 0.0, 0.0, 0.0]; 3]);
        let plan = PrunePlan::by_importance(&spec(), String::new(), &amounts, &importance).unwrap();
        assert_eq!(plan.layers, [0, 2].map(|layer| part(layer, &[(Axis::Ffn, &[1])])));

        let refused = |importance: &Importance| {
            let refused = PrunePlan::by_importance(&spec(), String::new(), &amounts, importance);
            refused.unwrap_err().to_string()
        };
        let few = Importance::along(Axis::Layers, vec![vec![1.0, 0.5]]);
        assert_eq!(refused(&few), "importances of the layers must be [3] of them, got [2]");
        let sick = Importance::along(Axis::Layers, vec![vec![1.0, f64::NAN, 0.0]]);
        assert_eq!(refused(&sick), "importances of the layers must be numbers only, got NaN");
    }

    #[test]
    fn a_composed_plan_speaks_of_the_first_ones_source() {
        let first = some_plan();
        let second = PrunePlan {
            format: PLAN_FORMAT,
            source: "sliced".to_owned(),
            steps: vec![PlanStep {
                importance: Importance::default(),
                ..some_plan().steps.remove(0)
            }],
            layers: vec![part(1, &[(Axis::KvGroups, &[0]), (Axis::Ffn, &[3, 4])])],
        };
        let both = compose(&first, &second).unwrap();
        let expect = part(2, &[(Axis::KvGroups, &[1]), (Axis::Ffn, &[3, 4])]);
        assert_eq!(both.layers, [expect]);
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
        let part = |layer_idx, axis, kept: &[usize]| part(layer_idx, &[(axis, kept)]);
        assert_eq!(
            refused(part(2, Axis::Ffn, &[0])),
            "indices of the layers must lie below 2, got 2"
        );
        assert_eq!(
            refused(part(1, Axis::KvGroups, &[1])),
            "indices of the key/value groups of layer 1 must lie below 1, got 1"
        );
        assert_eq!(
            refused(part(0, Axis::Ffn, &[3])),
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
            layer.kept.insert(Axis::KvGroups, (0..groups).collect());
            layer.kept.insert(Axis::Ffn, (0..ffn).collect());
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
        let stored: usize = student.tensors.values().map(pycno_model::HostTensor::n_values).sum();
        assert_eq!(ParamCount(stored as f64), plan.sizes(&spec()).unwrap().after.total);
    }
}
