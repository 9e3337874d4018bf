//! What a decoder computes in, whatever its file holds.

use std::fmt;

use burn::tensor::{DType, Device};
use serde::{Deserialize, Serialize};

use crate::ModelError;

/// The type of a decoder's weights and activations on the device.
///
/// Losses are formed in `f32` and `f64` in any case; training needs [`ComputeDtype::F32`].
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ComputeDtype {
    /// 32-bit floats: what scores are compared in.
    #[default]
    F32,
    /// Half precision.
    F16,
    /// Brain floats.
    Bf16,
}

impl ComputeDtype {
    /// Burn's name for it, if the device can compute in it.
    ///
    /// # Errors
    ///
    /// [`ModelError::Dtype`] if it cannot.
    pub(crate) fn on(self, device: &Device) -> Result<DType, ModelError> {
        let dtype = match self {
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
            Self::Bf16 => DType::BF16,
        };
        if device.supports_dtype(dtype) {
            Ok(dtype)
        } else {
            Err(ModelError::Dtype { dtype: self, device: format!("{device:?}") })
        }
    }
}

impl fmt::Display for ComputeDtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        })
    }
}
