//! One block: attention and a gated FFN, each behind its norm, each added to the residual stream.

use burn::{
    module::{Module, Param},
    tensor::{DType, Device, Tensor, TensorData},
};
use pycno_kernels::{
    attention::{Arrangement, HeadLayout, HeadNorms, Qkv, self_attention},
    gated::{GateAndUp, gated},
    linear::{add_bias, linear},
    rms_norm::rms_norm,
    rope::RopeTable,
};

use crate::{
    AttentionSpec, Checkpoint, FfnSpec, HostTensor, ModelSpec, NormSpec, Part, RopeSpec, TensorId,
};

/// A site in a block that an observer sees.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Site {
    /// Residual stream entering the block, `[batch, seq, d_model]`.
    BlockInput,
    /// Input of the output projection, `[batch, seq, n_heads * d_head]`.
    AttentionContext,
    /// Input of the down projection, `[batch, seq, d_ffn]`.
    FfnChannels,
    /// Residual stream leaving the block, `[batch, seq, d_model]`.
    BlockOutput,
}

/// Called with layer index, site and activation.
pub type Observer<'a> = dyn FnMut(usize, Site, &Tensor<3>) + 'a;

/// Where weights go, and as what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeviceDtype<'a> {
    pub(crate) device: &'a Device,
    pub(crate) dtype: DType,
}

/// What a block needs beside its input.
pub(crate) struct Pass<'a, 'b> {
    pub(crate) layer_idx: usize,
    pub(crate) ropes: &'a Ropes,
    pub(crate) arrangement: Arrangement<'a>,
    pub(crate) observe: &'a mut Observer<'b>,
}

/// The rotary tables of the positions of a pass: one for each kind of rotation the model's layers have.
pub(crate) struct Ropes(Vec<((RopeSpec, usize), RopeTable)>);

/// A linear projection; the weight as checkpoints store it, `[d_out, d_in]`.
#[derive(Module, Debug)]
pub(crate) struct Linear {
    pub(crate) weight: Param<Tensor<2>>,
    pub(crate) bias: Option<Param<Tensor<1>>>,
}

/// Root mean square layer normalization.
#[derive(Module, Debug)]
pub(crate) struct RmsNorm {
    pub(crate) gamma: Param<Tensor<1>>,
    #[module(skip)]
    spec: NormSpec,
}

/// A block of the decoder.
#[derive(Module, Debug)]
pub(crate) struct Layer {
    pub(crate) input_norm: Option<RmsNorm>,
    pub(crate) attention: Option<Attention>,
    pub(crate) mlp_norm: Option<RmsNorm>,
    pub(crate) mlp: Option<Mlp>,
}

/// Grouped-query attention.
#[derive(Module, Debug)]
pub(crate) struct Attention {
    pub(crate) q: Linear,
    pub(crate) k: Linear,
    pub(crate) v: Linear,
    pub(crate) q_norm: Option<RmsNorm>,
    pub(crate) k_norm: Option<RmsNorm>,
    pub(crate) o: Linear,
    pub(crate) post_norm: Option<RmsNorm>,
    #[module(skip)]
    spec: AttentionSpec,
}

/// A gated unit: `down(act(gate(x)) * up(x))` (Shazeer 2020,
/// [arXiv:2002.05202](https://arxiv.org/abs/2002.05202)).
#[derive(Module, Debug)]
pub(crate) struct Mlp {
    pub(crate) gate: Linear,
    pub(crate) up: Linear,
    pub(crate) down: Linear,
    pub(crate) post_norm: Option<RmsNorm>,
    #[module(skip)]
    spec: FfnSpec,
}

/// The tensors of one block on their way to a device.
struct Loading<'a> {
    checkpoint: &'a Checkpoint,
    layer_idx: usize,
    target: &'a DeviceDtype<'a>,
}

impl Loading<'_> {
    fn tensor(&self, id: TensorId) -> Option<&HostTensor> {
        self.checkpoint.tensors.get(&id)
    }

    /// A projection of the block, which the checkpoint has been checked to have.
    fn linear(&self, part: Part) -> Linear {
        let weight = &self.checkpoint.tensors[&TensorId::weight(self.layer_idx, part)];
        load_linear(weight, self.tensor(TensorId::bias(self.layer_idx, part)), self.target)
    }

    fn norm(&self, part: Part) -> Option<RmsNorm> {
        let gamma = self.tensor(TensorId::weight(self.layer_idx, part))?;
        Some(load_norm(gamma, self.checkpoint.spec.norm, self.target))
    }

    fn attention(&self, spec: AttentionSpec) -> Attention {
        Attention {
            q: self.linear(Part::Q),
            k: self.linear(Part::K),
            v: self.linear(Part::V),
            q_norm: self.norm(Part::QNorm),
            k_norm: self.norm(Part::KNorm),
            o: self.linear(Part::O),
            post_norm: self.norm(Part::PostAttnNorm),
            spec,
        }
    }

    fn mlp(&self, spec: FfnSpec) -> Mlp {
        Mlp {
            gate: self.linear(Part::Gate),
            up: self.linear(Part::Up),
            down: self.linear(Part::Down),
            post_norm: self.norm(Part::PostFfnNorm),
            spec,
        }
    }
}

