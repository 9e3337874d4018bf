//! How a model's real size is counted, for the denominator of its density.
//!
//! Xiao et al. 2025, [doi 10.1038/s42256-025-01137-0](https://doi.org/10.1038/s42256-025-01137-0),
//! equations 5 to 7: the time of a token is `k1 N` for memory and `k2 N_A` for compute, and the
//! dense half-precision model of equal time has `N_time = (q N + r N_A) / (1 + r)` parameters,
//! `r = k2 / k1`, `q = k1q / k1`.
//!
//! DIFFERENCE: the paper prints `k1 = 2.45 k2`; its own figures and its plotted models of experts
//! give `k2 = 2.45 k1`, the default here. [`TimeRatio::PrintedOrder`] has the printed order.
//!
//! DIFFERENCE: the paper knows no unstructured zeros; [`SizeRule::NonZero`] counts without them.

use std::fmt;

use pycno_units::ParamCount;
use serde::{Deserialize, Serialize};

use crate::{DensityError, law::checked_size};

/// `r = k2 / k1` of an RTX 4090 at 100 tokens of input, one byte per parameter.
///
/// `k1 = 1 / B = 1 / 1.01e12` s of memory and `k2 = 2 * 100 / C = 200 / 82.58e12` s of compute a
/// parameter, so `r = 200 * 1.01e12 / 82.58e12 = 2.446`, 2.45 as rounded in the paper.
pub const COMPUTE_PER_MEMORY: f64 = 2.45;
/// The same at two bytes per parameter (FP16 weights): `k1` doubles, `r = 1.22`.
pub const COMPUTE_PER_MEMORY_TWO_BYTE: f64 = 1.22;
/// Bits of a weight that is not quantized.
const HALF_PRECISION_BITS: f64 = 16.0;

/// What is known of a model's size.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sizes {
    /// All parameters, shared tensors once.
    pub total: ParamCount,
    /// Without token embedding and output head.
    pub non_embedding: ParamCount,
    /// Used per token; of a dense model the total.
    pub active: Option<ParamCount>,
    /// That are not zero, of all.
    pub non_zero: Option<ParamCount>,
    /// Mean bits of a stored weight; 16 if it is not quantized.
    pub weight_bits: Option<f64>,
}

/// What counts as the size.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(tag = "rule", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SizeRule {
    /// Without token embedding and output head: what reference models are counted by.
    #[default]
    NonEmbedding,
    /// All parameters.
    Total,
    /// Parameters used per token.
    Active,
    /// Parameters that are not zero.
    NonZero,
    /// `(s q N + r N_A) / (1 + r)`: the dense half-precision model that takes as long.
    Time {
        /// `r = k2 / k1`.
        ratio: TimeRatio,
        /// `s = k1s / k1`, how much slower memory is for a model that does not fit the chip; 1 if
        /// it does.
        slowdown: f64,
    },
}

/// Compute time over memory time per parameter, `r = k2 / k1`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(tag = "ratio", rename_all = "kebab-case", deny_unknown_fields)]
pub enum TimeRatio {
    /// 2.45, from the paper's figures of the device.
    #[default]
    Recomputed,
    /// 1 / 2.45, the order the paper prints.
    PrintedOrder,
    /// 1.22, with two bytes per parameter.
    TwoByte,
    /// Of another device.
    Given {
        /// `r`, positive.
        value: f64,
    },
}

/// Shape of a Llama-like decoder whose blocks are all alike.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LlamaShape {
    /// Blocks.
    pub n_layers: u32,
    /// Width of the residual stream.
    pub d_model: u32,
    /// Width of a head.
    pub d_head: u32,
    /// Query heads.
    pub n_heads: u32,
    /// Key and value heads.
    pub n_kv_heads: u32,
    /// Width of the gated feed-forward layer.
    pub d_ffn: u32,
}

