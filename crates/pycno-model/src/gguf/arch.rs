//! The architectures whose GGUF files are read, and in what each differs from a Llama.

use serde_json::json;

use super::spec::Named;
use crate::{
    Activation, AttentionSpec, FfnSpec, LayerSpec, ModelError, ModelSpec, NormPlacement, NormSpec,
    RopeSpec,
};

/// What llama.cpp knows of an architecture by its name.
#[derive(Debug)]
pub struct Architecture {
    /// `general.architecture`, and the prefix of its keys.
    pub name: &'static str,
    /// `model_type` of the Hugging Face config that says the same.
    pub model_type: &'static str,
    /// Whether llama.cpp's converter stores the rows of q and k heads in neighboring rotary pairs.
    pub(super) rotary_pairs: bool,
    /// Whether published models divide rotary frequencies by a factor.
    pub(super) scales_linearly: bool,
    /// What the sizes and the set of tensors do not say.
    pub(super) options: fn(&Named<'_>, &ModelSpec) -> Result<ModelSpec, ModelError>,
}

/// Every architecture that is read.
pub const ARCHITECTURES: [&Architecture; 4] = [&LLAMA, &QWEN2, &QWEN3, &GEMMA3];

const LLAMA: Architecture = Architecture {
    name: "llama",
    model_type: "llama",
    rotary_pairs: true,
    scales_linearly: false,
    options: |_, spec| Ok(spec.clone()),
};
const QWEN2: Architecture =
    Architecture { name: "qwen2", model_type: "qwen2", rotary_pairs: false, ..LLAMA };
const QWEN3: Architecture =
    Architecture { name: "qwen3", model_type: "qwen3", rotary_pairs: false, ..LLAMA };
const GEMMA3: Architecture = Architecture {
    name: "gemma3",
    model_type: "gemma3_text",
    rotary_pairs: false,
    scales_linearly: true,
    options: gemma3,
};

/// Every so many layers one sees everything, as llama.cpp has it where the file does not say.
const GEMMA3_PATTERN: usize = 6;
/// Base of the frequencies of layers with a window, as llama.cpp has it.
const GEMMA3_LOCAL_THETA: f64 = 10_000.0;
/// The one model whose scores are scaled by `1 / sqrt(d_model / n_heads)`, by its number of layers (27B).
const GEMMA3_27B_LAYERS: usize = 62;

fn gemma3(named: &Named<'_>, spec: &ModelSpec) -> Result<ModelSpec, ModelError> {
    let window = named.extent("attention.sliding_window")?;
    let pattern = named.size("attention.sliding_window_pattern")?.unwrap_or(GEMMA3_PATTERN).max(1);
    let local = named.positive("rope.freq_base_swa")?.unwrap_or(GEMMA3_LOCAL_THETA);
    let (n_layers, d_model) = (spec.layers.len(), spec.d_model);
    let layer = |(i, layer): (usize, LayerSpec)| {
        let slides = !(i + 1).is_multiple_of(pattern);
        let attention = layer.attention.map(|attention| AttentionSpec {
            window: slides.then_some(window),
            rope: if slides { RopeSpec::plain(local) } else { attention.rope },
            scale: (n_layers == GEMMA3_27B_LAYERS)
                .then(|| ((d_model / attention.n_heads) as f64).sqrt().recip()),
            ..attention
        });
        let ffn = layer.ffn.map(|ffn| FfnSpec { activation: Activation::GeluTanh, ..ffn });
        LayerSpec { attention, ffn, norms: NormPlacement::BeforeAndAfter }
    };
    Ok(ModelSpec {
        layers: spec.layers.iter().copied().enumerate().map(layer).collect(),
        norm: NormSpec { unit_offset: true, ..spec.norm },
        embedding_scale: Some((d_model as f64).sqrt()),
        logit_softcap: named.positive("final_logit_softcapping")?,
        ..spec.clone()
    })
}

impl Architecture {
    /// A config that says the family and nothing else.
    pub(super) fn config(&self) -> serde_json::Map<String, serde_json::Value> {
        [("model_type".to_owned(), json!(self.model_type))].into_iter().collect()
    }
}
