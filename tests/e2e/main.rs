//! Whole runs through the binary, on a tiny world made on the spot.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod advise;
mod family;
mod hostile;
mod interrupted;
mod measured;
mod output;
mod quickstart;
mod replay;
mod shell;
mod sparse;
mod store;
mod study;
mod weigh;