impl Sizes {
    /// The size by a rule.
    ///
    /// # Errors
    ///
    /// [`DensityError::UnknownFigure`] where the rule needs a figure that is not known,
    /// [`DensityError::Size`] for an impossible count, [`DensityError::PartOfSize`] for a part
    /// above the total, [`DensityError::Quantity`] for impossible bits, `r` or slowdown.
    pub fn size(&self, rule: SizeRule) -> Result<ParamCount, DensityError> {
        self.check()?;
        let known = |figure: Option<ParamCount>, name| figure.ok_or(rule.needs(name));
        match rule {
            SizeRule::NonEmbedding => Ok(self.non_embedding),
            SizeRule::Total => Ok(self.total),
            SizeRule::Active => known(self.active, "active parameters"),
            SizeRule::NonZero => known(self.non_zero, "non-zero parameters"),
            SizeRule::Time { ratio, slowdown } => {
                let active = known(self.active, "active parameters")?;
                let bits = self.weight_bits.ok_or(rule.needs("bits per weight"))?;
                let memory = checked_slowdown(slowdown)? * (bits / HALF_PRECISION_BITS);
                let r = ratio.value()?;
                checked_size(ParamCount((memory * self.total.0 + r * active.0) / (1.0 + r)))
            }
        }
    }

    fn check(&self) -> Result<(), DensityError> {
        let total = checked_size(self.total)?;
        let parts = [
            ("non-embedding", Some(self.non_embedding)),
            ("active", self.active),
            ("non-zero", self.non_zero),
        ];
        for (part, params) in parts {
            let found = params.map_or(Ok(total), checked_size)?;
            if found > total {
                return Err(DensityError::PartOfSize { part, total: total.0, found: found.0 });
            }
        }
        match self.weight_bits {
            Some(found) if !(found > 0.0 && found <= 64.0) => Err(DensityError::Quantity {
                what: "bits per weight",
                allowed: "positive and at most 64",
                found,
            }),
            _ => Ok(()),
        }
    }
}

impl SizeRule {
    /// By time, for a model that fits the chip.
    pub const fn time(ratio: TimeRatio) -> Self {
        Self::Time { ratio, slowdown: 1.0 }
    }

    fn needs(self, figure: &'static str) -> DensityError {
        DensityError::UnknownFigure { rule: self.to_string(), figure }
    }
}

impl TimeRatio {
    /// The number `r`.
    ///
    /// # Errors
    ///
    /// [`DensityError::Quantity`] for a given ratio that is not positive and finite.
    pub fn value(self) -> Result<f64, DensityError> {
        match self {
            Self::Recomputed => Ok(COMPUTE_PER_MEMORY),
            Self::PrintedOrder => Ok(1.0 / COMPUTE_PER_MEMORY),
            Self::TwoByte => Ok(COMPUTE_PER_MEMORY_TWO_BYTE),
            Self::Given { value } if value.is_finite() && value > 0.0 => Ok(value),
            Self::Given { value } => Err(DensityError::Quantity {
                what: "compute over memory time",
                allowed: "positive and finite",
                found: value,
            }),
        }
    }
}

/// As printed beside a density: a size by time names its `r`.
impl fmt::Display for SizeRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NonEmbedding => f.pad("non-embedding"),
            Self::Total => f.pad("total"),
            Self::Active => f.pad("active"),
            Self::NonZero => f.pad("non-zero"),
            Self::Time { ratio, slowdown } => {
                write!(f, "time, r = {ratio}")?;
                if *slowdown > 1.0 { write!(f, ", memory slowed {slowdown}-fold") } else { Ok(()) }
            }
        }
    }
}

impl fmt::Display for TimeRatio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recomputed => write!(f, "{COMPUTE_PER_MEMORY}"),
            Self::PrintedOrder => write!(f, "1/{COMPUTE_PER_MEMORY} (as printed)"),
            Self::TwoByte => write!(f, "{COMPUTE_PER_MEMORY_TWO_BYTE} (two bytes)"),
            Self::Given { value } => write!(f, "{value} (given)"),
        }
    }
}

fn checked_slowdown(found: f64) -> Result<f64, DensityError> {
    if found.is_finite() && found >= 1.0 {
        Ok(found)
    } else {
        let (what, allowed) = ("slowdown of memory", "finite and at least 1");
        Err(DensityError::Quantity { what, allowed, found })
    }
}

