//! The binary `pycno`.
fn main() {}
