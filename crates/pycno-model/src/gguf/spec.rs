//! The model's shape from metadata, by architecture.

use super::{
    arch::{ARCHITECTURES, Architecture},
    header::Gguf,
    metadata::Metadata,
};
use crate::{
    AttentionSpec, FfnSpec, LayerSpec, Llama3Scaling, ModelError, ModelSpec, NormSpec, RopeScaling,
    RopeSpec, encoding::dequantize,
};

/// llama.cpp's, where the file does not say.
const DEFAULT_THETA: f64 = 10000.0;
/// Divisors of the rotary frequencies, baked into a tensor by llama.cpp's converter.
pub(super) const ROPE_DIVISORS: &str = "rope_freqs.weight";
/// The converter computes divisors in `f32`; the scalings below differ by far more.
const DIVISOR_TOLERANCE: f64 = 1e-4;

/// Metadata under an architecture's prefix.
pub(super) struct Named<'a> {
    pub(super) metadata: &'a Metadata,
    architecture: &'static Architecture,
}

impl Named<'_> {
    /// The whole key.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture.name)
    }

    /// A size of at least 1.
    pub(super) fn extent(&self, name: &str) -> Result<usize, ModelError> {
        self.metadata.extent(&self.key(name))
    }

    pub(super) fn size(&self, name: &str) -> Result<Option<usize>, ModelError> {
        self.metadata.size(&self.key(name))
    }

    pub(super) fn positive(&self, name: &str) -> Result<Option<f64>, ModelError> {
        self.metadata.positive(&self.key(name))
    }

    fn wrong(&self, name: &str, expected: impl Into<String>, found: String) -> ModelError {
        self.metadata.wrong(&self.key(name), expected, found)
    }
}

/// Reads the architecture and the shape of the model.
pub(super) fn read(file: &Gguf<'_>) -> Result<(&'static Architecture, ModelSpec), ModelError> {
    let architecture = architecture(&file.metadata)?;
    let named = Named { metadata: &file.metadata, architecture };
    let d_model = named.extent("embedding_length")?;
    let n_layers = n_layers(file, &named)?;
    let layer = layer(file, &named, d_model)?;
    let eps = "attention.layer_norm_rms_epsilon";
    let eps = named.metadata.required(&named.key(eps), named.positive(eps)?)?;
    let spec = ModelSpec {
        vocab: vocab(file, &named)?,
        d_model,
        layers: vec![layer; n_layers],
        norm: NormSpec::plain(eps),
        tied: !file.tensors.contains_key("output.weight"),
        max_positions: named.extent("context_length")?,
        embedding_scale: None,
        logit_softcap: None,
    };
    Ok((architecture, (architecture.options)(&named, &spec)?))
}

fn architecture(metadata: &Metadata) -> Result<&'static Architecture, ModelError> {
    let key = "general.architecture";
    let found = metadata.required(key, metadata.text(key)?)?;
    ARCHITECTURES.into_iter().find(|known| known.name == found).ok_or_else(|| {
        let known = ARCHITECTURES.map(|known| known.name).join(", ");
        metadata.wrong(key, format!("one of the architectures {known}"), found)
    })
}

fn n_layers(file: &Gguf<'_>, named: &Named<'_>) -> Result<usize, ModelError> {
    let n_layers = named.extent("block_count")?;
    if n_layers > file.tensors.len() {
        let expected = format!("no more blocks than the {} tensors", file.tensors.len());
        return Err(named.wrong("block_count", expected, n_layers.to_string()));
    }
    Ok(n_layers)
}

/// All blocks are alike: a Hugging Face config has one number for all.
fn layer(file: &Gguf<'_>, named: &Named<'_>, d_model: usize) -> Result<LayerSpec, ModelError> {
    let n_heads = named.extent("attention.head_count")?;
    let kv = "attention.head_count_kv";
    let given = named.metadata.get(&named.key(kv)).is_some();
    let n_kv_heads = if given { named.extent(kv)? } else { n_heads };
    if !n_heads.is_multiple_of(n_kv_heads) {
        let expected = format!("a divisor of {n_heads} query heads");
        return Err(named.wrong(kv, expected, n_kv_heads.to_string()));
    }
    let d_head = d_head(named, d_model, n_heads)?;
    let attention = AttentionSpec {
        qkv_bias: has_part(file, &["attn_q.bias", "attn_k.bias", "attn_v.bias"]),
        o_bias: has_part(file, &["attn_output.bias"]),
        qk_norm: has_part(file, &["attn_q_norm.weight", "attn_k_norm.weight"]),
        ..AttentionSpec::plain(n_heads, n_kv_heads, d_head, rope(file, named, d_head)?)
    };
    let ffn = FfnSpec {
        bias: has_part(file, &["ffn_gate.bias", "ffn_up.bias", "ffn_down.bias"]),
        ..FfnSpec::swiglu(named.extent("feed_forward_length")?)
    };
    Ok(LayerSpec::pre_norm(attention, ffn))
}

