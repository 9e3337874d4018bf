//! The model's shape from `llama.*` metadata.

use super::{
    dequant::dequantize,
    header::Gguf,
    metadata::{Metadata, Value},
};
use crate::{LayerSpec, Llama3Scaling, ModelError, ModelSpec, RopeSpec};

const ARCHITECTURE: &str = "llama";
/// llama.cpp's, where the file does not say.
const DEFAULT_THETA: f64 = 10000.0;
/// Divisors of the rotary frequencies, baked into a tensor by llama.cpp's converter.
pub(super) const ROPE_DIVISORS: &str = "rope_freqs.weight";
/// The converter computes divisors in `f32`; the scalings below differ by far more.
const DIVISOR_TOLERANCE: f64 = 1e-4;

/// Keys that change what the model computes, in ways the decoder does not know.
const REFUSED: [&str; 9] = [
    "llama.attention.scale",
    "llama.attention.clamp_kqv",
    "llama.attention.sliding_window",
    "llama.embedding_scale",
    "llama.expert_count",
    "llama.logit_scale",
    "llama.residual_scale",
    "llama.rope.scale_linear",
    "llama.rope.scaling.attn_factor",
];

/// Reads the shape of the model.
pub(super) fn read(file: &Gguf<'_>) -> Result<ModelSpec, ModelError> {
    let metadata = &file.metadata;
    check_architecture(metadata)?;
    check_refused(metadata)?;
    let d_model = metadata.extent("llama.embedding_length")?;
    let layers = layers(file)?;
    let n_heads = layers.first().map_or(1, |layer| layer.n_heads);
    let d_head = d_head(metadata, d_model, n_heads)?;
    Ok(ModelSpec {
        vocab: vocab(file)?,
        d_model,
        d_head,
        layers,
        norm_eps: metadata.required(EPS, metadata.positive(EPS)?)?,
        rope: rope(file, d_head)?,
        attention_bias: has_part(file, &["attn_q", "attn_k", "attn_v", "attn_output"]),
        mlp_bias: has_part(file, &["ffn_gate", "ffn_up", "ffn_down"]),
        tied: !file.tensors.contains_key("output.weight"),
        max_positions: metadata.extent("llama.context_length")?,
        window: None,
    })
}

const EPS: &str = "llama.attention.layer_norm_rms_epsilon";

fn check_architecture(metadata: &Metadata) -> Result<(), ModelError> {
    let key = "general.architecture";
    let found = metadata.required(key, metadata.text(key)?)?;
    if found == ARCHITECTURE {
        Ok(())
    } else {
        Err(metadata.wrong(key, format!("one of the architectures {ARCHITECTURE}"), found))
    }
}

fn check_refused(metadata: &Metadata) -> Result<(), ModelError> {
    for key in REFUSED {
        let neutral = match metadata.values.get(key) {
            None | Some(Value::Integer(0)) => true,
            // Zero and one are how llama.cpp's writers say "not used" of factors.
            Some(Value::Single(x)) => *x == 0.0 || (*x - 1.0).abs() < f32::EPSILON,
            Some(_) => false,
        };
        if !neutral {
            return Err(metadata.wrong(key, "no such key, as the decoder lacks this", "a value"));
        }
    }
    let key = "llama.rope.scaling.type";
    match metadata.text(key)? {
        None | Some("none") => Ok(()),
        Some(other) => Err(metadata.wrong(key, "none", other)),
    }
}

/// All blocks are alike: a Hugging Face config has one number for all.
fn layers(file: &Gguf<'_>) -> Result<Vec<LayerSpec>, ModelError> {
    let metadata = &file.metadata;
    let key = "llama.block_count";
    let n_layers = metadata.extent(key)?;
    if n_layers > file.tensors.len() {
        let expected = format!("no more blocks than the {} tensors", file.tensors.len());
        return Err(metadata.wrong(key, expected, n_layers.to_string()));
    }
    let kv_key = "llama.attention.head_count_kv";
    let n_heads = metadata.extent("llama.attention.head_count")?;
    let n_kv_heads =
        if metadata.values.contains_key(kv_key) { metadata.extent(kv_key)? } else { n_heads };
    if !n_heads.is_multiple_of(n_kv_heads) {
        let expected = format!("a divisor of {n_heads} query heads");
        return Err(metadata.wrong(kv_key, expected, n_kv_heads.to_string()));
    }
    let d_ffn = metadata.extent("llama.feed_forward_length")?;
    Ok(vec![LayerSpec { n_heads, n_kv_heads, d_ffn }; n_layers])
}

fn d_head(metadata: &Metadata, d_model: usize, n_heads: usize) -> Result<usize, ModelError> {
    let key = "llama.attention.key_length";
    let d_head = match metadata.size(key)? {
        Some(d_head) => d_head,
        None if d_model.is_multiple_of(n_heads) => d_model / n_heads,
        None => {
            let expected = format!("a value, as {n_heads} heads do not divide {d_model}");
            return Err(metadata.wrong(key, expected, "none"));
        }
    };
    if d_head == 0 || d_head % 2 == 1 {
        return Err(metadata.wrong(key, "an even width of heads", d_head.to_string()));
    }
    for key in ["llama.attention.value_length", "llama.rope.dimension_count"] {
        if let Some(found) = metadata.size(key)?.filter(|found| *found != d_head) {
            let expected = format!("the width of heads, {d_head}");
            return Err(metadata.wrong(key, expected, found.to_string()));
        }
    }
    Ok(d_head)
}

