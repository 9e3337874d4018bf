//! Plans read off a ruler: what a score takes, what a student must reach, when a device is enough.
//!
//! The laws are those of Xiao et al. 2025,
//! [doi 10.1038/s42256-025-01137-0](https://doi.org/10.1038/s42256-025-01137-0), equations 1 to 4,
//! and of the trend; what is asked of them here, the paper does not ask. Three questions, a file
//! each, and what a plan takes for granted as sentences to print beside it:
//! - which size and how many tokens reach a score: [`smallest_size`], [`fewest_tokens`],
//!   [`cheapest_run`], [`loss_needed`] ([`TARGET_ASSUMPTIONS`]);
//! - how good a student must be to be worth keeping: [`worth_keeping`] ([`STUDENT_ASSUMPTIONS`]);
//! - when a device is enough: [`device_enough`] ([`DEVICE_DATE_ASSUMPTIONS`]).

mod answer;
mod cheapest;
mod device;
mod drawn;
mod student;
mod target;

pub use answer::Answer;
pub use cheapest::{CheapestRun, cheapest_run};
pub use device::{DEVICE_DATE_ASSUMPTIONS, DeviceEnough, Hardware, device_enough};
pub use drawn::{DrawnLaw, Ends, Planned};
pub use student::{Bar, Binding, FromScratch, STUDENT_ASSUMPTIONS, Teacher, Worth, worth_keeping};
pub use target::{
    SizeNeeded, TARGET_ASSUMPTIONS, TokensNeeded, fewest_tokens, loss_needed, smallest_size,
};

#[cfg(test)]
mod published;
