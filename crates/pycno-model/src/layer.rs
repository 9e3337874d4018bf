//! One block: attention and a gated FFN, each behind its norm, each added to the residual stream.

use burn::{
    module::{Module, Param},
    tensor::{DType, Device, Tensor, TensorData},
};
use pycno_kernels::{
    attention::{Arrangement, HeadLayout, Qkv, self_attention},
    gated::{Activation, GateAndUp, gated},
    linear::{add_bias, linear},
    rms_norm::rms_norm,
    rope::RopeTable,
};

use crate::{Checkpoint, HostTensor, LayerSpec, ModelSpec, names};

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
    pub(crate) rope: &'a RopeTable,
    pub(crate) arrangement: Arrangement<'a>,
    pub(crate) observe: &'a mut Observer<'b>,
}

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
    epsilon: f64,
}

/// A block of the decoder.
#[derive(Module, Debug)]
pub(crate) struct Layer {
    pub(crate) input_norm: RmsNorm,
    pub(crate) attention: Attention,
    pub(crate) mlp_norm: RmsNorm,
    pub(crate) mlp: Mlp,
}

/// Grouped-query attention.
#[derive(Module, Debug)]
pub(crate) struct Attention {
    pub(crate) q: Linear,
    pub(crate) k: Linear,
    pub(crate) v: Linear,
    pub(crate) o: Linear,
    n_heads: usize,
    n_kv_heads: usize,
    d_head: usize,
    #[module(skip)]
    window: Option<usize>,
}

/// SwiGLU: `down(silu(gate(x)) * up(x))` (Shazeer 2020,
/// [arXiv:2002.05202](https://arxiv.org/abs/2002.05202)).
#[derive(Module, Debug)]
pub(crate) struct Mlp {
    pub(crate) gate: Linear,
    pub(crate) up: Linear,
    pub(crate) down: Linear,
}

impl Layer {
    pub(crate) fn new(checkpoint: &Checkpoint, layer_idx: usize, target: &DeviceDtype<'_>) -> Self {
        let part = |part: &str| &checkpoint.tensors[&names::in_layer(layer_idx, part)];
        let linear = |part: &str| {
            let weight =
                &checkpoint.tensors[&names::in_layer(layer_idx, &format!("{part}.weight"))];
            let bias = checkpoint.tensors.get(&names::in_layer(layer_idx, &format!("{part}.bias")));
            load_linear(weight, bias, target)
        };
        let spec = &checkpoint.spec;
        Self {
            input_norm: load_norm(part("input_layernorm.weight"), spec.norm_eps, target),
            attention: Attention::new(spec, spec.layers[layer_idx], linear),
            mlp_norm: load_norm(part("post_attention_layernorm.weight"), spec.norm_eps, target),
            mlp: Mlp {
                gate: linear("mlp.gate_proj"),
                up: linear("mlp.up_proj"),
                down: linear("mlp.down_proj"),
            },
        }
    }

    pub(crate) fn forward(&self, x: Tensor<3>, pass: &mut Pass<'_, '_>) -> Tensor<3> {
        (pass.observe)(pass.layer_idx, Site::BlockInput, &x);
        let x = x.clone() + self.attention.forward(self.input_norm.forward(x), pass);
        let x = x.clone() + self.mlp.forward(self.mlp_norm.forward(x), pass);
        (pass.observe)(pass.layer_idx, Site::BlockOutput, &x);
        x
    }
}

impl Layer {
    /// The layer's weights by part name, in Hugging Face's layout.
    pub(crate) fn tensors(&self) -> Vec<(String, HostTensor)> {
        let linears = [
            ("self_attn.q_proj", &self.attention.q),
            ("self_attn.k_proj", &self.attention.k),
            ("self_attn.v_proj", &self.attention.v),
            ("self_attn.o_proj", &self.attention.o),
            ("mlp.gate_proj", &self.mlp.gate),
            ("mlp.up_proj", &self.mlp.up),
            ("mlp.down_proj", &self.mlp.down),
        ];
        let mut tensors = vec![
            ("input_layernorm.weight".to_owned(), host(self.input_norm.gamma.val())),
            ("post_attention_layernorm.weight".to_owned(), host(self.mlp_norm.gamma.val())),
        ];
        for (part, linear) in linears {
            tensors.push((format!("{part}.weight"), host(linear.weight.val())));
            let bias = linear.bias().map(|bias| (format!("{part}.bias"), host(bias)));
            tensors.extend(bias);
        }
        tensors
    }
}

impl Attention {
    fn new(spec: &ModelSpec, layer: LayerSpec, linear: impl Fn(&str) -> Linear) -> Self {
        Self {
            q: linear("self_attn.q_proj"),
            k: linear("self_attn.k_proj"),
            v: linear("self_attn.v_proj"),
            o: linear("self_attn.o_proj"),
            n_heads: layer.n_heads,
            n_kv_heads: layer.n_kv_heads,
            d_head: spec.d_head,
            window: spec.window,
        }
    }

    fn forward(&self, x: Tensor<3>, pass: &mut Pass<'_, '_>) -> Tensor<3> {
        let arrangement = std::mem::replace(&mut pass.arrangement, Arrangement::Batch);
        let context = self_attention(x, self.projections(), self.layout(), pass.rope, arrangement);
        (pass.observe)(pass.layer_idx, Site::AttentionContext, &context);
        self.o.forward(context)
    }

    const fn layout(&self) -> HeadLayout {
        let Self { n_heads, n_kv_heads, d_head, window, .. } = *self;
        HeadLayout { n_heads, n_kv_heads, d_head, window }
    }

    fn projections(&self) -> Qkv {
        let projections = [&self.q, &self.k, &self.v];
        Qkv { weights: projections.map(|linear| linear.weight.val()), biases: biases(projections) }
    }
}

impl Mlp {
    fn forward(&self, x: Tensor<3>, pass: &mut Pass<'_, '_>) -> Tensor<3> {
        let projections = [&self.gate, &self.up];
        let projections = GateAndUp {
            weights: projections.map(|linear| linear.weight.val()),
            biases: biases(projections),
        };
        let hidden = gated(x, projections, Activation::Silu);
        (pass.observe)(pass.layer_idx, Site::FfnChannels, &hidden);
        self.down.forward(hidden)
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
        rms_norm(x, self.gamma.val(), self.epsilon)
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

pub(crate) fn load_norm(gamma: &HostTensor, epsilon: f64, target: &DeviceDtype<'_>) -> RmsNorm {
    RmsNorm { gamma: Param::from_tensor(load_tensor::<1>(gamma, target)), epsilon }
}

pub(crate) fn load_tensor<const D: usize>(
    host: &HostTensor,
    target: &DeviceDtype<'_>,
) -> Tensor<D> {
    let data = TensorData::new(host.data().to_vec(), host.shape().to_vec());
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
