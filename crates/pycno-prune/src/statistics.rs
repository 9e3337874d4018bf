//! What one pass over the calibration sequences leaves behind: sums in `f64`, enough for every rule.

use burn::tensor::{Int, Tensor};
use pycno_model::{Decoder, ModelSpec};
use pycno_units::TokenCount;
use serde::{Deserialize, Serialize};

use crate::{
    PruneError,
    document::{self, Kind},
    observe::Pass,
};

/// Version of what is measured and how it is stored; raised with either, so that what an earlier version left is
/// measured anew.
pub const VERSION: u32 = 2;

const KIND: Kind = Kind { document: "statistics", format: VERSION };

/// Sums of activations of a dense model over calibration sequences.
///
/// Sums only grow, a sequence at a time, so a pass may stop after any batch, be stored with
/// [`Statistics::to_json`] and go on from [`Statistics::sequences`], and parts measured apart
/// [`Statistics::merge`]. Order and grouping of the sequences change no more than rounding.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Statistics {
    format: u32,
    provenance: MeasuredOn,
    spec: ModelSpec,
    sequences: usize,
    tokens: u64,
    layers: Vec<LayerStatistics>,
}

/// What was measured on what.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MeasuredOn {
    /// [`crate::fingerprint`] of the checkpoint.
    pub checkpoint: String,
    /// Hash of the calibration manifest.
    pub calibration: String,
}

/// Sums of one layer.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LayerStatistics {
    /// Sum over tokens of the cosine between the block's input and output.
    pub cosine_sum: f64,
    /// Tokens in that sum.
    pub cosine_tokens: u64,
    /// Tokens left out, because input or output was the zero vector.
    pub skipped_tokens: u64,
    /// By FFN channel: sum over sequences of (mean over tokens of `|x|`) squared.
    pub ffn_square_sums: Vec<f64>,
    /// By query head: sum over sequences of (mean over tokens of the L2 norm) squared.
    pub head_square_sums: Vec<f64>,
}

impl Statistics {
    /// Statistics of nothing yet.
    pub fn new(spec: &ModelSpec, provenance: MeasuredOn) -> Self {
        let empty = |layer: &pycno_model::LayerSpec| LayerStatistics {
            ffn_square_sums: vec![0.0; layer.d_ffn()],
            head_square_sums: vec![0.0; layer.n_heads()],
            ..LayerStatistics::default()
        };
        let layers = spec.layers.iter().map(empty).collect();
        let spec = spec.clone();
        Self { format: KIND.format, provenance, spec, sequences: 0, tokens: 0, layers }
    }

    /// Runs the decoder over a batch of unpadded sequences and adds what it saw. Pass a decoder on a
    /// plain device, since an autodiff one would record a tape.
    ///
    /// # Shapes
    ///
    /// - `ids`: `[batch, seq]`
    ///
    /// # Errors
    ///
    /// [`PruneError::OtherSource`] for a decoder of another shape, [`PruneError::EmptySequence`],
    /// [`PruneError::NotFinite`] with layer and site; the statistics then stay as they were.
    pub fn observe(&mut self, decoder: &Decoder, ids: Tensor<2, Int>) -> Result<(), PruneError> {
        self.expect_spec(decoder.spec())?;
        let [batch, seq] = ids.dims();
        if seq == 0 {
            return Err(PruneError::EmptySequence { seq });
        }
        let mut pass = Pass::new(self.layers.clone(), batch);
        decoder.observed(ids, &mut |layer_idx, site, x| pass.see(layer_idx, site, x));
        self.layers = pass.finish()?;
        self.sequences += batch;
        self.tokens += (batch * seq) as u64;
        Ok(())
    }

    /// Adds sums measured apart on other sequences of the same calibration set.
    ///
    /// # Errors
    ///
    /// [`PruneError::OtherSource`] unless model and calibration set are the same.
    pub fn merge(&mut self, other: &Self) -> Result<(), PruneError> {
        other.expect_provenance(&self.provenance)?;
        other.expect_spec(&self.spec)?;
        self.sequences += other.sequences;
        self.tokens += other.tokens;
        for (mine, theirs) in self.layers.iter_mut().zip(&other.layers) {
            mine.add(theirs);
        }
        Ok(())
    }

