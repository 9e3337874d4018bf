//! What a study may ask for: the methods by name, and how much each keeps.

use serde::{Deserialize, Serialize};

use crate::{PruneError, block_influence, minitron};

/// A method and how much it keeps, tagged by `method` in kebab case.
///
/// `{ method = "minitron-ffn", keep_ffn = 1024 }` and `{ method = "minitron-ffn", sparsity = 0.25 }`
/// are both read; one that states both or neither is refused.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum PruneConfig {
    /// `block-influence`: removes the blocks that turn the residual stream least (`ShortGPT`).
    BlockInfluence {
        /// Blocks that stay.
        keep_layers: usize,
    },
    /// `minitron-ffn`: removes FFN channels of low activation, in every layer.
    MinitronFfn {
        /// Channels that stay in each layer.
        width: Width,
    },
    /// `minitron-kv-groups`: removes key/value heads with the query heads they serve.
    MinitronKvGroups {
        /// Groups that stay in each layer.
        keep_groups: usize,
    },
    /// `minitron-width`: FFN channels and groups, both ranked on the dense model.
    MinitronWidth {
        /// Channels that stay in each layer.
        width: Width,
        /// Groups that stay in each layer.
        keep_groups: usize,
    },
}

/// How many FFN channels of a layer stay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Width {
    /// `keep_ffn`: so many.
    Channels(usize),
    /// `sparsity`: all but this share.
    Sparsity(Sparsity),
}

/// Share of parts to remove, in `[0, 1)`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Sparsity(f64);

/// A config as it stands in a file. Flat, since serde cannot flatten and deny unknown keys at once.
#[derive(Deserialize, Serialize)]
#[serde(tag = "method", rename_all = "kebab-case", deny_unknown_fields)]
enum Written {
    BlockInfluence {
        keep_layers: usize,
    },
    MinitronFfn {
        #[serde(skip_serializing_if = "Option::is_none")]
        keep_ffn: Option<usize>,
        #[serde(skip_serializing_if = "Option::is_none")]
        sparsity: Option<Sparsity>,
    },
    MinitronKvGroups {
        keep_groups: usize,
    },
    MinitronWidth {
        #[serde(skip_serializing_if = "Option::is_none")]
        keep_ffn: Option<usize>,
        #[serde(skip_serializing_if = "Option::is_none")]
        sparsity: Option<Sparsity>,
        keep_groups: usize,
    },
}

impl PruneConfig {
    /// The method's name, as configs write it.
    pub const fn method(&self) -> &'static str {
        match self {
            Self::BlockInfluence { .. } => "block-influence",
            Self::MinitronFfn { .. } => "minitron-ffn",
            Self::MinitronKvGroups { .. } => "minitron-kv-groups",
            Self::MinitronWidth { .. } => "minitron-width",
        }
    }

    /// The version of the method, by which a student of an earlier one is not taken for this one's.
    pub const fn version(&self) -> u32 {
        match self {
            Self::BlockInfluence { .. } => block_influence::VERSION,
            Self::MinitronFfn { .. }
            | Self::MinitronKvGroups { .. }
            | Self::MinitronWidth { .. } => minitron::VERSION,
        }
    }
}

impl Width {
    /// Channels that stay of `d_ffn`.
    pub fn kept(self, d_ffn: usize) -> usize {
        match self {
            Self::Channels(keep) => keep,
            Self::Sparsity(sparsity) => sparsity.kept(d_ffn),
        }
    }

    fn from_fields(keep: Option<usize>, sparsity: Option<Sparsity>) -> Result<Self, PruneError> {
        match (keep, sparsity) {
            (Some(keep), None) => Ok(Self::Channels(keep)),
            (None, Some(sparsity)) => Ok(Self::Sparsity(sparsity)),
            (Some(_), Some(_)) => Err(PruneError::Width { found: "both" }),
            (None, None) => Err(PruneError::Width { found: "neither" }),
        }
    }

    const fn fields(self) -> (Option<usize>, Option<Sparsity>) {
        match self {
            Self::Channels(keep) => (Some(keep), None),
            Self::Sparsity(sparsity) => (None, Some(sparsity)),
        }
    }
}

impl Sparsity {
    /// A share to remove.
    ///
    /// # Errors
    ///
    /// [`PruneError::Sparsity`] outside `[0, 1)`, `NaN` included.
    pub fn new(sparsity: f64) -> Result<Self, PruneError> {
        if (0.0..1.0).contains(&sparsity) {
            Ok(Self(sparsity))
        } else {
            Err(PruneError::Sparsity { sparsity })
        }
    }

    /// Parts that stay of `n`: all but `floor(n * sparsity)`, and at least one of them.
    pub fn kept(self, n: usize) -> usize {
        // Written 0.29, a share of 100 comes out as 28.999..96; the nudge makes it 29.
        let removed = (n as f64).mul_add(self.0, 1e-9).floor();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in [0, n]")]
        let removed = removed as usize;
        n - removed.min(n.saturating_sub(1))
    }
}

impl TryFrom<f64> for Sparsity {
    type Error = PruneError;

    fn try_from(sparsity: f64) -> Result<Self, PruneError> {
        Self::new(sparsity)
    }
}

