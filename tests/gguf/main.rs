//! GGUF files: every stored type against the `gguf` package, and a real model: its size, its token ids
//! and its perplexity.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod smollm2;
mod types;
