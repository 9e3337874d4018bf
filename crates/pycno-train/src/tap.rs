//! Activations inside a student that an objective may ask for.

use std::{fmt, str::FromStr};

use pycno_model::{ModelSpec, Site};

use crate::TrainError;

/// A site in a block of the student; written `layers.3.block-output`.
///
/// # Examples
///
/// ```
/// use pycno_train::Tap;
///
/// let tap: Tap = "layers.3.block-output".parse().unwrap();
/// assert_eq!(tap.layer_idx, 3);
/// let refused = "layers.3.scores".parse::<Tap>().unwrap_err();
/// assert!(refused.to_string().contains("inside fused attention"));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tap {
    /// The block, counted from 0.
    pub layer_idx: usize,
    /// The site in it.
    pub site: Site,
}

/// What a block shows, by name.
const SITES: [(&str, Site); 4] = [
    ("block-input", Site::BlockInput),
    ("attention-context", Site::AttentionContext),
    ("ffn-channels", Site::FfnChannels),
    ("block-output", Site::BlockOutput),
];
/// What exists inside a fused operation only, and in which.
const FUSED: [(&str, &str); 6] = [
    ("queries", "attention"),
    ("keys", "attention"),
    ("values", "attention"),
    ("scores", "attention"),
    ("gate", "gated FFN"),
    ("up", "gated FFN"),
];

impl Tap {
    /// Checks that a model has the site.
    ///
    /// # Errors
    ///
    /// [`TrainError::Tap`] for a block that is not there, or has no such part.
    pub fn check(self, spec: &ModelSpec) -> Result<(), TrainError> {
        let n_layers = spec.layers.len();
        let Some(layer) = spec.layers.get(self.layer_idx) else {
            return Err(refused(self, format!("the student has {n_layers} blocks")));
        };
        let there = match self.site {
            Site::BlockInput | Site::BlockOutput => true,
            Site::AttentionContext => layer.attention.is_some(),
            Site::FfnChannels => layer.ffn.is_some(),
        };
        if there { Ok(()) } else { Err(refused(self, "the block has no such part".to_owned())) }
    }
}

impl fmt::Display for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = SITES.iter().find(|(_, site)| *site == self.site).map_or("", |(name, _)| name);
        write!(f, "layers.{}.{name}", self.layer_idx)
    }
}

impl FromStr for Tap {
    type Err = TrainError;

    fn from_str(text: &str) -> Result<Self, TrainError> {
        let parts = text.strip_prefix("layers.").and_then(|rest| rest.split_once('.'));
        let parts = parts.and_then(|(layer, site)| Some((layer.parse().ok()?, site)));
        let Some((layer_idx, name)) = parts else {
            return Err(refused(text, "expected layers.INDEX.SITE".to_owned()));
        };
        if let Some((_, site)) = SITES.into_iter().find(|(known, _)| *known == name) {
            return Ok(Self { layer_idx, site });
        }
        let known = SITES.map(|(known, _)| known).join(", ");
        Err(match FUSED.into_iter().find(|(inside, _)| *inside == name) {
            Some((_, operation)) => {
                refused(text, format!("{name} exist inside fused {operation} only; sites: {known}"))
            }
            None => refused(text, format!("no such site; sites: {known}")),
        })
    }
}

fn refused(tap: impl fmt::Display, reason: String) -> TrainError {
    TrainError::Tap { tap: tap.to_string(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taps_are_read_as_they_are_written() {
        for (_, site) in SITES {
            let tap = Tap { layer_idx: 12, site };
            assert_eq!(tap.to_string().parse::<Tap>().unwrap(), tap);
        }
    }

    #[test]
    fn what_is_no_site_is_refused_by_name_with_those_that_are() {
        let refuse = |text: &str| text.parse::<Tap>().unwrap_err().to_string();
        for (name, operation) in FUSED {
            let found = refuse(&format!("layers.0.{name}"));
            assert!(found.contains(name) && found.contains(operation), "{found}");
            assert!(found.contains("block-input, attention-context"), "{found}");
        }
        assert!(refuse("layers.0.norm").contains("no such site"));
        for text in ["", "block-output", "layers.x.block-output", "layers.-1.block-output"] {
            assert!(refuse(text).contains("layers.INDEX.SITE"), "{text}");
        }
    }
}