impl Layer {
    pub(crate) fn new(checkpoint: &Checkpoint, layer_idx: usize, target: &DeviceDtype<'_>) -> Self {
        let loading = Loading { checkpoint, layer_idx, target };
        let spec = checkpoint.spec.layers[layer_idx];
        Self {
            input_norm: loading.norm(Part::AttnNorm),
            attention: spec.attention.map(|spec| loading.attention(spec)),
            mlp_norm: loading.norm(Part::FfnNorm),
            mlp: spec.ffn.map(|spec| loading.mlp(spec)),
        }
    }

    pub(crate) fn forward(&self, x: Tensor<3>, pass: &mut Pass<'_, '_>) -> Tensor<3> {
        (pass.observe)(pass.layer_idx, Site::BlockInput, &x);
        let x = match &self.attention {
            Some(attention) => {
                x.clone() + attention.forward(normed(self.input_norm.as_ref(), x), pass)
            }
            None => x,
        };
        let x = match &self.mlp {
            Some(mlp) => x.clone() + mlp.forward(normed(self.mlp_norm.as_ref(), x), pass),
            None => x,
        };
        (pass.observe)(pass.layer_idx, Site::BlockOutput, &x);
        x
    }

    /// The layer's weights.
    pub(crate) fn tensors(&self, layer_idx: usize) -> Vec<(TensorId, HostTensor)> {
        let mut found = Vec::new();
        let norms = [(Part::AttnNorm, &self.input_norm), (Part::FfnNorm, &self.mlp_norm)];
        add_norms(&mut found, layer_idx, norms);
        if let Some(Attention { q, k, v, q_norm, k_norm, o, post_norm, .. }) = &self.attention {
            let linears = [(Part::Q, q), (Part::K, k), (Part::V, v), (Part::O, o)];
            add_linears(&mut found, layer_idx, linears);
            let norms =
                [(Part::QNorm, q_norm), (Part::KNorm, k_norm), (Part::PostAttnNorm, post_norm)];
            add_norms(&mut found, layer_idx, norms);
        }
        if let Some(Mlp { gate, up, down, post_norm, .. }) = &self.mlp {
            add_linears(
                &mut found,
                layer_idx,
                [(Part::Gate, gate), (Part::Up, up), (Part::Down, down)],
            );
            add_norms(&mut found, layer_idx, [(Part::PostFfnNorm, post_norm)]);
        }
        found
    }
}

fn add_norms<const N: usize>(
    found: &mut Vec<(TensorId, HostTensor)>,
    layer_idx: usize,
    norms: [(Part, &Option<RmsNorm>); N],
) {
    let own = |(part, norm): (Part, &Option<RmsNorm>)| {
        let norm = norm.as_ref()?;
        Some((TensorId::weight(layer_idx, part), host(norm.gamma.val())))
    };
    found.extend(norms.into_iter().filter_map(own));
}

fn add_linears<const N: usize>(
    found: &mut Vec<(TensorId, HostTensor)>,
    layer_idx: usize,
    linears: [(Part, &Linear); N],
) {
    for (part, linear) in linears {
        found.push((TensorId::weight(layer_idx, part), host(linear.weight.val())));
        let bias = linear.bias().map(|bias| (TensorId::bias(layer_idx, part), host(bias)));
        found.extend(bias);
    }
}

fn normed(norm: Option<&RmsNorm>, x: Tensor<3>) -> Tensor<3> {
    match norm {
        Some(norm) => norm.forward(x),
        None => x,
    }
}

impl Attention {
    fn forward(&self, x: Tensor<3>, pass: &mut Pass<'_, '_>) -> Tensor<3> {
        let arrangement = std::mem::replace(&mut pass.arrangement, Arrangement::Batch);
        let rope = pass.ropes.of(&self.spec);
        let context = self_attention(x, self.projections(), self.layout(), rope, arrangement);
        (pass.observe)(pass.layer_idx, Site::AttentionContext, &context);
        normed(self.post_norm.as_ref(), self.o.forward(context))
    }

