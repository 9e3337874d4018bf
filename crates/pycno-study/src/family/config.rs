//! The family file as written: what its models share, their sizes, their budgets of tokens.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use pycno_model::{AttentionSpec, FfnSpec, LayerSpec, ModelSpec, NormSpec, RopeSpec};
use pycno_train::{NormLimit, Phase, SpikeLimit, TrainConfig, WeightDecay};
use pycno_units::{ParamCount, Seed, TokenCount};
use serde::{Deserialize, Serialize};

use super::{
    rules::{BatchSize, RateRule},
    seeded::{Seeded, are_distinct},
};
use crate::{StudyError, overrides};

/// Models of one recipe: one per size and budget.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FamilyConfig {
    /// Name and seed.
    pub family: FamilySection,
    /// The text.
    pub data: FamilyData,
    /// What all sizes have in common.
    pub model: SharedShape,
    /// How they are trained.
    pub train: FamilyTrain,
    /// What they are scored on.
    pub eval: FamilyEval,
    /// The sizes.
    pub size: Vec<SizeConfig>,
}

/// `[family]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FamilySection {
    /// Names the run's folder.
    pub name: String,
    /// The seed of first weights and of the order of the text, unless a size has its own.
    pub seed: Seed,
}

/// `[data]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FamilyData {
    /// A text: `lab:train/16M`, `data:PATH`, or a path that starts at the family file.
    pub source: String,
    /// Whose tokenizer: `lab`, or a model's folder.
    pub tokenizer: String,
    /// Tokens per sequence.
    pub length: usize,
    /// Sequences from the beginning of the text that watch the runs and are not trained on.
    pub held_out: usize,
}

/// `[model]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SharedShape {
    /// Epsilon of every RMSNorm.
    pub norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Whether the head is the embedding.
    pub tied: bool,
    /// Longest sequence.
    pub max_positions: usize,
}

/// `[train]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FamilyTrain {
    /// Budgets of tokens; a size gets each, as a branch of one run, unless it names its own.
    pub budgets: Vec<TokenCount>,
    /// Peak learning rate by size.
    pub learning_rate: RateRule,
    /// Sequences an optimizer step: a number, or a rule in size.
    pub batch: BatchSize,
    /// How long the learning rate rises; in tokens, so that all budgets share it.
    pub warmup: TokenCount,
    /// How long it decays again: a share of each budget, or tokens.
    pub decay: Option<Phase>,
    /// Pull of the blocks' matrices towards 0.
    pub weight_decay: Option<WeightDecay>,
    /// Longest gradient, over all parameters together.
    pub clip: Option<NormLimit>,
    /// How many times the median of the latest losses a step may have.
    pub spike: Option<SpikeLimit>,
}

/// `[eval]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FamilyEval {
    /// Names of shipped tasks, or paths of task files ending in `.toml`.
    pub tasks: Vec<String>,
    /// At most so many items per task; absent: all.
    pub limit: Option<usize>,
    /// Task by task, whose loss stands beside its score in `runs.csv`: the loss of steps and answer written
    /// out (the conditional loss of the Densing Law) rather than of the bare answer. Absent: its own.
    #[serde(default)]
    pub loss_of: BTreeMap<String, String>,
}

/// `[[size]]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SizeConfig {
    /// Name, unique in the family.
    pub name: String,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Blocks.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key/value heads.
    pub kv_heads: usize,
    /// FFN width.
    pub d_ffn: usize,
    /// Width of a head; `d_model / heads` where absent.
    pub d_head: Option<usize>,
    /// Its own budgets of tokens, instead of those all sizes share.
    pub budgets: Option<Vec<TokenCount>>,
    /// Its own seeds, a run each: the second is named with a `b` behind the size's name, the third with a `c`.
    pub seeds: Option<Vec<Seed>>,
    /// The suite of its rows in `runs.csv`, by which a ruler picks what it is fitted on; the family's name where
    /// absent.
    pub suite: Option<String>,
}

/// A family file read from disk, with its overrides applied.
#[derive(Clone, Debug)]
pub struct FamilyFile {
    /// What it says.
    pub config: FamilyConfig,
    /// The folder of the file; relative paths start here.
    pub folder: PathBuf,
}

impl FamilyFile {
    /// Reads a family file and applies overrides such as `train.budgets=["1M"]`.
    ///
    /// # Errors
    ///
    /// [`StudyError`] if the file cannot be read, an override does not fit, or the text is no family.
    pub fn read(path: &Path, set: &[String]) -> Result<Self, StudyError> {
        let unreadable = |source| StudyError::ParseFamily { path: path.to_owned(), source };
        let text = overrides::read(path, set, unreadable)?;
        let config = parse(&text, path)?;
        Ok(Self { config, folder: path.parent().unwrap_or(Path::new("")).to_owned() })
    }
}

/// Reads the text of a family; `path` is for messages.
///
/// # Errors
///
/// [`StudyError::ParseFamily`] with line and caret, [`StudyError::Study`] for what one line cannot show.
pub fn parse(text: &str, path: &Path) -> Result<FamilyConfig, StudyError> {
    let config: FamilyConfig = toml::from_str(text).map_err(|source| StudyError::ParseFamily {
        path: path.to_owned(),
        source: Box::new(source),
    })?;
    check(&config)?;
    Ok(config)
}

