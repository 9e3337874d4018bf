//! One block: attention and a gated FFN, each behind its norm, each added to the residual stream.

use burn::{
    module::{Module, Param},
    nn::{Linear, RmsNorm},
    tensor::{DType, Device, Tensor, TensorData, activation::silu},
};
use pycno_kernels::{
    attention::{Heads, causal_attention},
    rope::RopeTable,
};

use crate::{Checkpoint, HostTensor, LayerSpec, ModelSpec, names};

/// A place in a block that an observer sees.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Site {
    /// Residual stream entering the block, `[batch, seq, d_model]`.
    BlockInput,
    /// Input of the output projection, `[batch, seq, n_heads * d_head]`.
    AttentionContext,
    /// Input of the down projection, `[batch, seq, d_hidden]`.
    MlpHidden,
    /// Residual stream leaving the block, `[batch, seq, d_model]`.
    BlockOutput,
}

/// Called with layer index, place and activation.
pub type Observer<'a> = dyn FnMut(usize, Site, &Tensor<3>) + 'a;

/// Keys and values of one layer so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct LayerCache(Option<(Tensor<4>, Tensor<4>)>);

impl LayerCache {
    fn append(&mut self, key: Tensor<4>, value: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let joined = match self.0.take() {
            Some((k, v)) => (Tensor::cat(vec![k, key], 2), Tensor::cat(vec![v, value], 2)),
            None => (key, value),
        };
        self.0 = Some(joined.clone());
        joined
    }
}

/// Where weights go, and as what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) device: &'a Device,
    pub(crate) dtype: DType,
}

/// What a block needs beside its input.
pub(crate) struct Pass<'a, 'b> {
    pub(crate) layer_idx: usize,
    pub(crate) rope: &'a RopeTable,
    pub(crate) cache: Option<&'a mut LayerCache>,
    pub(crate) observe: &'a mut Observer<'b>,
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
    pub(crate) fn new(checkpoint: &Checkpoint, layer_idx: usize, place: &Place<'_>) -> Self {
        let part = |part: &str| &checkpoint.tensors[&names::in_layer(layer_idx, part)];
        let linear = |part: &str| {
            let weight =
                &checkpoint.tensors[&names::in_layer(layer_idx, &format!("{part}.weight"))];
            let bias = checkpoint.tensors.get(&names::in_layer(layer_idx, &format!("{part}.bias")));
            linear(weight, bias, place)
        };
        let spec = &checkpoint.spec;
        Self {
            input_norm: norm(part("input_layernorm.weight"), spec.norm_eps, place),
            attention: Attention::new(spec, spec.layers[layer_idx], linear),
            mlp_norm: norm(part("post_attention_layernorm.weight"), spec.norm_eps, place),
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
            tensors.push((format!("{part}.weight"), host(linear.weight.val().transpose())));
            let bias = linear.bias.as_ref().map(|bias| (format!("{part}.bias"), host(bias.val())));
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
        let [batch, seq, _] = x.dims();
        let split =
            |x: Tensor<3>, heads| x.reshape([batch, seq, heads, self.d_head]).swap_dims(1, 2);
        let query = pass.rope.rotate(split(self.q.forward(x.clone()), self.n_heads));
        let key = pass.rope.rotate(split(self.k.forward(x.clone()), self.n_kv_heads));
        let value = split(self.v.forward(x), self.n_kv_heads);
        let (key, value) = match pass.cache.as_deref_mut() {
            Some(cache) => cache.append(key, value),
            None => (key, value),
        };
        let context = causal_attention(Heads { query, key, value }, self.window)
            .swap_dims(1, 2)
            .reshape([batch, seq, self.n_heads * self.d_head]);
        (pass.observe)(pass.layer_idx, Site::AttentionContext, &context);
        self.o.forward(context)
    }
}

impl Mlp {
    fn forward(&self, x: Tensor<3>, pass: &mut Pass<'_, '_>) -> Tensor<3> {
        let hidden = silu(self.gate.forward(x.clone())) * self.up.forward(x);
        (pass.observe)(pass.layer_idx, Site::MlpHidden, &hidden);
        self.down.forward(hidden)
    }
}

/// Burn's `Linear` stores `[in, out]`; the file's `[out, in]` is turned once, here.
pub(crate) fn linear(weight: &HostTensor, bias: Option<&HostTensor>, place: &Place<'_>) -> Linear {
    let weight = Param::from_tensor(tensor::<2>(weight, place).transpose());
    Linear { weight, bias: bias.map(|bias| Param::from_tensor(tensor::<1>(bias, place))) }
}

pub(crate) fn norm(gamma: &HostTensor, epsilon: f64, place: &Place<'_>) -> RmsNorm {
    RmsNorm { gamma: Param::from_tensor(tensor::<1>(gamma, place)), epsilon }
}

pub(crate) fn tensor<const D: usize>(host: &HostTensor, place: &Place<'_>) -> Tensor<D> {
    let data = TensorData::new(host.data().to_vec(), host.shape().to_vec());
    Tensor::from_data(data.convert_dtype(place.dtype), (place.device, place.dtype))
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