    #[expect(clippy::cast_possible_truncation, reason = "scores are f32")]
    fn layout(&self) -> HeadLayout {
        let AttentionSpec { n_heads, n_kv_heads, d_head, window, scale, softcap, .. } = self.spec;
        let narrow = |x: f64| x as f32;
        let (scale, softcap) = (scale.map(narrow), softcap.map(narrow));
        HeadLayout { n_heads, n_kv_heads, d_head, window, scale, softcap }
    }

    fn projections(&self) -> Qkv {
        let projections = [&self.q, &self.k, &self.v];
        Qkv {
            weights: projections.map(|linear| linear.weight.val()),
            biases: biases(projections),
            norms: self
                .q_norm
                .as_ref()
                .zip(self.k_norm.as_ref())
                .map(|(q, k)| HeadNorms { gains: [q.gain(), k.gain()], epsilon: q.spec.eps }),
        }
    }
}

impl Mlp {
    fn forward(&self, x: Tensor<3>, pass: &mut Pass<'_, '_>) -> Tensor<3> {
        let projections = [&self.gate, &self.up];
        let projections = GateAndUp {
            weights: projections.map(|linear| linear.weight.val()),
            biases: biases(projections),
        };
        let channels = gated(x, projections, self.spec.activation);
        (pass.observe)(pass.layer_idx, Site::FfnChannels, &channels);
        normed(self.post_norm.as_ref(), self.down.forward(channels))
    }
}

impl Ropes {
    /// Tables of some positions for all layers of a model.
    pub(crate) fn new(spec: &ModelSpec, positions: &(impl Iterator<Item = usize> + Clone)) -> Self {
        let mut tables: Vec<((RopeSpec, usize), RopeTable)> = Vec::new();
        for attention in spec.layers.iter().filter_map(|layer| layer.attention) {
            let kind = (attention.rope, attention.d_head);
            if tables.iter().all(|(known, _)| *known != kind) {
                let frequencies = kind.0.inverse_frequencies(kind.1);
                tables.push((kind, RopeTable::new(&frequencies, positions.clone())));
            }
        }
        Self(tables)
    }

    /// The table of a layer of the model.
    ///
    /// # Panics
    ///
    /// For a layer of another model.
    #[expect(clippy::expect_used, reason = "tables are made of the layers' own specs")]
    fn of(&self, attention: &AttentionSpec) -> &RopeTable {
        let kind = (attention.rope, attention.d_head);
        let found = self.0.iter().find(|(known, _)| *known == kind);
        &found.expect("a table for every layer").1
    }
}

impl Linear {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let y = linear(x, self.weight.val());
        match self.bias() {
            Some(bias) => add_bias(y, bias),
            None => y,
        }
    }

    fn bias(&self) -> Option<Tensor<1>> {
        self.bias.as_ref().map(Param::val)
    }
}

impl RmsNorm {
    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        rms_norm(x, self.gain(), self.spec.eps)
    }

    /// What normed values are multiplied by.
    fn gain(&self) -> Tensor<1> {
        let gamma = self.gamma.val();
        if self.spec.unit_offset { gamma + 1.0 } else { gamma }
    }
}

/// The biases of projections that are packed together: a spec gives all of them one, or none.
fn biases<const N: usize>(projections: [&Linear; N]) -> Option<[Tensor<1>; N]> {
    let biases: Option<Vec<Tensor<1>>> = projections.iter().map(|linear| linear.bias()).collect();
    biases.and_then(|biases| biases.try_into().ok())
}

pub(crate) fn load_linear(
    weight: &HostTensor,
    bias: Option<&HostTensor>,
    target: &DeviceDtype<'_>,
) -> Linear {
    let weight = Param::from_tensor(load_tensor::<2>(weight, target));
    Linear { weight, bias: bias.map(|bias| Param::from_tensor(load_tensor::<1>(bias, target))) }
}

pub(crate) fn load_norm(gamma: &HostTensor, spec: NormSpec, target: &DeviceDtype<'_>) -> RmsNorm {
    RmsNorm { gamma: Param::from_tensor(load_tensor::<1>(gamma, target)), spec }
}

pub(crate) fn load_tensor<const D: usize>(
    host: &HostTensor,
    target: &DeviceDtype<'_>,
) -> Tensor<D> {
    let data = TensorData::new(host.values().into_owned(), host.shape().to_vec());
    Tensor::from_data(data.convert_dtype(target.dtype), (target.device, target.dtype))
}

/// Reads a tensor back, in `f32`.
///
/// # Panics
///
/// If the device fails to hand the values over.
#[expect(clippy::expect_used, reason = "a float tensor always converts to f32")]
pub(crate) fn host<const D: usize>(tensor: Tensor<D>) -> HostTensor {
    let shape = tensor.dims().to_vec();
    let data = tensor.into_data().convert::<f32>();
    HostTensor::new(shape, data.try_to_vec().expect("converted to f32"))
}
