//! The one decoder: embedding, blocks, final norm, head. Families differ by [`ModelSpec`], never by code here.

use std::collections::BTreeMap;

use burn::{
    module::{Module, Param, ParamId},
    nn::Embedding,
    tensor::{Device, Int, Tensor, TensorData},
};
use pycno_kernels::{
    KvCache,
    attention::{Arrangement, Segments},
    head::Head,
};

use crate::{
    Checkpoint, ComputeDtype, HostTensor, ModelError, ModelSpec, Part, TensorId,
    layer::{
        DeviceDtype, Layer, Linear, Observer, Pass, RmsNorm, Ropes, host, load_linear, load_norm,
        load_tensor,
    },
    tensors::Param as ParamKind,
};

/// A decoder with its weights on a device.
#[derive(Module, Debug)]
pub struct Decoder {
    embedding: Embedding,
    layers: Vec<Layer>,
    norm: RmsNorm,
    head: Option<Linear>,
    #[module(skip)]
    spec: ModelSpec,
}

/// Keys and values seen so far, for decoding token by token.
#[derive(Clone, Debug)]
pub struct Cache {
    layers: Vec<KvCache>,
    len: usize,
}

impl Decoder {
    /// Puts a checkpoint on a device, to compute in `f32`.
    ///
    /// # Errors
    ///
    /// [`ModelError::Tensors`] if the checkpoint's tensors are not those of its spec.
    pub fn new(checkpoint: &Checkpoint, device: &Device) -> Result<Self, ModelError> {
        Self::computing_in(ComputeDtype::F32, checkpoint, device)
    }

    /// Puts a checkpoint on a device, to compute in the given type; weights are rounded to it once.
    ///
    /// # Errors
    ///
    /// [`ModelError::Dtype`] if the device cannot compute in it, and as [`Decoder::new`].
    pub fn computing_in(
        dtype: ComputeDtype,
        checkpoint: &Checkpoint,
        device: &Device,
    ) -> Result<Self, ModelError> {
        checkpoint.check()?;
        let target = &DeviceDtype { device, dtype: dtype.on(device)? };
        let spec = &checkpoint.spec;
        let outside = |part| checkpoint.tensors.get(&TensorId::outside(part));
        let embedding = &checkpoint.tensors[&TensorId::outside(Part::Embedding)];
        let norm = &checkpoint.tensors[&TensorId::outside(Part::FinalNorm)];
        Ok(Self {
            embedding: Embedding { weight: Param::from_tensor(load_tensor(embedding, target)) },
            layers: (0..spec.layers.len()).map(|i| Layer::new(checkpoint, i, target)).collect(),
            norm: load_norm(norm, spec.norm, target),
            head: outside(Part::Head).map(|weight| load_linear(weight, None, target)),
            spec: spec.clone(),
        })
    }

    /// The shape of the model.
    pub const fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// Final hidden states, after the last norm and before the head.
    ///
    /// # Shapes
    ///
    /// - `ids`: `[batch, seq]`
    /// - output: `[batch, seq, d_model]`
    pub fn hidden(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        self.observed(ids, &mut |_, _, _| {})
    }

    /// As [`Decoder::hidden`], showing every [`crate::Site`] to the observer on the way.
    pub fn observed(&self, ids: Tensor<2, Int>, observe: &mut Observer<'_>) -> Tensor<3> {
        let positions = 0..ids.dims()[1];
        self.forward(ids, &positions, &mut Rows::Batch, observe)
    }

    /// Final hidden states of sequences that share their beginnings, each token read once.
    ///
    /// # Shapes
    ///
    /// - `ids`: one per row of `segments`
    /// - output: `[rows, d_model]`
    ///
    /// # Panics
    ///
    /// If there is not one id for each row.
    pub fn tree_hidden(&self, ids: &[u32], segments: &Segments) -> Tensor<2> {
        assert_eq!(ids.len(), segments.rows(), "an id for every row");
        let data: Vec<i64> = ids.iter().map(|id| i64::from(*id)).collect();
        let ids = Tensor::from_data(TensorData::new(data, [1, ids.len()]), &self.device());
        let rows = &mut Rows::Tree(segments);
        self.forward(ids, &segments.positions(), rows, &mut |_, _, _| {}).squeeze_dim(0)
    }

    /// Final hidden states of new tokens, given the cache of those before; the cache grows.
    pub fn step(&self, ids: Tensor<2, Int>, cache: &mut Cache) -> Tensor<3> {
        let seq = ids.dims()[1];
        let positions = cache.len..cache.len + seq;
        cache.len += seq;
        self.forward(ids, &positions, &mut Rows::Cached(&mut cache.layers), &mut |_, _, _| {})
    }

