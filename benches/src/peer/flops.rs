//! Floating-point operations of a decoder, counted as in Kaplan et al. 2020
//! ([arXiv:2001.08361](https://arxiv.org/abs/2001.08361), section 2.1), exact for what is a product.
//!
//! A product of `[m, k]` and `[k, n]` takes `2 m k n`, its backward pass twice that. Attention counts the pairs
//! that a causal mask leaves. Norms, activations, softmax, rotary positions, embedding look-ups and the
//! optimizer count nothing: they are what a side may lose against the ceiling of bare products.

use pycno_model::{LayerSpec, ModelSpec};
use pycno_units::Flops;

use crate::peer::work::Product;

/// Tokens that go through a model together.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Sequences.
    pub batch: usize,
    /// Tokens of each that lie in the cache.
    pub past: usize,
    /// Tokens of each that are new.
    pub new: usize,
    /// Rows of logits of each.
    pub logits: usize,
}

impl Span {
    /// Sequences of which every token is new and predicts the next.
    pub const fn whole(batch: usize, seq: usize) -> Self {
        Self { batch, past: 0, new: seq, logits: seq }
    }

    /// Pairs of a query and a key it sees: `new past + new (new + 1) / 2` a sequence.
    const fn pairs(self) -> usize {
        self.batch * (self.new * self.past + self.new * (self.new + 1) / 2)
    }
}

/// Operations of bare products.
pub fn products(shape: Product) -> Flops {
    Flops(shape.count as f64 * product([shape.m, shape.k, shape.n]))
}

/// Operations of a forward pass.
pub fn forward(spec: &ModelSpec, span: Span) -> Flops {
    let tokens = span.batch * span.new;
    let blocks: f64 =
        spec.layers.iter().map(|layer| block(spec, *layer, tokens, span.pairs())).sum();
    Flops(blocks + product([span.batch * span.logits, spec.d_model, spec.vocab]))
}

/// Operations of a forward and a backward pass: three times the forward pass.
pub fn train(spec: &ModelSpec, span: Span) -> Flops {
    Flops(3.0 * forward(spec, span).0)
}

/// Operations of decoding one sequence: the prompt makes the first token, every later one is a pass of its own.
pub fn decode(spec: &ModelSpec, prompt: usize, new: usize) -> Flops {
    let first = forward(spec, Span { batch: 1, past: 0, new: prompt, logits: 1 });
    let next = |i| forward(spec, Span { batch: 1, past: prompt + i, new: 1, logits: 1 }).0;
    Flops(first.0 + (0..new.saturating_sub(1)).map(next).sum::<f64>())
}

/// One block: q and o, k and v, the three matrices of the FFN, and two products per pair of attention.
fn block(spec: &ModelSpec, layer: LayerSpec, tokens: usize, pairs: usize) -> f64 {
    let (q, kv) = (layer.n_heads() * layer.d_head(), layer.n_kv_heads() * layer.d_head());
    let columns = 2 * q + 2 * kv + 3 * layer.d_ffn();
    product([tokens, spec.d_model, columns]) + 2.0 * product([pairs, q, 1])
}

fn product([m, k, n]: [usize; 3]) -> f64 {
    2.0 * m as f64 * k as f64 * n as f64
}

#[cfg(test)]
mod tests {
    use pycno_model::{AttentionSpec, FfnSpec, NormSpec, RopeSpec};

    use super::*;

    /// Two query heads and one key/value head of width 2.
    fn spec() -> ModelSpec {
        let attention = AttentionSpec::plain(2, 1, 2, RopeSpec::plain(1e4));
        ModelSpec {
            vocab: 10,
            d_model: 4,
            layers: vec![LayerSpec::pre_norm(attention, FfnSpec::swiglu(3))],
            norm: NormSpec::plain(1e-5),
            tied: true,
            max_positions: 64,
            embedding_scale: None,
            logit_softcap: None,
        }
    }

    #[track_caller]
    fn check(found: Flops, expect: f64) {
        assert!((found.0 - expect).abs() < 1e-6, "{found:?}, not {expect}");
    }

    #[test]
    fn a_product_counts_a_multiplication_and_an_addition() {
        check(products(Product { m: 2, k: 3, n: 5, count: 7 }), 420.0);
    }

    // A token: q, o 16 weights each, k, v 8 each, gate, up, down 12 each: 84 weights, 168 operations; logits
    // 40 weights, 80 operations; a pair: query times key and weight times value, 4 features each: 16.
    #[test]
    fn a_forward_pass_counts_weights_logits_and_causal_pairs() {
        check(forward(&spec(), Span::whole(1, 3)), 3.0 * (168.0 + 80.0) + 6.0 * 16.0);
        check(forward(&spec(), Span::whole(2, 3)), 2.0 * 840.0);
        check(train(&spec(), Span::whole(1, 3)), 3.0 * 840.0);
    }

    #[test]
    fn a_cached_token_sees_all_before_it() {
        let span = Span { batch: 1, past: 5, new: 1, logits: 1 };
        check(forward(&spec(), span), 168.0 + 80.0 + 6.0 * 16.0);
    }

    #[test]
    fn decoding_is_the_prompt_and_then_token_by_token() {
        // Prompt of 3: 3 tokens, 1 row of logits, 6 pairs. Then a token with 4 keys and one with 5.
        let prompt = 3.0 * 168.0 + 80.0 + 6.0 * 16.0;
        check(decode(&spec(), 3, 3), prompt + 2.0 * 248.0 + 9.0 * 16.0);
        check(decode(&spec(), 3, 1), prompt);
    }
}
