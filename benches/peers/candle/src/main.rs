//! candle's worker: `peer-candle WORK DIR` does a work of `works.json` on request, by the protocol of
//! `benches/src/peer/channel.rs`.
//!
//! The model is `candle_transformers::models::smol::smollm3` without layers that skip rotary positions, which is
//! Llama: `models::llama` gives logits of the last token alone, and copies its cache at every token.
//! Training is not offered: the RMSNorm, rotary and softmax operations that every decoder of candle-transformers
//! is made of are `apply_op*_no_bwd`, so that gradients stop there without an error.
#![forbid(unsafe_code)]

use std::{
    env, fs,
    io::{self, BufRead, Write},
    path::Path,
    process::ExitCode,
    time::Instant,
};

use candle_core::{D, DType, Device, Tensor, safetensors, utils};
use candle_nn::{VarBuilder, ops::log_softmax};
use candle_transformers::models::smol::smollm3::{Config, Model, ModelForCausalLM};
use serde::Deserialize;
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error>;
/// Seconds and what was found.
type Repetition = Box<dyn FnMut() -> Result<(f64, Value), Failure>>;

/// What this side needs of a work.
#[derive(Deserialize)]
struct Work {
    name: String,
    what: What,
    warm_up: u32,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum What {
    Matmul {
        m: usize,
        k: usize,
        n: usize,
        count: usize,
    },
    Loglik {
        model: String,
    },
    Decode {
        model: String,
        new: usize,
    },
    #[serde(other)]
    Training,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [work, folder] = arguments.as_slice() else {
        eprintln!("usage: peer-candle WORK DIR");
        return ExitCode::FAILURE;
    };
    match run(work, Path::new(folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peer-candle: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(name: &str, folder: &Path) -> Result<(), Failure> {
    let at_start = resident()?;
    let works: Vec<Work> = serde_json::from_slice(&fs::read(folder.join("works.json"))?)?;
    let work = works.into_iter().find(|work| work.name == name).ok_or("no such work")?;
    let Some(mut repeat) = repetition(&work, folder)? else {
        let reason = "candle-transformers' operations have no backward pass";
        return answer(&json!({ "ready": false, "reason": reason }));
    };
    let loaded = resident()?;
    // Starts a new peak, so that loading does not hide what working takes; fine where it is not allowed.
    let _ = fs::write("/proc/self/clear_refs", "5");
    for _ in 0..work.warm_up {
        repeat()?;
    }
    answer(&json!({
        "ready": true,
        "library": "candle 0.11.1",
        "threads": utils::get_num_threads(),
        "avx": utils::with_avx(),
        "at_start": at_start,
        "loaded": loaded,
    }))?;
    serve(&mut repeat)
}

fn serve(repeat: &mut Repetition) -> Result<(), Failure> {
    for line in io::stdin().lock().lines() {
        match line?.trim() {
            "go" => {
                let (seconds, check) = repeat()?;
                answer(&json!({ "seconds": seconds, "check": check }))?;
            }
            "memory" => answer(&resident()?)?,
            "quit" => break,
            other => Err(format!("a command must be go, memory or quit, got {other:?}"))?,
        }
    }
    Ok(())
}

fn answer(value: &Value) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    writeln!(output, "{value}")?;
    Ok(output.flush()?)
}

fn repetition(work: &Work, folder: &Path) -> Result<Option<Repetition>, Failure> {
    let ids: Vec<Vec<u32>> =
        serde_json::from_slice(&fs::read(folder.join(format!("{}.ids.json", work.name)))?)?;
    Ok(Some(match &work.what {
        What::Matmul { m, k, n, count } => matmul([*m, *k, *n], *count)?,
        What::Loglik { model } => loglik(&folder.join(model), &ids)?,
        What::Decode { model, new } => decode(&folder.join(model), &ids, *new)?,
        What::Training => return Ok(None),
    }))
}

fn matmul([m, k, n]: [usize; 3], count: usize) -> Result<Repetition, Failure> {
    let matrix = |step: usize, rows: usize, columns: usize| {
        let values = (0..rows * columns).map(|i| ((i * step % 257) as f32 - 128.0) / 128.0);
        Tensor::from_vec(values.collect::<Vec<f32>>(), (rows, columns), &Device::Cpu)
    };
    let (a, b) = (matrix(7919, m, k)?, matrix(104_729, k, n)?);
    Ok(Box::new(move || {
        let start = Instant::now();
        let mut last = a.matmul(&b)?;
        for _ in 1..count {
            last = a.matmul(&b)?;
        }
        let seconds = start.elapsed().as_secs_f64();
        Ok((seconds, json!(last.abs()?.mean_all()?.to_scalar::<f32>()?)))
    }))
}

fn loglik(folder: &Path, ids: &[Vec<u32>]) -> Result<Repetition, Failure> {
    let (config, weights) = weights(folder)?;
    let mut model = Model::new(&config, weights.clone())?;
    // Tied: the head is the embedding.
    let table = (config.vocab_size, config.hidden_size);
    let head = weights.get(table, "model.embed_tokens.weight")?;
    let seq = ids.first().map_or(0, Vec::len) - 1;
    let rows = Tensor::new(ids.to_vec(), &Device::Cpu)?;
    let inputs = rows.narrow(1, 0, seq)?.contiguous()?;
    let targets = rows.narrow(1, 1, seq)?.contiguous()?.flatten_all()?;
    Ok(Box::new(move || {
        let start = Instant::now();
        let hidden = model.forward(&inputs, 0)?.flatten_to(1)?;
        let logits = hidden.matmul(&head.t()?)?;
        let likeliest = logits.argmax(D::Minus1)?;
        let found = log_softmax(&logits, D::Minus1)?.gather(&targets.unsqueeze(1)?, 1)?;
        let nats = -found.to_dtype(DType::F64)?.sum_all()?.to_scalar::<f64>()?;
        let greedy = likeliest.eq(&targets)?.to_dtype(DType::U32)?.sum_all()?.to_scalar::<u32>()?;
        let seconds = start.elapsed().as_secs_f64();
        Ok((seconds, json!([nats / targets.elem_count() as f64, greedy])))
    }))
}

fn decode(folder: &Path, ids: &[Vec<u32>], new: usize) -> Result<Repetition, Failure> {
    let (config, weights) = weights(folder)?;
    let mut model = ModelForCausalLM::new(&config, weights)?;
    let prompt = ids.first().ok_or("no prompt")?.clone();
    Ok(Box::new(move || {
        let start = Instant::now();
        let (mut input, mut past, mut tokens) = (prompt.clone(), 0, Vec::new());
        while tokens.len() < new {
            let ids = Tensor::new(input.as_slice(), &Device::Cpu)?.unsqueeze(0)?;
            let logits = model.forward(&ids, past)?.flatten_all()?;
            past += input.len();
            let token = logits.argmax(0)?.to_scalar::<u32>()?;
            tokens.push(token);
            input = vec![token];
        }
        Ok((start.elapsed().as_secs_f64(), json!(tokens)))
    }))
}

/// Loaded once; a builder over tensors hands out shares of them, not copies.
fn weights(folder: &Path) -> Result<(Config, VarBuilder<'static>), Failure> {
    let config: Config = serde_json::from_slice(&fs::read(folder.join("config.json"))?)?;
    let tensors = safetensors::load(folder.join("model.safetensors"), &Device::Cpu)?;
    Ok((config, VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu)))
}

/// Bytes in memory now and at most, as Linux counts them.
fn resident() -> Result<Value, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let bytes = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let kibibytes: u64 = line?.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(1024 * kibibytes)
    };
    Ok(json!({ "rss": bytes("VmRSS:"), "peak_rss": bytes("VmHWM:") }))
}