/// Rows of the embedding, which `llama.vocab_size` must confirm where it is given.
fn vocab(file: &Gguf<'_>) -> Result<usize, ModelError> {
    let name = "token_embd.weight";
    let metadata = &file.metadata;
    let embedding = file.tensors.get(name).map(|tensor| tensor.shape.as_slice());
    let Some(&[rows, _]) = embedding else {
        let found = embedding.map_or_else(|| "none".to_owned(), |shape| format!("{shape:?}"));
        return Err(metadata.wrong(&format!("tensor {name}"), "two dimensions", found));
    };
    let key = "llama.vocab_size";
    match metadata.size(key)?.filter(|size| *size != rows) {
        Some(size) => {
            let expected = format!("the {rows} rows of {name}");
            Err(metadata.wrong(key, expected, size.to_string()))
        }
        None => Ok(rows),
    }
}

fn has_part(file: &Gguf<'_>, parts: &[&str]) -> bool {
    file.tensors
        .keys()
        .any(|name| parts.iter().any(|part| name.ends_with(&format!(".{part}.bias"))))
}

fn rope(file: &Gguf<'_>, d_head: usize) -> Result<RopeSpec, ModelError> {
    let theta = file.metadata.positive("llama.rope.freq_base")?.unwrap_or(DEFAULT_THETA);
    let Some(divisors) = file.tensors.get(ROPE_DIVISORS) else {
        return Ok(RopeSpec { theta, scaling: None });
    };
    let divisors = dequantize(divisors.encoding, divisors.bytes);
    let candidates = std::iter::once(None).chain(published_scalings().map(Some));
    let mut ropes = candidates.map(|scaling| RopeSpec { theta, scaling });
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
    let plain = RopeSpec { theta: rope.theta, scaling: None }.inverse_frequencies(d_head);
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
    use crate::gguf::fixture::{Fixture, refusal};

    #[test]
    fn the_shape_is_that_of_the_metadata() {
        let fixture = Fixture::llama();
        let bytes = fixture.bytes();
        let file = Gguf::parse(std::path::Path::new("a.gguf"), &bytes).unwrap();
        let spec = read(&file).unwrap();
        let layer = LayerSpec { n_heads: 4, n_kv_heads: 2, d_ffn: 6 };
        assert_eq!((spec.vocab, spec.d_model, spec.d_head), (5, 16, 4));
        assert_eq!(spec.layers, [layer]);
        assert_eq!((spec.norm_eps, spec.rope.theta, spec.max_positions), (1e-5, 10000.0, 32));
        assert!(spec.tied && !spec.attention_bias && !spec.mlp_bias);
    }

    #[test]
    fn what_the_decoder_cannot_do_is_refused_by_name() {
        let with = |key: &str, value: Value| refusal(&Fixture::llama().with(key, value));
        let text = |text: &str| Value::Text(text.to_owned());
        assert!(with("general.architecture", text("gemma2")).contains("one of the architectures"));
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
        let plain = RopeSpec { theta: 500000.0, scaling: None }.inverse_frequencies(4);
        let scaled = RopeSpec { theta: 500000.0, scaling: Some(scaling) }.inverse_frequencies(4);
        let ratios = plain.iter().zip(&scaled).map(|(plain, scaled)| plain / scaled);
        #[expect(clippy::cast_possible_truncation, reason = "the file has f32")]
        let divisors: Vec<f32> = ratios.map(|ratio| ratio as f32).collect();
        Fixture::llama().with("llama.rope.freq_base", Value::Single(500000.0)).with_f32(
            ROPE_DIVISORS,
            &[2],
            &divisors,
        )
    }

    #[test]
    fn baked_divisors_give_back_the_scaling() {
        for scaling in published_scalings() {
            let bytes = with_divisors(scaling.clone()).bytes();
            let file = Gguf::parse(std::path::Path::new("a.gguf"), &bytes).unwrap();
            assert_eq!(read(&file).unwrap().rope.scaling, Some(scaling));
        }
    }

    #[test]
    fn divisors_of_one_are_no_scaling() {
        let fixture = Fixture::llama().with_f32(ROPE_DIVISORS, &[2], &[1.0, 1.0]);
        let bytes = fixture.bytes();
        let file = Gguf::parse(std::path::Path::new("a.gguf"), &bytes).unwrap();
        assert_eq!(read(&file).unwrap().rope.scaling, None);
    }

    #[test]
    fn divisors_of_no_known_scaling_are_refused() {
        let fixture = Fixture::llama().with_f32(ROPE_DIVISORS, &[2], &[1.0, 5.0]);
        assert!(refusal(&fixture).contains("rope_freqs.weight: expected divisors of a published"));
    }
}