    /// An empty cache for [`Decoder::step`].
    pub fn cache(&self) -> Cache {
        Cache { layers: vec![KvCache::default(); self.layers.len()], len: 0 }
    }

    /// Whose gradient the head's is: parameter and gradient, turned to that parameter's layout.
    ///
    /// # Shapes
    ///
    /// - `gradient`: `[d_model, vocab]`, as [`Head::weight`]
    pub fn head_gradient(&self, gradient: Tensor<2>) -> (ParamId, Tensor<2>) {
        (self.unembedding().id, gradient.transpose())
    }

    /// What turns final hidden states into logits; its weight is a view, since checkpoints store it transposed.
    pub fn head(&self) -> Head {
        Head::plain(self.unembedding().val().transpose()).capped(self.spec.logit_softcap)
    }

    /// Where the weights are.
    pub fn device(&self) -> Device {
        self.norm.gamma.val().device()
    }

    /// `[vocab, d_model]`, the embedding where it is tied.
    fn unembedding(&self) -> &Param<Tensor<2>> {
        self.head.as_ref().map_or(&self.embedding.weight, |head| &head.weight)
    }

    /// Logits of some hidden states; pass few rows, since a row of logits has the vocabulary's length.
    ///
    /// # Shapes
    ///
    /// - `hidden`: `[rows, d_model]`
    /// - output: `[rows, vocab]`
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        self.head().logits(hidden)
    }

    fn forward(
        &self,
        ids: Tensor<2, Int>,
        positions: &(impl Iterator<Item = usize> + Clone),
        rows: &mut Rows<'_>,
        observe: &mut Observer<'_>,
    ) -> Tensor<3> {
        let ropes = Ropes::new(&self.spec, positions);
        let mut x = self.embedding.forward(ids);
        if let Some(scale) = self.spec.embedding_scale {
            x = x * scale;
        }
        for (layer_idx, layer) in self.layers.iter().enumerate() {
            let arrangement = rows.of_layer(layer_idx);
            x = layer.forward(x, &mut Pass { layer_idx, ropes: &ropes, arrangement, observe });
        }
        self.norm.forward(x)
    }

    /// The weights back on the host.
    pub fn tensors(&self) -> BTreeMap<TensorId, HostTensor> {
        let outside = |part, weight| (TensorId::outside(part), weight);
        let mut tensors = BTreeMap::from([
            outside(Part::Embedding, host(self.embedding.weight.val())),
            outside(Part::FinalNorm, host(self.norm.gamma.val())),
        ]);
        if let Some(head) = &self.head {
            tensors.extend([outside(Part::Head, host(head.weight.val()))]);
        }
        for (layer_idx, layer) in self.layers.iter().enumerate() {
            tensors.extend(layer.tensors(layer_idx));
        }
        tensors
    }

    /// The tensor behind a parameter, by its path in the module, such as `layers.3.mlp.up.weight`; `None` for a
    /// path that is none of a decoder.
    pub fn tensor_of(path: &str) -> Option<TensorId> {
        let (layer, rest) = match path.strip_prefix("layers.") {
            Some(rest) => {
                let (layer, rest) = rest.split_once('.')?;
                (Some(layer.parse().ok()?), rest)
            }
            None => (None, path),
        };
        let (module, param) = rest.rsplit_once('.')?;
        let (_, part) = *MODULES.iter().find(|(name, _)| *name == module)?;
        let param = if param == "bias" { ParamKind::Bias } else { ParamKind::Weight };
        Some(TensorId { layer, part, param })
    }
}

/// Modules of a decoder, and which part of the model each is.
const MODULES: [(&str, Part); 16] = [
    ("embedding", Part::Embedding),
    ("input_norm", Part::AttnNorm),
    ("attention.q", Part::Q),
    ("attention.k", Part::K),
    ("attention.v", Part::V),
    ("attention.q_norm", Part::QNorm),
    ("attention.k_norm", Part::KNorm),
    ("attention.o", Part::O),
    ("attention.post_norm", Part::PostAttnNorm),
    ("mlp_norm", Part::FfnNorm),
    ("mlp.gate", Part::Gate),
    ("mlp.up", Part::Up),
    ("mlp.down", Part::Down),
    ("mlp.post_norm", Part::PostFfnNorm),
    ("norm", Part::FinalNorm),
    ("head", Part::Head),
];

/// How the rows of a pass belong together, in all layers.
enum Rows<'a> {
    Batch,
    Cached(&'a mut [KvCache]),
    Tree(&'a Segments),
}

impl Rows<'_> {
    const fn of_layer(&mut self, layer_idx: usize) -> Arrangement<'_> {
        match self {
            Self::Batch => Arrangement::Batch,
            Self::Cached(layers) => Arrangement::Cached(&mut layers[layer_idx]),
            Self::Tree(segments) => Arrangement::Tree(segments),
        }
    }
}
