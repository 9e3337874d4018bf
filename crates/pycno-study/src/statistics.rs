//! The statistics stage: one pass over the calibration sequences, kept for every rule and ratio.

use pycno_data::{Batch, Shard};
use pycno_model::Decoder;
use pycno_prune::{MeasuredOn, PruneError, Statistics};

use crate::{StudyError, model::Model, stage::Stage, store::StageId};

const FILE: &str = "statistics.json";

/// Sequences a forward pass.
const BATCH: usize = 8;

/// The statistics of a model, from an earlier run if there are any.
pub(crate) fn statistics(
    stage: &mut Stage<'_>,
    model: &Model,
    calibration: &Shard,
) -> Result<Statistics, StudyError> {
    let provenance = MeasuredOn {
        checkpoint: model.hash.clone(),
        calibration: calibration.manifest.hash.clone(),
    };
    let label = format!("{}-statistics", model.name);
    let device = stage.computer();
    let id = StageId::new(&label, &device, &[&provenance.checkpoint, &provenance.calibration])?;
    let failed = |source| StudyError::Prune { student: model.name.clone(), source };
    if let Some(folder) = stage.store.finished(&id) {
        stage.reused(&label)?;
        let path = folder.join(FILE);
        let json =
            std::fs::read_to_string(&path).map_err(|source| StudyError::Read { path, source })?;
        return Statistics::from_json(&json, &provenance).map_err(failed);
    }
    stage.begin(&label, calibration.sequences.len() as u64)?;
    let decoder = model.decoder(stage.dtype, &stage.device)?;
    let statistics =
        measure(&decoder, provenance, calibration, &mut |done| stage.watch.advance(done, ""))
            .map_err(failed)?;
    stage.store.publish_file(&id, FILE, statistics.to_json().as_bytes())?;
    stage.end(&label)?;
    Ok(statistics)
}

/// Runs the decoder over the calibration sequences; `advance` hears how many are done.
pub(crate) fn measure(
    decoder: &Decoder,
    provenance: MeasuredOn,
    calibration: &Shard,
    advance: &mut dyn FnMut(u64),
) -> Result<Statistics, PruneError> {
    let mut statistics = Statistics::new(decoder.spec(), provenance);
    let device = decoder.head_weight().device();
    for sequences in calibration.sequences.chunks(BATCH) {
        let batch = Batch { ids: sequences.to_vec() };
        statistics.observe(decoder, batch.tensor(&device))?;
        advance(statistics.sequences() as u64);
    }
    Ok(statistics)
}
