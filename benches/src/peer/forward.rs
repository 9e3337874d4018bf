//! Evaluation: log-likelihoods, and greedy decoding with a cache.

use std::{
    io::{BufRead, Write},
    path::Path,
    time::Instant,
};

use anyhow::Context;
use burn::tensor::Device;
use pycno_data::{Batch, batch::ids_tensor};
use pycno_kernels::head::{CHUNK_ROWS, TokenLoss, token_losses};
use pycno_model::{Decoder, hf};
use serde_json::json;

use crate::peer::{
    channel::{Channel, Done},
    work::{What, Work},
};

/// Rates every next token of the work's sequences whenever asked, as `pycno-eval` does.
///
/// # Errors
///
/// If the inputs are missing, and as [`Channel::serve`].
pub fn loglik<R: BufRead, W: Write>(
    work: &Work,
    folder: &Path,
    channel: &mut Channel<R, W>,
) -> anyhow::Result<()> {
    let decoder = decoder(work, folder)?;
    let batch = Batch::plain(work.ids(folder)?);
    channel.serve(work.warm_up, &mut || {
        let start = Instant::now();
        let losses = rated(&decoder, &batch);
        let nats: f64 = losses.iter().map(|loss| loss.nats).sum();
        let greedy = losses.iter().filter(|loss| loss.greedy).count();
        let seconds = start.elapsed().as_secs_f64();
        Ok(Done { seconds, check: json!([nats / losses.len() as f64, greedy]) })
    })
}

fn rated(decoder: &Decoder, batch: &Batch) -> Vec<TokenLoss> {
    let head = decoder.head();
    let hidden = decoder.hidden(batch.inputs(&head.device()));
    let [rows, seq, d_model] = hidden.dims();
    token_losses(&hidden.reshape([rows * seq, d_model]), &head, &batch.targets(), CHUNK_ROWS)
}

/// Decodes from the work's prompt whenever asked.
///
/// # Errors
///
/// If the inputs are missing, and as [`Channel::serve`].
pub fn decode<R: BufRead, W: Write>(
    work: &Work,
    folder: &Path,
    channel: &mut Channel<R, W>,
) -> anyhow::Result<()> {
    let decoder = decoder(work, folder)?;
    let ids = work.ids(folder)?;
    let prompt = ids.first().context("a prompt")?;
    let What::Decode { new, .. } = work.what else {
        anyhow::bail!("{} decodes nothing", work.name)
    };
    channel.serve(work.warm_up, &mut || {
        let start = Instant::now();
        let tokens = decoded(&decoder, prompt, new)?;
        Ok(Done { seconds: start.elapsed().as_secs_f64(), check: json!(tokens) })
    })
}

/// The `new` likeliest tokens, one after the other; an end of text does not stop it.
fn decoded(decoder: &Decoder, prompt: &[u32], new: usize) -> anyhow::Result<Vec<u32>> {
    let device = decoder.device();
    let (mut cache, mut input) = (decoder.cache(), prompt.to_vec());
    let mut tokens = Vec::with_capacity(new);
    while tokens.len() < new {
        let hidden = decoder.step(ids_tensor(&[&input], &device), &mut cache);
        let [_, seq, d_model] = hidden.dims();
        let last = hidden.narrow(1, seq - 1, 1).reshape([1, d_model]);
        let best = decoder.logits(last).argmax(1).into_data();
        let token = best.iter::<u32>().next().context("a likeliest token")?;
        tokens.push(token);
        input = vec![token];
    }
    Ok(tokens)
}

fn decoder(work: &Work, folder: &Path) -> anyhow::Result<Decoder> {
    let model = work.model().with_context(|| format!("{} has no model", work.name))?;
    Ok(Decoder::new(&hf::read(&folder.join(model))?, &Device::flex())?)
}
