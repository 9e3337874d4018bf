//! The rules about the tree, held against the tree.

mod departures;
mod experiments;
mod layers;
mod sources;
mod unsafety;
mod walk;
