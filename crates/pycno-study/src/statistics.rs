//! The statistics stage: one pass over the calibration sequences, kept for every rule and ratio.

use std::error::Error;

use pycno_data::{Batch, Shard};
use pycno_model::Decoder;
use pycno_prune::{Calibration, MeasuredOn, PruneError, Statistics, statistics::VERSION};

use crate::{StageKey, StageKind, StudyError, model::Model, stage::Stage};

/// The file's name.
pub(crate) const FILE: &str = "statistics.json";

/// Sequences per forward pass.
const BATCH: usize = 8;

/// What a criterion may ask of a model of the study: measured once, kept in the store.
pub(crate) struct StageCalibration<'a, 'study> {
    pub(crate) stage: &'a mut Stage<'study>,
    pub(crate) model: &'a Model,
    pub(crate) text: &'a Shard,
}

impl Calibration for StageCalibration<'_, '_> {
    fn statistics(&mut self) -> Result<Statistics, Box<dyn Error + Send + Sync>> {
        Ok(statistics(self.stage, self.model, self.text)?)
    }
}

/// The statistics of a model, from an earlier run if there are any.
pub(crate) fn statistics(
    stage: &mut Stage<'_>,
    model: &Model,
    calibration: &Shard,
) -> Result<Statistics, StudyError> {
    let label = format!("{}-statistics", model.name);
    let key = key(stage, model, calibration)?;
    let provenance = MeasuredOn {
        checkpoint: model.hash.clone(),
        calibration: calibration.manifest.hash.clone(),
    };
    let failed = |source| StudyError::Prune { student: model.name.clone(), source };
    let folder = stage.obtain(&label, &key, |stage, claim| {
        stage.begin(&label, calibration.sequences.len() as u64)?;
        let decoder = model.decoder(stage.dtype, &stage.device)?;
        let mut advance = |done| stage.watch.advance(done, "");
        let measured =
            measure(&decoder, provenance.clone(), calibration, &mut advance).map_err(failed)?;
        claim.publish_file(FILE, measured.to_json().as_bytes())
    })?;
    let path = folder.join(FILE);
    let json =
        std::fs::read_to_string(&path).map_err(|source| StudyError::Read { path, source })?;
    Statistics::from_json(&json, &provenance).map_err(failed)
}

/// What the statistics of a model depend on.
pub(crate) fn key(
    stage: &Stage<'_>,
    model: &Model,
    calibration: &Shard,
) -> Result<StageKey, StudyError> {
    let inputs = [("weights", &*model.hash), ("calibration", &*calibration.manifest.hash)];
    StageKey::new((StageKind::Statistics, VERSION), &(), &inputs, &stage.numerics)
}

/// Runs the decoder over the calibration sequences; `advance` hears how many are done.
pub(crate) fn measure(
    decoder: &Decoder,
    provenance: MeasuredOn,
    calibration: &Shard,
    advance: &mut dyn FnMut(u64),
) -> Result<Statistics, PruneError> {
    let mut statistics = Statistics::new(decoder.spec(), provenance);
    let device = decoder.device();
    for sequences in calibration.sequences.chunks(BATCH) {
        let batch = Batch::plain(sequences.to_vec());
        statistics.observe(decoder, batch.tensor(&device))?;
        advance(statistics.sequences() as u64);
    }
    Ok(statistics)
}
