//! The lab: a small made-up world that gives endless texts, and questions with known answers.
//!
//! Four skills, by analogy with the benchmarks of the Densing Law paper: facts (a knowledge set of known
//! size), tracking (who has what after some swaps), arithmetic (sums and differences), programs (a tiny
//! stack language). Every question has the steps to its answer written out, so that the conditional loss of
//! the paper exists, and three wrong answers.
//!
//! Training texts and test items never share a question: facts are asked of people whom no training
//! text asks about (it only tells of them), and of every other skill a fixed share of all possible
//! questions is kept for testing.
//!
//! ```
//! use pycno_data::lab::{Skill, World};
//!
//! let world = World::default();
//! let item = &world.questions(Skill::Tracking, 1)[0];
//! assert!(item.asked.ends_with('?') && item.wrong.len() == 3);
//! assert!(!item.wrong.contains(&item.answer));
//! ```

mod arithmetic;
mod draw;
mod facts;
mod items;
mod programs;
mod question;
mod texts;
mod tracking;
mod words;
mod world;

pub use items::{FILES, task_file};
pub use question::{Question, Skill};
pub use texts::corpus;
pub use words::tokenizer_files;
pub use world::{Difficulty, World};
