//! What can go wrong between calibration and a smaller checkpoint.

use pycno_model::ModelError;

use crate::Axis;

/// A pruning request, a document or a measurement that breaks a rule.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PruneError {
    /// A share to remove that is no share.
    #[error("sparsity must lie in [0, 1), got {sparsity}")]
    Sparsity {
        /// The value found.
        sparsity: f64,
    },
    /// A structure that is none.
    #[error("structure must be one of {known}, got {found}")]
    Structure {
        /// What was found.
        found: String,
        /// Those there are.
        known: String,
    },
    /// A table of parts that names none.
    #[error("structure must name at least one kind of part, got an empty table")]
    NoStructure,
    /// An amount that a structure does not take, or lacks.
    #[error("structure {structure} goes with {expected}")]
    Amount {
        /// The structure.
        structure: String,
        /// What stands beside it.
        expected: &'static str,
    },
    /// Words of a config that do not go together.
    #[error("{word} of criterion {criterion} must be one of {known}, got {found}")]
    Combination {
        /// The criterion.
        criterion: &'static str,
        /// `structure` or `allocation`.
        word: &'static str,
        /// What was asked for.
        found: String,
        /// What goes with the criterion.
        known: String,
    },
    /// Importances that are not one number for each part.
    #[error("importances of the {axis} must be {expected}, got {found}")]
    Ranking {
        /// The parts.
        axis: Axis,
        /// How many by place, or the rule.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A plan of a layer that lists what is not within a block.
    #[error("a plan of layer {layer_idx} lists parts of a block, got {axis}")]
    NoPartOfABlock {
        /// What it lists.
        axis: Axis,
        /// The layer, 0-based.
        layer_idx: usize,
    },
    /// A plan that names masks by their hash alone, so that it cannot be replayed.
    #[error(
        "a plan can be replayed where whole parts left, got one where single weights left: their masks are in the student's folder, not in the plan"
    )]
    MasksElsewhere,
    /// A weight that is `NaN` or infinite and so has no rank.
    #[error("weights of {tensor} must be finite, got {value}")]
    NotFiniteWeight {
        /// The tensor.
        tensor: String,
        /// The first offender.
        value: f32,
    },
    /// A number of parts to keep that is 0 or more than there are.
    #[error("{field} must lie in [1, {available}], got {keep}")]
    Keep {
        /// The field of the config, with the layer where it matters.
        field: String,
        /// How many parts there are.
        available: usize,
        /// How many should stay.
        keep: usize,
    },
    /// An empty list of kept parts.
    #[error("a plan must keep at least one of the {list}, got none")]
    NothingKept {
        /// What the list holds, such as `FFN channels of layer 3`.
        list: String,
    },
    /// A kept index beyond what the model has.
    #[error("indices of the {list} must lie below {available}, got {index}")]
    IndexRange {
        /// What the list holds.
        list: String,
        /// How many there are.
        available: usize,
        /// The index found.
        index: usize,
    },
    /// Kept indices that are not strictly ascending.
    #[error("indices of the {list} must be strictly ascending, got {next} after {previous}")]
    IndexOrder {
        /// What the list holds.
        list: String,
        /// The earlier index.
        previous: usize,
        /// The one after it, not larger.
        next: usize,
    },
    /// A document written by another version.
    #[error("{document} must have format {expected}, got {found}")]
    Format {
        /// `statistics` or `plan`.
        document: &'static str,
        /// The version this build reads.
        expected: u32,
        /// The version found.
        found: u32,
    },
    /// A document that does not parse.
    #[error("cannot read the {document}")]
    Json {
        /// `statistics` or `plan`.
        document: &'static str,
        /// Where and why.
        source: serde_json::Error,
    },
    /// Statistics measured on something else.
    #[error("statistics must be of {what} {expected}, got {found}")]
    OtherSource {
        /// `checkpoint`, `calibration` or `model shape`.
        what: &'static str,
        /// What was asked for.
        expected: String,
        /// What the statistics say.
        found: String,
    },
    /// A calibration that could not be measured.
    #[error("cannot measure what the criterion needs")]
    Calibration {
        /// What kept it from being measured.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Sums in a statistics document that no pass could have left.
    #[error("statistics of layer {layer_idx} must have {expected}, got {found}")]
    Measure {
        /// The layer, 0-based.
        layer_idx: usize,
        /// The rule.
        expected: String,
        /// What was found.
        found: String,
    },
    /// An activation that is `NaN` or infinite.
    #[error("activations must be finite, got {value} at the {site} of layer {layer_idx}")]
    NotFinite {
        /// The layer, 0-based.
        layer_idx: usize,
        /// The place in the block.
        site: &'static str,
        /// The first offender.
        value: f32,
    },
    /// Sequences without a token.
    #[error("calibration sequences must have at least one token, got {seq}")]
    EmptySequence {
        /// Length of the sequences.
        seq: usize,
    },
    /// Nothing to rank by.
    #[error("statistics must cover at least one sequence, got none")]
    NoSequences,
    /// A layer whose every token had a zero vector, so that no cosine exists.
    #[error("layer {layer_idx} must have a token with non-zero vectors, got {skipped} zero ones")]
    NoCosine {
        /// The layer, 0-based.
        layer_idx: usize,
        /// Tokens skipped.
        skipped: u64,
    },
    /// An input of a layer that is `NaN`, infinite or so large that its square overflows.
    #[error("inputs must lie within {limit:e}, got {value} for input {input} of token {token}")]
    Input {
        /// The token of the batch, 0-based.
        token: usize,
        /// The input of the layer, 0-based.
        input: usize,
        /// The largest magnitude allowed.
        limit: f32,
        /// The first offender.
        value: f32,
    },
    /// A weight that is `NaN` or infinite.
    #[error("weights must be finite, got {value} at output {output}, input {input}")]
    Weight {
        /// The output of the layer, 0-based.
        output: usize,
        /// The input of the layer, 0-based.
        input: usize,
        /// The first offender.
        value: f32,
    },
    /// Groups that do not tile the inputs of a layer.
    #[error("groups of {of} must divide the inputs of the layer, got {d_input}")]
    Group {
        /// Inputs of a group.
        of: usize,
        /// Inputs of the layer.
        d_input: usize,
    },
    /// A damping that cannot make a Hessian positive definite, or drowns it.
    #[error("damping must lie in (0, {max}], got {damping}")]
    Damping {
        /// The largest damping.
        max: f64,
        /// The value found.
        damping: f64,
    },
    /// Inputs that say nothing about a layer.
    #[error("one of {width} inputs must differ from zero on some token, got none")]
    DeadInputs {
        /// Inputs of the layer.
        width: usize,
    },
    /// A Hessian that no damping made positive definite.
    #[error("a Hessian must be positive definite once damped, got one that is not at {damping}")]
    Indefinite {
        /// The last damping tried, in mean diagonals.
        damping: f64,
    },
    /// A checkpoint whose tensors are not those of its spec.
    #[error("cannot prune the checkpoint")]
    Model {
        /// What is wrong with it.
        #[from]
        source: ModelError,
    },
}
