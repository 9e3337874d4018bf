//! The one decoder: embedding, blocks, final norm, head. Families differ by [`ModelSpec`], never by code here.

use std::collections::BTreeMap;

use burn::{
    module::{Module, Param, ParamId},
    nn::{Embedding, Linear, RmsNorm},
    tensor::{Device, Int, Tensor},
};
use pycno_kernels::rope::RopeTable;

use crate::{
    Checkpoint, ComputeDtype, HostTensor, ModelError, ModelSpec,
    layer::{Layer, LayerCache, Observer, Pass, Place, host, linear, norm, tensor},
    names,
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
    layers: Vec<LayerCache>,
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
        let place = &Place { device, dtype: dtype.on(device)? };
        let spec = &checkpoint.spec;
        let table = |name: &str| tensor::<2>(&checkpoint.tensors[name], place);
        Ok(Self {
            embedding: Embedding { weight: Param::from_tensor(table(names::EMBEDDING)) },
            layers: (0..spec.layers.len()).map(|i| Layer::new(checkpoint, i, place)).collect(),
            norm: norm(&checkpoint.tensors[names::FINAL_NORM], spec.norm_eps, place),
            head: checkpoint.tensors.get(names::HEAD).map(|w| linear(w, None, place)),
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
        self.forward(ids, None, observe)
    }

    /// Final hidden states of new tokens, given the cache of those before; the cache grows.
    pub fn step(&self, ids: Tensor<2, Int>, cache: &mut Cache) -> Tensor<3> {
        self.forward(ids, Some(cache), &mut |_, _, _| {})
    }

    /// An empty cache for [`Decoder::step`].
    pub fn cache(&self) -> Cache {
        Cache { layers: vec![LayerCache::default(); self.layers.len()], len: 0 }
    }

    /// Whose gradient the head's is: parameter and gradient, turned to that parameter's layout.
    ///
    /// # Shapes
    ///
    /// - `gradient`: `[d_model, vocab]`, as [`Decoder::head_weight`]
    pub fn head_gradient(&self, gradient: Tensor<2>) -> (ParamId, Tensor<2>) {
        match &self.head {
            Some(head) => (head.weight.id, gradient),
            None => (self.embedding.weight.id, gradient.transpose()),
        }
    }

    /// The head's weight, `[d_model, vocab]` (a view where it is tied).
    pub fn head_weight(&self) -> Tensor<2> {
        match &self.head {
            Some(head) => head.weight.val(),
            None => self.embedding.weight.val().transpose(),
        }
    }

    /// Logits of some hidden states; pass few rows, since a row of logits has the vocabulary's length.
    ///
    /// # Shapes
    ///
    /// - `hidden`: `[rows, d_model]`
    /// - output: `[rows, vocab]`
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        hidden.matmul(self.head_weight())
    }

    fn forward(
        &self,
        ids: Tensor<2, Int>,
        mut cache: Option<&mut Cache>,
        observe: &mut Observer<'_>,
    ) -> Tensor<3> {
        let [_, seq] = ids.dims();
        let start = cache.as_ref().map_or(0, |cache| cache.len);
        let frequencies = self.spec.rope.inverse_frequencies(self.spec.d_head);
        // Constants live on the plain device, else the tape would track them.
        let rope = RopeTable::new(&frequencies, start, seq, &ids.device());
        let mut x = self.embedding.forward(ids);
        for (layer_idx, layer) in self.layers.iter().enumerate() {
            let cache = cache.as_deref_mut().map(|cache| &mut cache.layers[layer_idx]);
            x = layer.forward(x, &mut Pass { layer_idx, rope: &rope, cache, observe });
        }
        if let Some(cache) = cache {
            cache.len += seq;
        }
        self.norm.forward(x)
    }

    /// The weights back on the host, by Hugging Face name and in its layout.
    pub fn tensors(&self) -> BTreeMap<String, HostTensor> {
        let mut tensors = BTreeMap::from([
            (names::EMBEDDING.to_owned(), host(self.embedding.weight.val())),
            (names::FINAL_NORM.to_owned(), host(self.norm.gamma.val())),
        ]);
        if let Some(head) = &self.head {
            tensors.insert(names::HEAD.to_owned(), host(head.weight.val().transpose()));
        }
        for (layer_idx, layer) in self.layers.iter().enumerate() {
            let parts = layer.tensors().into_iter();
            tensors.extend(parts.map(|(part, tensor)| (names::in_layer(layer_idx, &part), tensor)));
        }
        tensors
    }
}