    /// Reads a document that [`Statistics::to_json`] wrote.
    ///
    /// # Errors
    ///
    /// [`PruneError::Format`], [`PruneError::Json`], [`PruneError::Measure`] for sums that cannot be.
    pub fn parse(json: &str) -> Result<Self, PruneError> {
        let statistics: Self = KIND.read(json)?;
        statistics.check_sums()?;
        Ok(statistics)
    }

    /// The same, for what was measured on what.
    ///
    /// # Errors
    ///
    /// As [`Statistics::parse`]; [`PruneError::OtherSource`] if it is of another checkpoint or calibration set.
    pub fn from_json(json: &str, provenance: &MeasuredOn) -> Result<Self, PruneError> {
        let statistics = Self::parse(json)?;
        statistics.expect_provenance(provenance)?;
        Ok(statistics)
    }

    /// Refuses statistics of another checkpoint than the one with this fingerprint.
    ///
    /// # Errors
    ///
    /// [`PruneError::OtherSource`].
    pub fn expect_checkpoint(&self, fingerprint: &str) -> Result<(), PruneError> {
        expect("checkpoint", fingerprint, &self.provenance.checkpoint)
    }

    /// The statistics as JSON; reading it back gives the same bits.
    pub fn to_json(&self) -> String {
        document::write(self)
    }

    /// The BLAKE3 hash of [`Statistics::to_json`], in hex.
    pub fn hash(&self) -> String {
        document::hash(self)
    }

    /// Sequences seen.
    pub const fn sequences(&self) -> usize {
        self.sequences
    }

    /// Tokens seen.
    pub const fn tokens(&self) -> TokenCount {
        TokenCount(self.tokens)
    }

    /// Which checkpoint was run over which sequences.
    pub const fn provenance(&self) -> &MeasuredOn {
        &self.provenance
    }

    /// Shape of the model measured.
    pub const fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// The sums, bottom layer first.
    pub fn layers(&self) -> &[LayerStatistics] {
        &self.layers
    }

    /// The sums, if there are any.
    pub(crate) fn measured(&self) -> Result<&[LayerStatistics], PruneError> {
        if self.sequences == 0 { Err(PruneError::NoSequences) } else { Ok(&self.layers) }
    }

    /// Refuses a model of another shape.
    pub(crate) fn expect_spec(&self, spec: &ModelSpec) -> Result<(), PruneError> {
        if self.spec == *spec {
            return Ok(());
        }
        let (expected, found) = (document::write(spec), document::write(&self.spec));
        Err(PruneError::OtherSource { what: "model shape", expected, found })
    }

    fn expect_provenance(&self, provenance: &MeasuredOn) -> Result<(), PruneError> {
        self.expect_checkpoint(&provenance.checkpoint)?;
        expect("calibration", &provenance.calibration, &self.provenance.calibration)
    }

    fn check_sums(&self) -> Result<(), PruneError> {
        let refuse = |layer_idx, expected: String, found: String| {
            Err(PruneError::Measure { layer_idx, expected, found })
        };
        let (n_layers, expected) = (self.layers.len(), self.spec.layers.len());
        if n_layers != expected {
            return refuse(n_layers, format!("a place among {expected}"), n_layers.to_string());
        }
        for (layer_idx, (layer, shape)) in self.layers.iter().zip(&self.spec.layers).enumerate() {
            let sizes = (layer.ffn_square_sums.len(), layer.head_square_sums.len());
            if sizes != (shape.d_ffn(), shape.n_heads()) {
                let expected = format!("{} channels and {} heads", shape.d_ffn(), shape.n_heads());
                return refuse(layer_idx, expected, format!("{} and {}", sizes.0, sizes.1));
            }
            let tokens = layer.cosine_tokens.saturating_add(layer.skipped_tokens);
            if tokens != self.tokens {
                return refuse(layer_idx, format!("{} tokens", self.tokens), tokens.to_string());
            }
            let squares = layer.ffn_square_sums.iter().chain(&layer.head_square_sums);
            if let Some(negative) = squares.copied().find(|x| *x < 0.0) {
                return refuse(layer_idx, "no negative square".to_owned(), negative.to_string());
            }
        }
        Ok(())
    }
}

