//! What a study would do: shapes and sizes of its models, before any is made.

use pycno_model::{LayerSpec, ModelSpec, ParamCounts};
use pycno_prune::{PruneConfig, PruneError, Width};
use pycno_units::Flops;

use crate::{Environment, StudyError, StudyFile, config::StudentConfig, resolve::Study, students};

/// A model as it will be.
#[derive(Clone, Debug)]
pub struct PlannedModel {
    /// Name in the study.
    pub name: String,
    /// What it is made from; `None` for the teacher and its direct students.
    pub from: Option<String>,
    /// How, one entry a stage.
    pub made_by: Vec<String>,
    /// Layers.
    pub n_layers: usize,
    /// Parameters.
    pub counts: ParamCounts,
    /// Compute of its recovery, if it has one.
    pub training: Option<Flops>,
}

/// Plans a study; only the teacher's checkpoint is opened.
///
/// # Errors
///
/// A [`StudyError`] for whatever would stop the study before its first stage.
pub fn plan(file: &StudyFile, environment: &Environment) -> Result<Vec<PlannedModel>, StudyError> {
    let study = Study::resolve(file, environment)?;
    let teacher = study.open_teacher()?;
    planned(&study, &teacher.spec)
}

/// The models of a study in its order, teacher first.
pub(crate) fn planned(study: &Study, teacher: &ModelSpec) -> Result<Vec<PlannedModel>, StudyError> {
    let mut shapes = vec![("teacher", teacher.clone())];
    let loaded = vec![format!("loaded: {}", study.config.teacher.checkpoint)];
    let mut models = vec![model("teacher", None, loaded, teacher)];
    for student in &study.config.student {
        let from = student.from.as_deref().unwrap_or("teacher");
        let from = student.from_scratch.as_ref().map_or(from, |shape| &shape.shape_of);
        let parent = shapes.iter().find(|(name, _)| *name == from).map_or(teacher, |(_, s)| s);
        let spec = match &student.prune {
            Some(config) => shape_after(config, parent)
                .map_err(|source| StudyError::Prune { student: student.name.clone(), source })?,
            None => parent.clone(),
        };
        models.push(PlannedModel {
            training: training(student, teacher, &spec),
            ..model(&student.name, student.from.clone(), steps(student), &spec)
        });
        shapes.push((&student.name, spec));
    }
    Ok(models)
}

fn model(name: &str, from: Option<String>, made_by: Vec<String>, spec: &ModelSpec) -> PlannedModel {
    PlannedModel {
        name: name.to_owned(),
        from,
        made_by,
        n_layers: spec.layers.len(),
        counts: spec.param_counts(),
        training: None,
    }
}

fn steps(student: &StudentConfig) -> Vec<String> {
    let prune = student.prune.as_ref().map(students::in_words);
    let recover = student.recover.as_ref();
    let recover = recover.map(|r| format!("{} on {}", r.objective, r.tokens));
    let shape = student.from_scratch.as_ref();
    let shape = shape.map(|shape| format!("from scratch, in the shape of {}", shape.shape_of));
    shape.into_iter().chain(prune).chain(recover).collect()
}

/// Shape a method leaves. Which layers stay is known only after measuring, so depth counts on the
/// bottom ones; in a uniform model that changes nothing.
fn shape_after(config: &PruneConfig, spec: &ModelSpec) -> Result<ModelSpec, PruneError> {
    let keep = |field: &str, keep: usize, available: usize| {
        let field = field.to_owned();
        let possible = (1..=available).contains(&keep);
        if possible { Ok(keep) } else { Err(PruneError::Keep { field, available, keep }) }
    };
    let hidden = |width: Width, layer: LayerSpec| {
        let d_ffn = keep("keep_ffn", width.kept(layer.d_ffn()), layer.d_ffn())?;
        Ok::<_, PruneError>(layer.with_d_ffn(d_ffn))
    };
    let groups = |keep_groups: usize, layer: LayerSpec| {
        let n_kv_heads = keep("keep_groups", keep_groups, layer.n_kv_heads())?;
        Ok::<_, PruneError>(layer.with_kv_heads(n_kv_heads))
    };
    let layers = spec.layers.iter().copied();
    let layers = match *config {
        PruneConfig::BlockInfluence { keep_layers } => {
            Ok(layers.take(keep("keep_layers", keep_layers, spec.layers.len())?).collect())
        }
        PruneConfig::MinitronFfn { width } => layers.map(|l| hidden(width, l)).collect(),
        PruneConfig::MinitronKvGroups { keep_groups } => {
            layers.map(|l| groups(keep_groups, l)).collect()
        }
        PruneConfig::MinitronWidth { width, keep_groups } => {
            layers.map(|l| hidden(width, groups(keep_groups, l)?)).collect()
        }
    };
    Ok(ModelSpec { layers: layers?, ..spec.clone() })
}

/// `6 N` operations per token for the student, and `2 N` for the teacher if it guides; heads count, lookups do not.
fn training(student: &StudentConfig, teacher: &ModelSpec, spec: &ModelSpec) -> Option<Flops> {
    let recover = student.recover.as_ref()?;
    let tokens = recover.tokens.0 as f64;
    let weights =
        |spec: &ModelSpec| spec.param_counts().non_embedding.0 + (spec.vocab * spec.d_model) as f64;
    let guide = if recover.objective.needs_teacher() { 2.0 * weights(teacher) } else { 0.0 };
    Some(Flops(tokens * (6.0 * weights(spec) + guide)))
}