impl FamilyConfig {
    /// The shape of a size.
    pub fn spec(&self, size: &SizeConfig, vocab: usize) -> ModelSpec {
        let rope = RopeSpec::plain(self.model.rope_theta);
        let d_head = size.d_head.unwrap_or(size.d_model / size.heads);
        let attention = AttentionSpec::plain(size.heads, size.kv_heads, d_head, rope);
        ModelSpec {
            vocab,
            d_model: size.d_model,
            layers: vec![LayerSpec::pre_norm(attention, FfnSpec::swiglu(size.d_ffn)); size.layers],
            norm: NormSpec::plain(self.model.norm_eps),
            tied: self.model.tied,
            max_positions: self.model.max_positions,
            embedding_scale: None,
            logit_softcap: None,
        }
    }

    /// The budgets of a size, rising.
    pub fn budgets(&self, size: &SizeConfig) -> Vec<TokenCount> {
        let budgets = size.budgets.as_ref().unwrap_or(&self.train.budgets);
        budgets.iter().copied().collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The settings of the training loop for a size of so many parameters, with its largest budget.
    ///
    /// # Errors
    ///
    /// As [`RateRule::of`].
    pub fn training(
        &self,
        size: &SizeConfig,
        params: ParamCount,
    ) -> Result<TrainConfig, StudyError> {
        let own = &self.train;
        let largest = self.budgets(size).last().copied().unwrap_or(TokenCount(0));
        let batch = own.batch.of(params)?;
        let base = TrainConfig { batch, ..TrainConfig::new(largest) };
        Ok(TrainConfig {
            tokens: largest,
            batch,
            micro_batch: batch,
            learning_rate: own.learning_rate.of(params)?,
            warmup: Phase::Tokens(own.warmup),
            decay: own.decay.unwrap_or(base.decay),
            weight_decay: own.weight_decay.unwrap_or(base.weight_decay),
            clip: own.clip.unwrap_or(base.clip),
            spike: own.spike.unwrap_or(base.spike),
            // A fiftieth: what a kill can cost is small beside the run, and so is writing.
            checkpoint_every: std::num::NonZeroU64::new(base.steps(self.data.length + 1) / 50)
                .unwrap_or(std::num::NonZeroU64::MIN),
        })
    }
}

/// What one line cannot show.
fn check(config: &FamilyConfig) -> Result<(), StudyError> {
    let require = |holds: bool, rule: String| {
        if holds { Ok(()) } else { Err(StudyError::Study { rule }) }
    };
    crate::check::plain("family.name", &config.family.name)?;
    require(!config.size.is_empty(), "a family needs at least one [[size]]".to_owned())?;
    require(!config.eval.tasks.is_empty(), "eval.tasks is empty".to_owned())?;
    require(config.data.length > 1, "data.length must be at least 2".to_owned())?;
    require(config.data.held_out > 0, "data.held_out must be at least 1".to_owned())?;
    for (task, other) in &config.eval.loss_of {
        let evaluated = |task| config.eval.tasks.contains(task);
        let rule = format!("eval.loss_of names {task:?} and {other:?}: both must be in eval.tasks");
        require(evaluated(task) && evaluated(other), rule)?;
    }
    for size in &config.size {
        crate::check::plain("size name", &size.name)?;
        let distinct = size.seeds.as_deref().is_none_or(are_distinct);
        let rule = format!("seeds of size {:?}: expected 1 to 26, all different", size.name);
        require(distinct, rule)?;
        size.suite.as_ref().map_or(Ok(()), |suite| crate::check::plain("size.suite", suite))?;
        check_shape(size)?;
        let params = config.spec(size, 1).param_counts().non_embedding;
        let training = config.training(size, params)?;
        let (budgets, own) = (config.budgets(size), size.budgets.is_some());
        let name = if own {
            format!("budgets of size {:?}", size.name)
        } else {
            "train.budgets".to_owned()
        };
        require(!budgets.is_empty(), format!("{name} is empty"))?;
        for tokens in budgets {
            let of_budget = TrainConfig { tokens, ..training.clone() };
            of_budget
                .schedule(config.data.length + 1)
                .map_err(|error| StudyError::Study { rule: format!("budget {tokens}: {error}") })?;
        }
    }
    let mut names = BTreeSet::new();
    for Seeded { name, .. } in config.seeded() {
        let rule = format!("two sizes are named {name:?}");
        require(names.insert(name), rule)?;
    }
    Ok(())
}

fn check_shape(size: &SizeConfig) -> Result<(), StudyError> {
    let SizeConfig { name, d_model, layers, heads, kv_heads, d_ffn, d_head, .. } = size;
    let parts = [d_model, layers, heads, kv_heads, d_ffn];
    let d_head = d_head.unwrap_or_else(|| d_model.checked_div(*heads).unwrap_or(0));
    let fits = parts.iter().all(|part| **part > 0)
        && heads.is_multiple_of(*kv_heads)
        && d_head > 0
        && d_head.is_multiple_of(2);
    let rule = || {
        format!(
            "size {name:?}: expected extents above 0, heads a multiple of kv_heads and an even width of heads"
        )
    };
    if fits { Ok(()) } else { Err(StudyError::Study { rule: rule() }) }
}