fn d_head(named: &Named<'_>, d_model: usize, n_heads: usize) -> Result<usize, ModelError> {
    let name = "attention.key_length";
    let d_head = match named.size(name)? {
        Some(d_head) => d_head,
        None if d_model.is_multiple_of(n_heads) => d_model / n_heads,
        None => {
            let expected = format!("a value, as {n_heads} heads do not divide {d_model}");
            return Err(named.wrong(name, expected, "none".to_owned()));
        }
    };
    if d_head == 0 || d_head % 2 == 1 {
        return Err(named.wrong(name, "an even width of heads", d_head.to_string()));
    }
    for name in ["attention.value_length", "rope.dimension_count"] {
        if let Some(found) = named.size(name)?.filter(|found| *found != d_head) {
            let expected = format!("the width of heads, {d_head}");
            return Err(named.wrong(name, expected, found.to_string()));
        }
    }
    Ok(d_head)
}

/// Rows of the embedding, which `vocab_size` must confirm where it is given.
fn vocab(file: &Gguf<'_>, named: &Named<'_>) -> Result<usize, ModelError> {
    let name = "token_embd.weight";
    let embedding = file.tensors.get(name).map(|tensor| tensor.shape.as_slice());
    let Some(&[rows, _]) = embedding else {
        let found = embedding.map_or_else(|| "none".to_owned(), |shape| format!("{shape:?}"));
        return Err(file.metadata.wrong(&format!("tensor {name}"), "two dimensions", found));
    };
    match named.size("vocab_size")?.filter(|size| *size != rows) {
        Some(size) => {
            let expected = format!("the {rows} rows of {name}");
            Err(named.wrong("vocab_size", expected, size.to_string()))
        }
        None => Ok(rows),
    }
}

fn has_part(file: &Gguf<'_>, parts: &[&str]) -> bool {
    file.tensors.keys().any(|name| parts.iter().any(|part| name.ends_with(&format!(".{part}"))))
}

fn rope(file: &Gguf<'_>, named: &Named<'_>, d_head: usize) -> Result<RopeSpec, ModelError> {
    let theta = named.positive("rope.freq_base")?.unwrap_or(DEFAULT_THETA);
    let scaling = match named.metadata.text(&named.key("rope.scaling.type"))? {
        None | Some("none") => None,
        Some("linear") if named.architecture.scales_linearly => {
            let name = "rope.scaling.factor";
            let factor = named.metadata.required(&named.key(name), named.positive(name)?)?;
            Some(RopeScaling::Linear { factor })
        }
        Some(other) => {
            let linear = if named.architecture.scales_linearly { " or linear" } else { "" };
            let expected = format!("none{linear}");
            return Err(named.wrong("rope.scaling.type", expected, other.to_owned()));
        }
    };
    let Some(divisors) = file.tensors.get(ROPE_DIVISORS) else {
        return Ok(RopeSpec { theta, scaling });
    };
    let divisors = dequantize(divisors.encoding, divisors.bytes);
    let candidates = std::iter::once(None).chain(published_scalings().map(Some));
    let mut ropes =
        candidates.map(|scaling| RopeSpec { theta, scaling: scaling.map(RopeScaling::Llama3) });
    ropes.find(|rope| explains(rope, d_head, &divisors)).ok_or_else(|| {
        let expected = "divisors of a published Llama 3 scaling (factor 8 or 32)";
        let range = divisors
            .iter()
            .fold((f32::MAX, f32::MIN), |(low, high), x| (low.min(*x), high.max(*x)));
        let found = format!("{} from {} to {}", divisors.len(), range.0, range.1);
        file.metadata.wrong(&format!("tensor {ROPE_DIVISORS}"), expected, found)
    })
}

/// Scalings of Llama 3.1 (factor 8) and Llama 3.2 (factor 32). A GGUF file holds only the divisors that
/// follow from them, so the parameters are found again by trying.
fn published_scalings() -> impl Iterator<Item = Llama3Scaling> {
    [8.0, 32.0].into_iter().map(|factor| Llama3Scaling {
        factor,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_positions: 8192,
    })
}

