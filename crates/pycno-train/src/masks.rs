//! Weights that a pruning removed stay removed: their gradients are 0, before the clip counts them.
//!
//! AdamW leaves a weight of 0 whose gradient is always 0 where it is: its moments stay 0, and decay takes a share of 0.

use std::{collections::BTreeMap, sync::Arc};

use burn::tensor::{Device, Tensor, TensorData};
use pycno_model::{Checkpoint, Decoder, Mask};

use crate::parameters;

/// What gradients are multiplied by, by parameter path: 1 where a weight is kept, else 0.
#[derive(Clone, Debug)]
pub(crate) struct GradientMasks(Arc<BTreeMap<String, Tensor<1>>>);

impl GradientMasks {
    /// Those of a student that is on this device.
    pub(crate) fn new(student: &Checkpoint, decoder: &Decoder, device: &Device) -> Self {
        let mut factors = BTreeMap::new();
        parameters::each(decoder, &mut |path, _| {
            let mask = Decoder::tensor_of(path).and_then(|id| student.masks.get(&id));
            factors.extend(mask.map(|mask| (path.to_owned(), on_device(mask, device))));
        });
        Self(Arc::new(factors))
    }

    /// The gradients of a step, those of removed weights 0.
    pub(crate) fn apply(
        &self,
        mut gradients: BTreeMap<String, Tensor<1>>,
    ) -> BTreeMap<String, Tensor<1>> {
        for (path, factors) in &*self.0 {
            if let Some(gradient) = gradients.remove(path) {
                gradients.insert(path.clone(), gradient * factors.clone());
            }
        }
        gradients
    }
}

fn on_device(mask: &Mask, device: &Device) -> Tensor<1> {
    let factors = mask.factors();
    let n = factors.len();
    Tensor::from_data(TensorData::new(factors, [n]), device)
}
