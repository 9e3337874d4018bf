//! Reaching a tensor's values from the host without a copy.

use burn::{
    backend::{Flex, flex::FlexTensor},
    tensor::{DType, Device, Tensor, TensorData},
};

/// Whether a device's tensors live in memory the host reads directly.
pub(crate) fn on_host(device: &Device) -> bool {
    *device == Device::flex()
}

/// Whether the fused operations take a tensor: `f32` in host memory. Others get the composed form.
pub fn fusable<const D: usize>(x: &Tensor<D>) -> bool {
    on_host(&x.device()) && x.dtype() == DType::F32
}

/// The values of data handed over by a tensor.
///
/// A tensor that owns its buffer alone hands it over without a copy, and takes it back so too.
#[expect(clippy::expect_used, reason = "weights are f32; another type is the caller's error")]
pub(crate) fn values(data: &mut TensorData) -> &mut [f32] {
    data.as_mut_slice().expect("tensors are f32")
}

/// As [`values`], to read only.
#[expect(clippy::expect_used, reason = "weights are f32; another type is the caller's error")]
pub(crate) fn read(data: &TensorData) -> &[f32] {
    data.as_slice().expect("tensors are f32")
}

#[expect(clippy::cast_possible_truncation, reason = "tensors are f32")]
pub(crate) fn narrow(x: f64) -> f32 {
    x as f32
}

/// A tensor of a buffer, which is taken over without a copy.
pub(crate) fn flex(values: Vec<f32>, shape: impl Into<Vec<usize>>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape.into()))
}

/// The tensor behind a plain, [`fusable`] one; nothing is copied.
///
/// # Panics
///
/// For a tensor of another device or on a tape.
#[expect(
    clippy::expect_used,
    reason = "callers ask `fusable` first; a tape is a programmer's error"
)]
pub(crate) fn primitive<const D: usize>(x: &Tensor<D>) -> FlexTensor {
    x.clone().try_into_primitive::<Flex>().expect("a plain tensor of the flex backend")
}

/// The extents of a tensor.
pub(crate) fn dims(x: &FlexTensor) -> Vec<usize> {
    x.layout().shape().to_vec()
}

/// The values of a tensor that owns all of its buffer, in order; another is copied first.
pub(crate) fn dense(x: FlexTensor) -> FlexTensor {
    let layout = x.layout();
    let whole = layout.num_elements() * size_of::<f32>() == x.bytes().len();
    if whole && x.is_contiguous() && layout.start_offset() == 0 {
        return x;
    }
    // A narrowed tensor counts as contiguous and keeps its larger buffer.
    FlexTensor::from_data(x.into_data())
}

/// All values of a [`dense`] tensor.
pub(crate) fn slice(x: &FlexTensor) -> &[f32] {
    x.storage()
}

/// All values of a [`dense`] tensor, to write: in place if nobody else holds it, else in a copy.
pub(crate) fn slice_mut(x: &mut FlexTensor) -> &mut [f32] {
    x.storage_mut()
}