/// Parameters without embedding and head, norms counted, no biases:
/// `n_layers (2 d d_head n_heads + 2 d d_head n_kv_heads + 3 d d_ffn + 2 d) + d`.
pub fn llama_non_embedding(shape: LlamaShape) -> ParamCount {
    let LlamaShape { n_layers, d_model, d_head, n_heads, n_kv_heads, d_ffn } = shape;
    let d = f64::from(d_model);
    let attention = 2.0 * d * f64::from(d_head) * (f64::from(n_heads) + f64::from(n_kv_heads));
    let block = attention + 3.0 * d * f64::from(d_ffn) + 2.0 * d;
    ParamCount(f64::from(n_layers) * block + d)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A model of experts with half-precision weights.
    fn experts(total: f64, active: f64) -> Sizes {
        Sizes {
            total: ParamCount(total),
            non_embedding: ParamCount(total),
            active: Some(ParamCount(active)),
            non_zero: None,
            weight_bits: Some(16.0),
        }
    }

    fn dense(total: f64, bits: f64) -> Sizes {
        Sizes { weight_bits: Some(bits), ..experts(total, total) }
    }

    #[track_caller]
    fn check(sizes: Sizes, ratio: TimeRatio, effective: f64, expect: f64) {
        let size = sizes.size(SizeRule::time(ratio)).unwrap();
        let found = effective / size.0;
        assert!((found - expect).abs() <= 5e-4, "{found}, expected {expect}");
    }

    #[track_caller]
    fn refused(sizes: Sizes, rule: SizeRule, part: &str) {
        let message = sizes.size(rule).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }

    #[test]
    fn the_plotted_models_of_experts_speak_for_the_recomputed_ratio() {
        // Total and active counts of the model cards; N_hat of the score reproduction.
        let plotted = [
            (experts(15.7e9, 2.4e9), 2.2129e9, 0.354, 0.187),
            (experts(140.6e9, 39.1e9), 42.7137e9, 0.623, 0.384),
            (experts(16.4e9, 2.8e9), 0.7906e9, 0.117, 0.063),
        ];
        for (sizes, effective, recomputed, printed) in plotted {
            check(sizes, TimeRatio::Recomputed, effective, recomputed);
            check(sizes, TimeRatio::Given { value: 2.45 }, effective, recomputed);
            check(sizes, TimeRatio::PrintedOrder, effective, printed);
        }
    }

    #[test]
    fn four_bits_shrink_the_time_of_a_dense_model() {
        let shrinks = |ratio, expect: f64| {
            let size = dense(1.0, 4.0).size(SizeRule::time(ratio)).unwrap();
            assert!((size.0 - expect).abs() <= 5e-4, "{size:?}, expected {expect}");
        };
        shrinks(TimeRatio::Recomputed, 0.783);
        shrinks(TimeRatio::PrintedOrder, 0.467);
        shrinks(TimeRatio::TwoByte, 0.662);
    }

    #[test]
    fn the_ratio_follows_from_the_device() {
        let (bandwidth, flops, tokens) = (1.01e12, 82.58e12, 100.0);
        let ratio = |bytes: f64| (2.0 * tokens / flops) / (bytes / bandwidth);
        assert!((ratio(1.0) - COMPUTE_PER_MEMORY).abs() < 5e-3, "{}", ratio(1.0));
        assert!((ratio(2.0) - COMPUTE_PER_MEMORY_TWO_BYTE).abs() < 5e-3, "{}", ratio(2.0));
    }

    #[test]
    fn every_rule_takes_its_figure() {
        let sizes = Sizes {
            total: ParamCount(10.0),
            non_embedding: ParamCount(8.0),
            active: Some(ParamCount(4.0)),
            non_zero: Some(ParamCount(5.0)),
            weight_bits: Some(16.0),
        };
        let size = |rule, expect| assert_eq!(sizes.size(rule).unwrap(), ParamCount(expect));
        size(SizeRule::default(), 8.0);
        size(SizeRule::Total, 10.0);
        size(SizeRule::Active, 4.0);
        size(SizeRule::NonZero, 5.0);
        let given = TimeRatio::Given { value: 1.0 };
        size(SizeRule::time(given), 7.0);
        size(SizeRule::Time { ratio: given, slowdown: 3.0 }, 17.0);
    }

    #[test]
    fn a_missing_figure_is_named() {
        let bare = Sizes { active: None, weight_bits: None, ..experts(10.0, 10.0) };
        let time = SizeRule::time(TimeRatio::Recomputed);
        refused(bare, SizeRule::Active, "counted as active needs the model's active parameters");
        refused(bare, SizeRule::NonZero, "needs the model's non-zero parameters");
        refused(bare, time, "counted as time, r = 2.45 needs the model's active parameters");
        let unknown_bits = Sizes { active: Some(ParamCount(2.0)), ..bare };
        refused(unknown_bits, time, "needs the model's bits per weight");
    }

    #[test]
    fn impossible_figures_are_refused() {
        let good = experts(10.0, 2.0);
        let some = |params| Some(ParamCount(params));
        let total = SizeRule::Total;
        refused(Sizes { active: some(11.0), ..good }, total, "active parameters must not exceed");
        refused(Sizes { non_zero: some(11.0), ..good }, total, "non-zero parameters must not");
        let part = "non-embedding parameters must not exceed the total of 10, got 11";
        refused(Sizes { non_embedding: ParamCount(11.0), ..good }, total, part);
        for params in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            refused(Sizes { total: ParamCount(params), ..good }, total, "positive finite count");
            refused(Sizes { active: some(params), ..good }, total, "positive finite count");
        }
        for bits in [0.0, -4.0, 65.0, f64::NAN] {
            refused(Sizes { weight_bits: Some(bits), ..good }, total, "bits per weight must be");
        }
        for value in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let rule = SizeRule::time(TimeRatio::Given { value });
            refused(good, rule, "compute over memory time must be positive and finite");
        }
        for slowdown in [0.9, f64::NAN, f64::INFINITY] {
            let rule = SizeRule::Time { ratio: TimeRatio::Recomputed, slowdown };
            refused(good, rule, "slowdown of memory must be finite and at least 1");
        }
    }

    #[test]
    fn a_rule_is_read_and_printed() {
        let rule: SizeRule = toml::from_str("rule = \"non-embedding\"").unwrap();
        assert_eq!(rule, SizeRule::NonEmbedding);
        let text = "rule = \"time\"\nslowdown = 4.0\nratio = { ratio = \"printed-order\" }";
        let rule: SizeRule = toml::from_str(text).unwrap();
        assert_eq!(rule.to_string(), "time, r = 1/2.45 (as printed), memory slowed 4-fold");
        assert!(toml::from_str::<SizeRule>("rule = \"time\"").is_err());
    }

    #[test]
    fn the_reference_models_of_table_1_count_exactly() {
        let table = [
            ([8, 256, 640, 4, 1], 5_247_232.0),
            ([12, 512, 1280, 8, 2], 31_470_080.0),
            ([18, 768, 1920, 12, 3], 106_196_736.0),
            ([24, 1024, 2560, 16, 2], 245_416_960.0),
            ([30, 1280, 3200, 20, 2], 476_852_480.0),
            ([36, 1536, 3840, 24, 3], 828_225_024.0),
        ];
        for ([n_layers, d_model, d_ffn, n_heads, n_kv_heads], expect) in table {
            let shape = LlamaShape { n_layers, d_model, d_head: 64, n_heads, n_kv_heads, d_ffn };
            assert_eq!(llama_non_embedding(shape), ParamCount(expect), "{shape:?}");
        }
    }

    proptest! {
        #[test]
        fn a_dense_half_precision_model_takes_the_time_of_its_size(
            total in 1.0f64..1e12, value in 1e-3f64..1e3,
        ) {
            let rule = SizeRule::time(TimeRatio::Given { value });
            let size = dense(total, 16.0).size(rule).unwrap();
            prop_assert!((size.0 / total - 1.0).abs() < 1e-12);
        }

        #[test]
        fn time_lies_between_active_and_total(
            total in 1.0f64..1e12, share in 0.01f64..1.0, value in 1e-3f64..1e3,
        ) {
            let rule = SizeRule::time(TimeRatio::Given { value });
            let size = experts(total, total * share).size(rule).unwrap().0;
            prop_assert!(size <= total * (1.0 + 1e-12) && size >= total * share * (1.0 - 1e-12));
        }
    }
}