impl From<Sparsity> for f64 {
    fn from(sparsity: Sparsity) -> Self {
        sparsity.0
    }
}

impl TryFrom<Written> for PruneConfig {
    type Error = PruneError;

    fn try_from(written: Written) -> Result<Self, PruneError> {
        Ok(match written {
            Written::BlockInfluence { keep_layers } => Self::BlockInfluence { keep_layers },
            Written::MinitronFfn { keep_ffn, sparsity } => {
                Self::MinitronFfn { width: Width::from_fields(keep_ffn, sparsity)? }
            }
            Written::MinitronKvGroups { keep_groups } => Self::MinitronKvGroups { keep_groups },
            Written::MinitronWidth { keep_ffn, sparsity, keep_groups } => {
                Self::MinitronWidth { width: Width::from_fields(keep_ffn, sparsity)?, keep_groups }
            }
        })
    }
}

impl From<PruneConfig> for Written {
    fn from(config: PruneConfig) -> Self {
        match config {
            PruneConfig::BlockInfluence { keep_layers } => Self::BlockInfluence { keep_layers },
            PruneConfig::MinitronFfn { width } => {
                let (keep_ffn, sparsity) = width.fields();
                Self::MinitronFfn { keep_ffn, sparsity }
            }
            PruneConfig::MinitronKvGroups { keep_groups } => Self::MinitronKvGroups { keep_groups },
            PruneConfig::MinitronWidth { width, keep_groups } => {
                let (keep_ffn, sparsity) = width.fields();
                Self::MinitronWidth { keep_ffn, sparsity, keep_groups }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expect: &PruneConfig) {
        let config: PruneConfig = serde_json::from_str(json).unwrap();
        assert_eq!(&config, expect);
        assert_eq!(serde_json::to_string(&config).unwrap(), json, "written back as read");
    }

    #[track_caller]
    fn check_refused(json: &str, message: &str) {
        let error = serde_json::from_str::<PruneConfig>(json).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }

    #[test]
    fn every_method_is_read_and_written_back() {
        let quarter = Width::Sparsity(Sparsity::new(0.25).unwrap());
        check(
            r#"{"method":"block-influence","keep_layers":22}"#,
            &PruneConfig::BlockInfluence { keep_layers: 22 },
        );
        check(
            r#"{"method":"minitron-ffn","keep_ffn":7}"#,
            &PruneConfig::MinitronFfn { width: Width::Channels(7) },
        );
        check(
            r#"{"method":"minitron-ffn","sparsity":0.25}"#,
            &PruneConfig::MinitronFfn { width: quarter },
        );
        check(
            r#"{"method":"minitron-kv-groups","keep_groups":2}"#,
            &PruneConfig::MinitronKvGroups { keep_groups: 2 },
        );
        check(
            r#"{"method":"minitron-width","sparsity":0.25,"keep_groups":2}"#,
            &PruneConfig::MinitronWidth { width: quarter, keep_groups: 2 },
        );
    }

    #[test]
    fn an_unknown_method_is_answered_with_the_known_ones() {
        check_refused(
            r#"{"method":"wanda","sparsity":0.5}"#,
            "unknown variant `wanda`, expected one of `block-influence`, `minitron-ffn`, \
             `minitron-kv-groups`, `minitron-width`",
        );
    }

    #[test]
    fn a_wrong_config_cannot_be_read() {
        let width = "a width is exactly one of keep_ffn and sparsity, got ";
        check_refused(
            r#"{"method":"minitron-ffn","keep_ffn":7,"sparsity":0.5}"#,
            &format!("{width}both"),
        );
        check_refused(r#"{"method":"minitron-ffn"}"#, &format!("{width}neither"));
        check_refused(
            r#"{"method":"minitron-ffn","sparsity":1.5}"#,
            "sparsity must lie in [0, 1), got 1.5",
        );
        check_refused(
            r#"{"method":"block-influence","keep_layers":3,"keep":1}"#,
            "unknown field `keep`",
        );
        check_refused(r#"{"method":"block-influence"}"#, "missing field `keep_layers`");
        check_refused(r#"{"keep_layers":3}"#, "missing field `method`");
        check_refused(r#"{"method":"block-influence","keep_layers":-1}"#, "invalid value");
    }

    #[test]
    fn a_sparsity_lies_in_zero_to_one() {
        let fits = |x: f64| Sparsity::new(x).is_ok();
        assert!(fits(0.0) && fits(0.999));
        assert!(!fits(1.0) && !fits(-0.1) && !fits(f64::NAN) && !fits(f64::INFINITY));
        let error = Sparsity::new(f64::NAN).unwrap_err();
        assert_eq!(error.to_string(), "sparsity must lie in [0, 1), got NaN");
    }

    #[test]
    fn a_sparsity_removes_the_floor_of_its_share_and_never_all() {
        let kept = |sparsity: f64, n: usize| Sparsity::new(sparsity).unwrap().kept(n);
        assert_eq!(kept(0.25, 5632), 4224);
        assert_eq!(kept(0.29, 100), 71);
        assert_eq!(kept(0.5, 3), 2);
        assert_eq!(kept(0.0, 8), 8);
        assert_eq!(kept(1.0 - 1e-16, 8), 1);
    }
}