impl LayerStatistics {
    fn add(&mut self, other: &Self) {
        self.cosine_sum += other.cosine_sum;
        self.cosine_tokens += other.cosine_tokens;
        self.skipped_tokens += other.skipped_tokens;
        add(&mut self.ffn_square_sums, &other.ffn_square_sums);
        add(&mut self.head_square_sums, &other.head_square_sums);
    }
}

fn expect(what: &'static str, expected: &str, found: &str) -> Result<(), PruneError> {
    if expected == found {
        return Ok(());
    }
    let (expected, found) = (expected.to_owned(), found.to_owned());
    Err(PruneError::OtherSource { what, expected, found })
}

fn add(sums: &mut [f64], terms: &[f64]) {
    sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
}

#[cfg(test)]
mod tests {
    use pycno_model::{Part, TensorId};

    use super::*;
    use crate::fixture::{self, Shape};

    fn sums(statistics: &Statistics) -> Vec<f64> {
        let layers = statistics.layers.iter();
        let each = |layer: &LayerStatistics| {
            let counts =
                [layer.cosine_sum, layer.cosine_tokens as f64, layer.skipped_tokens as f64];
            [&counts[..], &layer.ffn_square_sums, &layer.head_square_sums].concat()
        };
        layers.flat_map(each).collect()
    }

    /// Equal counts, and sums equal to a relative tolerance.
    #[track_caller]
    fn check(a: &Statistics, b: &Statistics, tolerance: f64) {
        assert_eq!((a.sequences, a.tokens), (b.sequences, b.tokens));
        for (x, y) in sums(a).into_iter().zip(sums(b)) {
            assert!((x - y).abs() <= tolerance * x.abs().max(1.0), "{x} against {y}");
        }
    }

    /// What batched and single forward passes in `f32` may differ by.
    const FORWARD_NOISE: f64 = 1e-5;
    /// What a sum of some hundred `f64` may change by when reordered.
    const SUM_NOISE: f64 = 1e-12;

    #[test]
    fn batch_grouping_does_not_matter_for_1_127_and_129_sequences() {
        let checkpoint = fixture::checkpoint(&Shape::default().spec(), 3);
        for n in [1, 127, 129] {
            let sequences = fixture::sequences(n, 5, 7);
            let single = fixture::statistics(&checkpoint, &sequences, 1);
            assert_eq!((single.sequences(), single.tokens()), (n, TokenCount(5 * n as u64)));
            assert!(sums(&single).iter().any(|x| *x > 0.0));
            check(&single, &fixture::statistics(&checkpoint, &sequences, 16), FORWARD_NOISE);
            check(&single, &fixture::statistics(&checkpoint, &sequences, 129), FORWARD_NOISE);
        }
    }

    #[test]
    fn permuting_calibration_samples_leaves_statistics_equal() {
        let checkpoint = fixture::checkpoint(&Shape::default().spec(), 3);
        let sequences = fixture::sequences(40, 5, 7);
        let reversed: Vec<_> = sequences.iter().rev().cloned().collect();
        let forward = fixture::statistics(&checkpoint, &sequences, 1);
        check(&forward, &fixture::statistics(&checkpoint, &reversed, 1), SUM_NOISE);
    }

    #[test]
    fn a_pass_that_was_stored_and_resumed_gives_the_same_bits() {
        let checkpoint = fixture::checkpoint(&Shape::default().spec(), 3);
        let sequences = fixture::sequences(10, 5, 7);
        let whole = fixture::statistics(&checkpoint, &sequences, 2);
        let json = fixture::statistics(&checkpoint, &sequences[..4], 2).to_json();
        let mut resumed = Statistics::from_json(&json, &fixture::provenance()).unwrap();
        let decoder = fixture::decoder(&checkpoint);
        for batch in sequences[resumed.sequences()..].chunks(2) {
            resumed.observe(&decoder, fixture::ids(batch)).unwrap();
        }
        assert_eq!(resumed, whole);
        assert_eq!(resumed.hash(), whole.hash());
    }

    #[test]
    fn parts_measured_apart_merge_to_the_whole() {
        let checkpoint = fixture::checkpoint(&Shape::default().spec(), 3);
        let sequences = fixture::sequences(10, 5, 7);
        let mut merged = fixture::statistics(&checkpoint, &sequences[..3], 1);
        merged.merge(&fixture::statistics(&checkpoint, &sequences[3..], 1)).unwrap();
        check(&merged, &fixture::statistics(&checkpoint, &sequences, 1), SUM_NOISE);
    }

