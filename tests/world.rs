//! A tiny world in a temporary folder: a random teacher, its tokenizer, texts and question sets. Whole
//! studies run on it in seconds, with nothing from outside.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use pycno_model::{
    AttentionSpec, Checkpoint, FfnSpec, HostTensor, LayerSpec, ModelSpec, NormSpec, RopeSpec,
    hf::{self, SaveDtype},
};
use pycno_units::Seed;
use serde_json::{Value, json};
use tempfile::TempDir;

const WORDS: [&str; 40] = [
    "<s>", "</s>", "<unk>", "Question", ":", "Answer", ".", "?", ",", "the", "a", "cat", "dog",
    "tree", "river", "stone", "bird", "red", "green", "blue", "old", "new", "runs", "sleeps",
    "sings", "falls", "grows", "shines", "and", "or", "not", "in", "on", "under", "who", "what",
    "where", "is", "was", "will",
];

/// The folder and what is in it.
#[derive(Debug)]
pub struct World {
    folder: TempDir,
}

impl World {
    /// Makes the world; always the same one.
    ///
    /// # Panics
    ///
    /// If the temporary folder cannot be written.
    #[expect(clippy::unwrap_used, reason = "a test without its folder has failed")]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir_all(data.join("benchmarks")).unwrap();
        fs::create_dir_all(data.join("corpora")).unwrap();
        hf::write(&teacher(), &folder.path().join("teacher"), SaveDtype::F32).unwrap();
        fs::write(data.join("corpora/calibration.txt"), prose(3, 900)).unwrap();
        fs::write(data.join("corpora/train.txt"), prose(5, 3000)).unwrap();
        fs::write(data.join("benchmarks/arc_easy.jsonl"), choices(7, 4, 24)).unwrap();
        fs::write(data.join("benchmarks/piqa.jsonl"), choices(8, 2, 24)).unwrap();
        fs::write(data.join("benchmarks/lambada_openai.jsonl"), last_words(9, 24)).unwrap();
        Self { folder }
    }

    /// The folder of it all.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The teacher's folder.
    pub fn teacher(&self) -> PathBuf {
        self.path().join("teacher")
    }

    /// The data folder, as `PYCNO_DATA` would name it.
    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Writes a study file and gives its path.
    ///
    /// # Panics
    ///
    /// If it cannot be written.
    #[expect(clippy::unwrap_used, reason = "a test without its folder has failed")]
    pub fn study(&self, text: &str) -> PathBuf {
        let path = self.path().join("study.toml");
        fs::write(&path, text).unwrap();
        path
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// A study of the tiny teacher: depth and width, before and after recovery.
pub const STUDY: &str = r#"
[study]
name = "tiny"
seed = 3
question = "Does the tiny teacher lose density?"

[teacher]
checkpoint = "./teacher"

[data]
calibration = { source = "data:corpora/calibration.txt", sequences = 8, length = 32 }
train = { source = "data:corpora/train.txt", length = 32 }

[eval]
tasks = ["lambada_openai", "arc_easy", "piqa"]
limit = 20

[ruler]
name = "pythia"
tasks = ["lambada_openai", "arc_easy", "piqa"]
draws = 200

[[student]]
name = "depth-2"
prune = { criterion = "block-influence", structure = "layers", keep = 2 }

[[student]]
name = "depth-2-distilled"
from = "depth-2"
recover = { objective = { name = "forward-kl", temperature = 1.0 }, tokens = 2048, batch = 4, micro_batch = 2, checkpoint_every = 2 }

[[student]]
name = "width-24"
prune = { criterion = "minitron", structure = "ffn", keep = 24 }

[[student]]
name = "width-24-distilled"
from = "width-24"
recover = { objective = { name = "reverse-kl", temperature = 2.0 }, tokens = 2048, batch = 4, micro_batch = 2, checkpoint_every = 2 }
"#;

/// A stream of pseudo-random numbers below `n`.
fn picks(seed: u64) -> impl FnMut(usize) -> usize {
    let mut count = 0_u64;
    move |n| {
        count += 1;
        let draw = Seed(seed).split(&count.to_string()).0 % n as u64;
        usize::try_from(draw).unwrap_or(0)
    }
}

fn prose(seed: u64, words: usize) -> String {
    let mut pick = picks(seed);
    let words: Vec<&str> = (0..words).map(|_| WORDS[3 + pick(WORDS.len() - 3)]).collect();
    words.join(" ")
}

fn choices(seed: u64, n_choices: usize, items: usize) -> String {
    let mut pick = picks(seed);
    let mut text = String::new();
    for item in 0..items {
        let query = format!("Question : {} ?", prose(seed * 1000 + item as u64, 6));
        let choices: Vec<String> =
            (0..n_choices).map(|_| prose(pick(1_000_000) as u64, 1 + pick(3))).collect();
        let line = json!({ "query": query, "choices": choices, "gold": pick(n_choices) });
        let _ = writeln!(text, "{line}");
    }
    text
}

fn last_words(seed: u64, items: usize) -> String {
    let mut pick = picks(seed);
    let mut text = String::new();
    for item in 0..items {
        let context = prose(seed * 1000 + item as u64, 12);
        let line = json!({ "context": context, "continuation": WORDS[9 + pick(30)] });
        let _ = writeln!(text, "{line}");
    }
    text
}

/// A random llama of four layers with grouped queries and a tied head.
pub fn teacher() -> Checkpoint {
    let attention = AttentionSpec::plain(4, 2, 8, RopeSpec::plain(1e4));
    let layer = LayerSpec::pre_norm(attention, FfnSpec::swiglu(40));
    let spec = ModelSpec {
        vocab: WORDS.len(),
        d_model: 32,
        layers: vec![layer; 4],
        norm: NormSpec::plain(1e-5),
        tied: true,
        max_positions: 128,
        embedding_scale: None,
        logit_softcap: None,
    };
    // Named as in the teacher's folder.
    let name = |id| hf::FAMILIES[0].tensor(id).unwrap_or_default();
    let tensors = spec
        .shapes()
        .map(|(id, shape)| {
            let values = random(&name(id), shape.iter().product());
            (id, HostTensor::new(shape, values))
        })
        .collect();
    let files = [("tokenizer.json", tokenizer()), ("tokenizer_config.json", tokenizer_config())]
        .map(|(name, value)| (name.to_owned(), value.to_string().into_bytes()))
        .into();
    Checkpoint { files, config: config(), ..Checkpoint::new(spec, tensors) }
}

/// Values in `[-0.4, 0.4)`, norms around 1.
#[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
fn random(name: &str, n: usize) -> Vec<f32> {
    let center = if name.contains("norm") { 1.0 } else { 0.0 };
    let draw = |i: usize| Seed(11).split(&format!("{name} {i}")).0 as f64 / u64::MAX as f64;
    (0..n).map(|i| (center + 0.8 * (draw(i) - 0.5)) as f32).collect()
}

fn config() -> serde_json::Map<String, Value> {
    let config = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": WORDS.len(),
        "hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 4,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
        "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "hidden_act": "silu", "tie_word_embeddings": true, "attention_bias": false,
        "mlp_bias": false, "bos_token_id": 0, "eos_token_id": 1, "torch_dtype": "float32",
    });
    config.as_object().cloned().unwrap_or_default()
}

fn tokenizer() -> Value {
    let vocab: serde_json::Map<String, Value> =
        WORDS.iter().enumerate().map(|(id, word)| ((*word).to_owned(), id.into())).collect();
    let special = |id: usize| {
        json!({ "id": id, "content": WORDS[id], "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true })
    };
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [special(0), special(1), special(2)],
        "normalizer": null, "pre_tokenizer": { "type": "Whitespace" },
        "post_processor": null, "decoder": null,
        "model": { "type": "WordLevel", "vocab": vocab, "unk_token": "<unk>" },
    })
}

fn tokenizer_config() -> Value {
    json!({ "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>",
        "unk_token": "<unk>", "model_max_length": 128 })
}