/// Whether plain frequencies over scaled ones are the divisors.
fn explains(rope: &RopeSpec, d_head: usize, divisors: &[f32]) -> bool {
    let plain = RopeSpec::plain(rope.theta).inverse_frequencies(d_head);
    let scaled = rope.inverse_frequencies(d_head);
    let expected = plain.iter().zip(&scaled).map(|(plain, scaled)| plain / scaled);
    divisors.len() == plain.len()
        && expected
            .zip(divisors)
            .all(|(expected, found)| (expected / f64::from(*found) - 1.0).abs() < DIVISOR_TOLERANCE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::{
        fixture::{Fixture, refusal},
        metadata::Value,
    };

    #[test]
    fn the_shape_is_that_of_the_metadata() {
        let fixture = Fixture::llama();
        let bytes = fixture.bytes();
        let file = Gguf::parse(std::path::Path::new("a.gguf"), &bytes).unwrap();
        let (_, spec) = read(&file).unwrap();
        let attention = AttentionSpec::plain(4, 2, 4, RopeSpec::plain(10000.0));
        assert_eq!((spec.vocab, spec.d_model), (5, 16));
        assert_eq!(spec.layers, [LayerSpec::pre_norm(attention, FfnSpec::swiglu(6))]);
        assert_eq!((spec.norm, spec.max_positions), (NormSpec::plain(1e-5), 32));
        assert!(spec.tied);
    }

    #[test]
    fn what_the_decoder_cannot_do_is_refused_by_name() {
        let with = |key: &str, value: Value| refusal(&Fixture::llama().with(key, value));
        let text = |text: &str| Value::Text(text.to_owned());
        assert!(with("general.architecture", text("falcon")).contains("one of the architectures"));
        assert!(
            with("llama.rope.scaling.type", text("yarn")).contains("expected none, found yarn")
        );
        assert!(with("llama.expert_count", Value::Integer(8)).contains("llama.expert_count"));
        assert!(
            with("llama.rope.dimension_count", Value::Integer(2)).contains("width of heads, 4")
        );
    }

    #[test]
    fn sizes_that_contradict_each_other_are_refused() {
        let with =
            |key: &str, size: i128| refusal(&Fixture::llama().with(key, Value::Integer(size)));
        assert!(with("llama.block_count", 4_000_000_000).contains("no more blocks"));
        assert!(with("llama.block_count", -1).contains("a size below 2^32"));
        assert!(with("llama.attention.head_count_kv", 3).contains("a divisor of 4 query heads"));
        assert!(with("llama.attention.head_count", 0).contains("at least 1"));
        assert!(with("llama.attention.key_length", 3).contains("an even width"));
        assert!(with("llama.vocab_size", 6).contains("the 5 rows of token_embd.weight"));
        assert!(with("llama.feed_forward_length", 7).contains("tensor blk.0.ffn_"));
    }

    fn with_divisors(scaling: Llama3Scaling) -> Fixture {
        let plain = RopeSpec::plain(500000.0).inverse_frequencies(4);
        let scaling = Some(RopeScaling::Llama3(scaling));
        let scaled = RopeSpec { theta: 500000.0, scaling }.inverse_frequencies(4);
        let ratios = plain.iter().zip(&scaled).map(|(plain, scaled)| plain / scaled);
        #[expect(clippy::cast_possible_truncation, reason = "the file has f32")]
        let divisors: Vec<f32> = ratios.map(|ratio| ratio as f32).collect();
        Fixture::llama().with("llama.rope.freq_base", Value::Single(500000.0)).with_f32(
            ROPE_DIVISORS,
            &[2],
            &divisors,
        )
    }

    fn rope_of(fixture: &Fixture) -> RopeSpec {
        let bytes = fixture.bytes();
        let file = Gguf::parse(std::path::Path::new("a.gguf"), &bytes).unwrap();
        read(&file).unwrap().1.layers[0].attention.unwrap().rope
    }

    #[test]
    fn baked_divisors_give_back_the_scaling() {
        for scaling in published_scalings() {
            let found = rope_of(&with_divisors(scaling)).scaling;
            assert_eq!(found, Some(RopeScaling::Llama3(scaling)));
        }
    }

    #[test]
    fn divisors_of_one_are_no_scaling() {
        let fixture = Fixture::llama().with_f32(ROPE_DIVISORS, &[2], &[1.0, 1.0]);
        assert_eq!(rope_of(&fixture).scaling, None);
    }

    #[test]
    fn divisors_of_no_known_scaling_are_refused() {
        let fixture = Fixture::llama().with_f32(ROPE_DIVISORS, &[2], &[1.0, 5.0]);
        assert!(refusal(&fixture).contains("rope_freqs.weight: expected divisors of a published"));
    }
}