    #[test]
    fn a_non_finite_activation_names_layer_and_site_and_leaves_the_sums() {
        let sites = [
            (Part::V, "attention context"),
            (Part::Up, "FFN channels"),
            (Part::Down, "block output"),
        ];
        let healthy = fixture::checkpoint(&Shape::default().spec(), 3);
        let sequences = fixture::sequences(2, 5, 7);
        for (part, site) in sites {
            let mut statistics = fixture::statistics(&healthy, &sequences, 2);
            let before = statistics.clone();
            let mut sick = healthy.clone();
            let id = TensorId::weight(1, part);
            fixture::edit(&mut sick, id, |i, x| if i == 3 { f32::NAN } else { x });
            let decoder = fixture::decoder(&sick);
            let error = statistics.observe(&decoder, fixture::ids(&sequences)).unwrap_err();
            let expect = format!("activations must be finite, got NaN at the {site} of layer 1");
            assert_eq!(error.to_string(), expect);
            assert_eq!(statistics, before);
        }
    }

    #[test]
    fn statistics_of_another_model_or_text_are_refused() {
        let checkpoint = fixture::checkpoint(&Shape::default().spec(), 3);
        let statistics = fixture::statistics(&checkpoint, &fixture::sequences(2, 5, 7), 2);
        let asked = |checkpoint: &str, calibration: &str| MeasuredOn {
            checkpoint: checkpoint.to_owned(),
            calibration: calibration.to_owned(),
        };
        let read = |asked| Statistics::from_json(&statistics.to_json(), &asked);
        assert_eq!(read(asked("weights", "text")).unwrap(), statistics);
        let error = read(asked("others", "text")).unwrap_err().to_string();
        assert_eq!(error, "statistics must be of checkpoint others, got weights");
        let error = read(asked("weights", "news")).unwrap_err().to_string();
        assert_eq!(error, "statistics must be of calibration news, got text");

        let wider = Shape { d_model: 12, ..Shape::default() }.spec();
        let mut other = Statistics::new(&wider, fixture::provenance());
        let decoder = fixture::decoder(&checkpoint);
        let ids = fixture::ids(&fixture::sequences(1, 5, 7));
        let error = other.observe(&decoder, ids).unwrap_err();
        assert!(matches!(error, PruneError::OtherSource { what: "model shape", .. }));
        let error = other.merge(&statistics).unwrap_err();
        assert!(matches!(error, PruneError::OtherSource { what: "model shape", .. }));
    }

    #[test]
    fn a_document_that_lies_is_refused() {
        let checkpoint = fixture::checkpoint(&Shape::default().spec(), 3);
        let honest = fixture::statistics(&checkpoint, &fixture::sequences(2, 5, 7), 2);
        let refused = |change: &dyn Fn(&mut Statistics)| {
            let mut lie = honest.clone();
            change(&mut lie);
            let error = Statistics::from_json(&lie.to_json(), &fixture::provenance()).unwrap_err();
            error.to_string()
        };
        assert_eq!(refused(&|s| s.format = 9), "statistics must have format 2, got 9");
        assert_eq!(
            refused(&|s| s.layers.truncate(2)),
            "statistics of layer 2 must have a place among 3, got 2"
        );
        assert_eq!(
            refused(&|s| s.layers[1].ffn_square_sums.truncate(6)),
            "statistics of layer 1 must have 7 channels and 4 heads, got 6 and 4"
        );
        assert_eq!(
            refused(&|s| s.layers[0].cosine_tokens = 3),
            "statistics of layer 0 must have 10 tokens, got 3"
        );
        assert_eq!(
            refused(&|s| s.layers[0].head_square_sums[0] = -1.0),
            "statistics of layer 0 must have no negative square, got -1"
        );
        assert_eq!(refused(&|s| s.layers[2].cosine_sum = f64::NAN), "cannot read the statistics");
        let strange = honest.to_json().replacen("\"tokens\"", "\"extra\":1,\"tokens\"", 1);
        let error = Statistics::from_json(&strange, &fixture::provenance()).unwrap_err();
        assert!(matches!(error, PruneError::Json { document: "statistics", .. }));
    }
}
