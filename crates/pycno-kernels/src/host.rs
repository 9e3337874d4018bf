//! Reaching a tensor's values from the host without a copy.

use burn::tensor::{Device, TensorData};

/// Whether a device's tensors live in memory the host reads directly.
pub(crate) fn on_host(device: &Device) -> bool {
    *device == Device::flex()
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
