//! Helpers shared by the outer tests.
