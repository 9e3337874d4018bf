//! Gemma 3, text (Gemma Team 2025, [arXiv:2503.19786](https://arxiv.org/abs/2503.19786)): heads of q and k are normed,
//! and layers with windows rotate by another base than those without.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{
    super::keys::Keys,
    ModelFamily,
    gemma::{self, NORMS, PATTERNS},
    reading::{self, Defaults, FULL, SLIDING, Scalings, Shape},
    writing::{self, set},
};
use crate::{AttentionSpec, ModelError, ModelSpec, RopeSpec};

pub(super) const FAMILY: ModelFamily = ModelFamily {
    model_type: "gemma3_text",
    architecture: "Gemma3ForCausalLM",
    blocks: "GELU; norms around; local layers with a rotary base",
    norms: &NORMS,
    spec,
    write,
};

const DEFAULTS: Defaults = gemma::defaults(262_208, 131_072);
/// Bases of the frequencies of layers without and with a window.
const THETAS: [f64; 2] = [1_000_000.0, 10_000.0];
/// From 4B on, layers without a window scale their frequencies.
const SCALINGS: Scalings = &["linear"];
/// Every so many layers one has no window.
const DEFAULT_PATTERN: usize = 6;

fn spec(keys: &Keys<'_>) -> Result<ModelSpec, ModelError> {
    let shape = Shape::read(keys, &DEFAULTS)?;
    // `transformers` passes no softcap on to Gemma 3's attention, so that other programs could differ.
    if gemma::softcap(keys, "attn_logit_softcapping", None)?.is_some() {
        return Err(keys.wrong("attn_logit_softcapping", "null (gemma3 caps no scores)"));
    }
    let slides = slides(keys, shape.n_layers)?;
    let [full, sliding] = ropes(keys)?;
    let attention = |slides: bool| AttentionSpec {
        qk_norm: true,
        ..shape.attention(if slides { sliding } else { full })
    };
    let logit_softcap = gemma::softcap(keys, "final_logit_softcapping", None)?;
    Ok(ModelSpec { logit_softcap, ..gemma::model(keys, &shape, &slides, attention)? })
}

fn slides(keys: &Keys<'_>, n_layers: usize) -> Result<Vec<bool>, ModelError> {
    if let Some(types) = reading::layer_types(keys, n_layers)? {
        keys.ignore(&PATTERNS);
        return Ok(types);
    }
    let pattern = keys.size_or(PATTERNS[0], DEFAULT_PATTERN)?;
    Ok((1..=n_layers).map(|i| !i.is_multiple_of(pattern)).collect())
}

/// The rotations of layers without and with a window, in the older keys or in those of `transformers` 5.
fn ropes(keys: &Keys<'_>) -> Result<[RopeSpec; 2], ModelError> {
    let thetas = [
        keys.positive_or("rope_theta", THETAS[0])?,
        keys.positive_or("rope_local_base_freq", THETAS[1])?,
    ];
    let [mut full, mut sliding] = [None, None];
    if let Some(tables) = keys.table("rope_parameters")? {
        (full, sliding) = (tables.table(FULL)?, tables.table(SLIDING)?);
        tables.expect_none_left()?;
    }
    let older = keys.table("rope_scaling")?.filter(|table| !table.is_empty());
    if older.is_some() && full.is_some() {
        return Err(keys.wrong("rope_scaling", "null beside rope_parameters"));
    }
    let rope = |table: Option<Keys<'_>>, theta: f64| match table {
        Some(table) => reading::rope_in(keys, &table, theta, SCALINGS),
        None => Ok(RopeSpec::plain(theta)),
    };
    Ok([rope(full.or(older), thetas[0])?, rope(sliding, thetas[1])?])
}

fn write(spec: &ModelSpec, config: &mut Map<String, Value>) -> Result<(), String> {
    let attention = gemma::write(spec, config)?;
    if !attention.qk_norm || attention.softcap.is_some() {
        return Err("query and key heads are not normed, or scores are capped".to_owned());
    }
    let kinds = [one_rope(spec, false)?, one_rope(spec, true)?];
    let said = ropes(&Keys::new(config, Path::new("config.json")));
    let explicit = config.contains_key("rope_theta") || config.contains_key("rope_parameters");
    let right = |said: [RopeSpec; 2]| {
        kinds.iter().zip(said).all(|(wanted, said)| wanted.is_none_or(|wanted| wanted == said))
    };
    if explicit && said.is_ok_and(right) {
        return Ok(());
    }
    // The older keys, which every version reads. A kind of layer that the model has not is left to the defaults.
    config.remove("rope_parameters");
    let [full, sliding] = kinds;
    let theta =
        |rope: Option<RopeSpec>, default: f64| json!(rope.map_or(default, |rope| rope.theta));
    set(
        config,
        [
            ("rope_theta", theta(full, THETAS[0])),
            ("rope_local_base_freq", theta(sliding, THETAS[1])),
            ("rope_scaling", writing::scaling(full.and_then(|rope| rope.scaling))),
        ],
    );
    Ok(())
}

/// The rotation of the layers with a window, or of those without; `None` if there are none of them.
fn one_rope(spec: &ModelSpec, slides: bool) -> Result<Option<RopeSpec>, String> {
    let attentions = spec.layers.iter().filter_map(|layer| layer.attention);
    let mut ropes =
        attentions.filter(|it| it.window.is_some() == slides).map(|attention| attention.rope);
    let first = ropes.next();
    if ropes.all(|rope| Some(rope) == first) {
        Ok(first)
    } else {
        Err("layers of one kind differ in rope".to_owned())
    }
}
