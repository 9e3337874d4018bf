//! The operations in Burn's own: what runs where the host cannot reach, the oracle of the tests, and the
//! twin beside each kernel in the benches.

pub use crate::{
    adamw::composed as adamw,
    attention::composed::self_attention,
    gated::composed_unit as gated,
    head::composed::{cross_entropy as cross_entropy_head, distill as distill_head},
    linear::composed as linear,
    rms_norm::composed as rms_norm,
};
