//! Small random models for the tests of this crate.

use burn::tensor::{Device, Int, Tensor, TensorData};
use pycno_model::{
    Activation, AttentionSpec, Checkpoint, Decoder, FfnSpec, HostTensor, LayerSpec, ModelSpec,
    NormPlacement, NormSpec, Part, RopeSpec, TensorId, tensors::Param,
};
use pycno_units::Seed;

use crate::{MeasuredOn, Statistics};

pub(crate) const VOCAB: usize = 13;

/// The choices that make a small model.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "options that a model has or has not, each on its own"
)]
pub(crate) struct Shape {
    pub(crate) d_model: usize,
    pub(crate) d_head: usize,
    /// Key/value heads, query heads per group, FFN width.
    pub(crate) layers: Vec<[usize; 3]>,
    pub(crate) attention_bias: bool,
    pub(crate) mlp_bias: bool,
    pub(crate) tied: bool,
    pub(crate) window: Option<usize>,
    /// All that Gemma 2 and 3 add: norms everywhere, gains less 1, GELU, scales and softcaps.
    pub(crate) gemma: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            d_model: 10,
            d_head: 4,
            layers: vec![[2, 2, 7]; 3],
            attention_bias: false,
            mlp_bias: false,
            tied: false,
            window: None,
            gemma: false,
        }
    }
}

impl Shape {
    pub(crate) fn spec(&self) -> ModelSpec {
        ModelSpec {
            vocab: VOCAB,
            d_model: self.d_model,
            layers: self.layers.iter().map(|sizes| self.layer(*sizes)).collect(),
            norm: NormSpec { eps: 1e-5, unit_offset: self.gemma },
            tied: self.tied,
            max_positions: 64,
            embedding_scale: self.gemma.then_some(3.0),
            logit_softcap: self.gemma.then_some(4.0),
        }
    }

    fn layer(&self, [n_kv_heads, per_group, d_ffn]: [usize; 3]) -> LayerSpec {
        let heads = [n_kv_heads * per_group, n_kv_heads];
        let attention = AttentionSpec {
            qkv_bias: self.attention_bias,
            o_bias: self.attention_bias,
            qk_norm: self.gemma,
            window: self.window,
            scale: self.gemma.then_some(0.4),
            softcap: self.gemma.then_some(5.0),
            ..AttentionSpec::plain(heads[0], heads[1], self.d_head, RopeSpec::plain(1e4))
        };
        let activation = if self.gemma { Activation::GeluTanh } else { Activation::Silu };
        let ffn = FfnSpec { d_ffn, activation, bias: self.mlp_bias };
        let norms = if self.gemma { NormPlacement::BeforeAndAfter } else { NormPlacement::Before };
        LayerSpec { norms, ..LayerSpec::pre_norm(attention, ffn) }
    }
}

/// Random bits, one after the other.
pub(crate) struct Bits(u64);

impl Bits {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Seed(seed).split("fixture").0)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        Seed(self.0).split("").0
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }

    /// A number in `[-0.5, 0.5)`.
    pub(crate) fn uniform(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 24) as f32 - 0.5
    }

    /// A random non-empty ascending choice of `0..n`.
    pub(crate) fn subset(&mut self, n: usize) -> Vec<usize> {
        let sure = self.below(n);
        (0..n).filter(|i| *i == sure || self.below(2) == 0).collect()
    }
}

/// A checkpoint of random weights.
pub(crate) fn checkpoint(spec: &ModelSpec, seed: u64) -> Checkpoint {
    let mut bits = Bits::new(seed);
    let tensors = spec.shapes().map(|(id, shape)| {
        let len = shape.iter().product();
        let is_gain = shape.len() == 1 && id.param == Param::Weight;
        let around = if is_gain && !spec.norm.unit_offset { 1.0 } else { 0.0 };
        (id, HostTensor::new(shape, (0..len).map(|_| around + bits.uniform()).collect()))
    });
    Checkpoint::new(spec.clone(), tensors.collect())
}

/// Replaces a tensor's values by what `f` makes of index and value.
pub(crate) fn edit(checkpoint: &mut Checkpoint, id: TensorId, f: impl Fn(usize, f32) -> f32) {
    let tensor = &checkpoint.tensors[&id];
    let data = tensor.values().iter().enumerate().map(|(i, x)| f(i, *x)).collect();
    let edited = HostTensor::new(tensor.shape().to_vec(), data);
    checkpoint.tensors.insert(id, edited);
}

/// Makes a block add nothing to the residual stream.
pub(crate) fn nullify(checkpoint: &mut Checkpoint, layer_idx: usize) {
    for part in [Part::O, Part::Down] {
        edit(checkpoint, TensorId::weight(layer_idx, part), |_, _| 0.0);
    }
}

/// Random sequences.
pub(crate) fn sequences(n: usize, seq: usize, seed: u64) -> Vec<Vec<u32>> {
    let mut bits = Bits::new(seed);
    let mut token = || u32::try_from(bits.below(VOCAB)).unwrap();
    (0..n).map(|_| (0..seq).map(|_| token()).collect()).collect()
}

pub(crate) fn ids(sequences: &[Vec<u32>]) -> Tensor<2, Int> {
    let shape = [sequences.len(), sequences[0].len()];
    let flat: Vec<i32> = sequences.concat().into_iter().map(u32::cast_signed).collect();
    Tensor::from_data(TensorData::new(flat, shape), &Device::flex())
}

pub(crate) fn decoder(checkpoint: &Checkpoint) -> Decoder {
    Decoder::new(checkpoint, &Device::flex()).unwrap()
}

/// Logits of every position, row-major.
pub(crate) fn logits(checkpoint: &Checkpoint, sequences: &[Vec<u32>]) -> Vec<f32> {
    let decoder = decoder(checkpoint);
    let hidden = decoder.hidden(ids(sequences));
    let [batch, seq, d_model] = hidden.dims();
    let logits = decoder.logits(hidden.reshape([batch * seq, d_model]));
    logits.into_data().try_to_vec().unwrap()
}

pub(crate) fn provenance() -> MeasuredOn {
    MeasuredOn { checkpoint: "weights".to_owned(), calibration: "text".to_owned() }
}

/// Statistics of a checkpoint over sequences, in batches of a given size.
pub(crate) fn statistics(
    checkpoint: &Checkpoint,
    sequences: &[Vec<u32>],
    batch: usize,
) -> Statistics {
    let decoder = decoder(checkpoint);
    let mut statistics = Statistics::new(&checkpoint.spec, provenance());
    for batch in sequences.chunks(batch) {
        statistics.observe(&decoder, ids(batch)).unwrap();
    }
    statistics
}

/// The largest difference relative to the larger scale.
pub(crate) fn relative_error(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let scale = a.iter().chain(b).fold(f32::MIN_POSITIVE, |scale, x| scale.max(x.abs()));
    a.iter().zip(b).fold(0.0_f32, |error, (x, y)| error.max((x - y).abs())) / scale
}
