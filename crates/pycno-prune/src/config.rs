//! What a study may ask for: a pruning in four words, each with its own file, and which go together.

use std::{collections::BTreeMap, fmt};

use pycno_model::ModelSpec;
use serde::{Deserialize, Serialize};

use crate::{
    Amount, Axis, Criterion, Needs, Pattern, PruneError, Sparsity, Structure, StructureKind,
    criterion,
};

/// A pruning: what leaves, who says which, how much where, and what the kept weights do.
///
/// ```toml
/// prune = { criterion = "block-influence", structure = "layers", keep = 22 }
/// prune = { criterion = "minitron", structure = { ffn = 1024, kv_groups = 2 } }
/// prune = { criterion = "magnitude", structure = "weights", sparsity = 0.5, allocation = "global" }
/// prune = { criterion = { name = "random", seed = 3 }, structure = "2:4" }
/// ```
///
/// A pair that makes no sense is refused with those that do.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct PruneConfig {
    structure: Structure,
    criterion: Criterion,
    allocation: Allocation,
    update: Update,
}

/// How much goes where.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Allocation {
    /// The same share of every matrix, or as many parts of every layer.
    #[default]
    Uniform,
    /// The share holds for all matrices together: whatever ranks lowest goes, wherever it stands.
    Global,
}

/// What the weights that stay do.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Update {
    /// Nothing: they are those of the teacher.
    #[default]
    None,
}

impl PruneConfig {
    /// A pruning of the teacher's own weights, as much everywhere.
    ///
    /// # Errors
    ///
    /// [`PruneError::Combination`] if the criterion does not rate such a structure.
    pub fn new(criterion: Criterion, structure: Structure) -> Result<Self, PruneError> {
        let (allocation, update) = (Allocation::default(), Update::default());
        Self { structure, criterion, allocation, update }.checked()
    }

    /// The same with another allocation.
    ///
    /// # Errors
    ///
    /// [`PruneError::Combination`] if the structure cannot be allocated so.
    pub fn with_allocation(self, allocation: Allocation) -> Result<Self, PruneError> {
        Self { allocation, ..self }.checked()
    }

    /// What leaves.
    pub const fn structure(&self) -> &Structure {
        &self.structure
    }

    /// Who says which.
    pub const fn criterion(&self) -> Criterion {
        self.criterion
    }

    /// How much where.
    pub const fn allocation(&self) -> Allocation {
        self.allocation
    }

    /// What the kept weights do.
    pub const fn update(&self) -> Update {
        self.update
    }

    /// What must be measured before it can be decided.
    pub fn needs(&self) -> Needs {
        self.criterion.rule().method().needs
    }

    /// The version of the criterion, by which a student of an earlier one is not taken for this one's.
    pub fn version(&self) -> u32 {
        self.criterion.rule().method().version
    }

    /// The shape that is left of a model, as [`Structure::spec_after`].
    ///
    /// # Errors
    ///
    /// [`PruneError::Keep`] if it keeps no part of a place, or more than there are.
    pub fn spec_after(&self, spec: &ModelSpec) -> Result<ModelSpec, PruneError> {
        self.structure.spec_after(spec)
    }

    /// Refuses what no rule can do, naming what the criterion can.
    fn checked(self) -> Result<Self, PruneError> {
        let method = self.criterion.rule().method();
        let kinds = self.structure.kinds();
        if kinds.is_empty() {
            return Err(PruneError::NoStructure);
        }
        if let Some(kind) = kinds.iter().find(|kind| !method.structures.contains(kind)) {
            return Err(criterion::unrated(method, *kind));
        }
        let allocations = Allocation::of(kinds[0]);
        if !allocations.contains(&self.allocation) {
            let known: Vec<&str> = allocations.iter().map(|known| known.name()).collect();
            return Err(PruneError::Combination {
                criterion: method.name,
                word: "allocation",
                found: self.allocation.name().to_owned(),
                known: known.join(", "),
            });
        }
        Ok(self)
    }
}

impl fmt::Display for PruneConfig {
    /// In few words: `minitron (ffn keep 1024, kv-groups keep 2)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.criterion, self.structure)?;
        if self.allocation != Allocation::default() {
            write!(f, ", {}", self.allocation.name())?;
        }
        f.write_str(")")
    }
}

impl Allocation {
    /// The name in configs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Global => "global",
        }
    }

    /// Those that a structure can take. A pattern is the same in every row, and parts of two layers do not compare.
    pub const fn of(kind: StructureKind) -> &'static [Self] {
        match kind {
            StructureKind::Weights => &[Self::Uniform, Self::Global],
            StructureKind::Pattern | StructureKind::Parts(_) => &[Self::Uniform],
        }
    }
}

impl Update {
    /// The name in configs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
        }
    }
}

/// A config as it stands in a file. What has its default is not written, so that a new option moves no hash.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(with = "criterion::written")]
    criterion: Criterion,
    structure: WrittenStructure,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keep: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sparsity: Option<Sparsity>,
    #[serde(default, skip_serializing_if = "is_default")]
    allocation: Allocation,
    #[serde(default, skip_serializing_if = "is_default")]
    update: Update,
}

/// A name whose amount stands beside it, or a table of names and amounts.
#[derive(Deserialize, Serialize)]
#[serde(untagged, expecting = "structure must be a name, or a table of parts and how many stay")]
enum WrittenStructure {
    Name(String),
    Table(BTreeMap<String, Amount>),
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl TryFrom<Written> for PruneConfig {
    type Error = PruneError;

    fn try_from(written: Written) -> Result<Self, PruneError> {
        let Written { criterion, structure, keep, sparsity, allocation, update } = written;
        let structure = structure.with(keep, sparsity)?;
        Self { structure, criterion, allocation, update }.checked()
    }
}

impl From<PruneConfig> for Written {
    fn from(config: PruneConfig) -> Self {
        let PruneConfig { structure, criterion, allocation, update } = config;
        let (structure, sparsity) = match structure {
            Structure::Weights(sparsity) => {
                (WrittenStructure::Name("weights".to_owned()), Some(sparsity))
            }
            Structure::Pattern(pattern) => (WrittenStructure::Name(pattern.to_string()), None),
            Structure::Parts(amounts) => {
                let key = |axis: Axis| axis.name().replace('-', "_");
                let table = amounts.into_iter().map(|(axis, amount)| (key(axis), amount));
                (WrittenStructure::Table(table.collect()), None)
            }
        };
        Self { criterion, structure, keep: None, sparsity, allocation, update }
    }
}

impl WrittenStructure {
    /// Joins it with the amounts beside it.
    fn with(
        self,
        keep: Option<usize>,
        sparsity: Option<Sparsity>,
    ) -> Result<Structure, PruneError> {
        match self {
            Self::Table(table) => {
                no_amount("a table", keep, sparsity)?;
                let part =
                    |(name, amount): (String, Amount)| Ok::<_, PruneError>((axis(&name)?, amount));
                Ok(Structure::Parts(table.into_iter().map(part).collect::<Result<_, _>>()?))
            }
            Self::Name(name) if name == "weights" => match (keep, sparsity) {
                (None, Some(sparsity)) => Ok(Structure::Weights(sparsity)),
                _ => Err(PruneError::Amount { structure: name, expected: "sparsity" }),
            },
            Self::Name(name) if name.contains(':') => {
                let pattern = name.parse()?;
                no_amount(&name, keep, sparsity)?;
                Ok(Structure::Pattern(pattern))
            }
            Self::Name(name) => {
                let axis = axis(&name)?;
                let amount = match (keep, sparsity) {
                    (Some(keep), None) => Amount::Keep(keep),
                    (None, Some(sparsity)) => Amount::Share { sparsity },
                    _ => {
                        let expected = "exactly one of keep and sparsity";
                        return Err(PruneError::Amount { structure: name, expected });
                    }
                };
                Ok(Structure::Parts([(axis, amount)].into()))
            }
        }
    }
}

fn axis(name: &str) -> Result<Axis, PruneError> {
    let known = StructureKind::ALL.map(StructureKind::name).join(", ");
    Axis::named(name).ok_or_else(|| PruneError::Structure { found: name.to_owned(), known })
}

fn no_amount(
    structure: &str,
    keep: Option<usize>,
    sparsity: Option<Sparsity>,
) -> Result<(), PruneError> {
    if keep.is_none() && sparsity.is_none() {
        return Ok(());
    }
    let expected = "neither keep nor sparsity";
    Err(PruneError::Amount { structure: structure.to_owned(), expected })
}

impl std::str::FromStr for Pattern {
    type Err = PruneError;

    fn from_str(text: &str) -> Result<Self, PruneError> {
        let number = |text: &str| text.parse().ok();
        let pair = text.split_once(':').and_then(|(keep, of)| Some((number(keep)?, number(of)?)));
        let known = StructureKind::ALL.map(StructureKind::name).join(", ");
        let (keep, of) =
            pair.ok_or_else(|| PruneError::Structure { found: text.to_owned(), known })?;
        Self::new(keep, of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BlockInfluence, Magnitude, Minitron, Random};

    fn parts<const N: usize>(amounts: [(Axis, Amount); N]) -> Structure {
        Structure::Parts(amounts.into())
    }

    fn share(sparsity: f64) -> Sparsity {
        Sparsity::new(sparsity).unwrap()
    }

    #[track_caller]
    fn check(toml: &str, json: &str, expect: &PruneConfig) {
        let config: PruneConfig = toml::from_str(toml).unwrap();
        assert_eq!(&config, expect);
        assert_eq!(serde_json::to_string(&config).unwrap(), json, "written in one way");
        assert_eq!(&serde_json::from_str::<PruneConfig>(json).unwrap(), expect, "and read back");
    }

    #[track_caller]
    fn check_refused(toml: &str, message: &str) {
        let error = toml::from_str::<PruneConfig>(toml).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }

    #[test]
    fn parts_stand_by_name_or_in_a_table_and_are_written_as_a_table() {
        let minitron = |structure| PruneConfig::new(Criterion::Minitron(Minitron), structure);
        let layers = parts([(Axis::Layers, Amount::Keep(22))]);
        check(
            "criterion = 'block-influence'\nstructure = 'layers'\nkeep = 22",
            r#"{"criterion":"block-influence","structure":{"layers":22}}"#,
            &PruneConfig::new(Criterion::BlockInfluence(BlockInfluence), layers).unwrap(),
        );
        let quarter = Amount::Share { sparsity: share(0.25) };
        check(
            "criterion = 'minitron'\nstructure = 'ffn'\nsparsity = 0.25",
            r#"{"criterion":"minitron","structure":{"ffn":{"sparsity":0.25}}}"#,
            &minitron(parts([(Axis::Ffn, quarter)])).unwrap(),
        );
        let both = parts([(Axis::Ffn, Amount::Keep(1024)), (Axis::KvGroups, Amount::Keep(2))]);
        check(
            "criterion = 'minitron'\nstructure = { ffn = 1024, kv-groups = 2 }",
            r#"{"criterion":"minitron","structure":{"ffn":1024,"kv_groups":2}}"#,
            &minitron(both).unwrap(),
        );
    }

    #[test]
    fn weights_and_patterns_keep_their_names_and_defaults_are_not_written() {
        let weights = Structure::Weights(share(0.5));
        let config = PruneConfig::new(Criterion::Magnitude(Magnitude), weights).unwrap();
        check(
            "criterion = 'magnitude'\nstructure = 'weights'\nsparsity = 0.5\nupdate = 'none'",
            r#"{"criterion":"magnitude","structure":"weights","sparsity":0.5}"#,
            &config,
        );
        check(
            "criterion = 'magnitude'\nstructure = 'weights'\nsparsity = 0.5\nallocation = 'global'",
            r#"{"criterion":"magnitude","structure":"weights","sparsity":0.5,"allocation":"global"}"#,
            &config.with_allocation(Allocation::Global).unwrap(),
        );
        let seeded = Criterion::Random(Random { seed: pycno_units::Seed(3) });
        check(
            "criterion = { name = 'random', seed = 3 }\nstructure = '2:4'",
            r#"{"criterion":{"name":"random","seed":3},"structure":"2:4"}"#,
            &PruneConfig::new(seeded, Structure::Pattern(Pattern::new(2, 4).unwrap())).unwrap(),
        );
        let random: PruneConfig =
            toml::from_str("criterion = 'random'\nstructure = 'ffn'\nkeep = 3").unwrap();
        assert_eq!(random.criterion(), Criterion::Random(Random::DEFAULT));
    }

    #[test]
    fn words_that_do_not_go_together_are_refused_with_those_that_do() {
        check_refused(
            "criterion = 'block-influence'\nstructure = 'weights'\nsparsity = 0.5",
            "structure of criterion block-influence must be one of layers, got weights",
        );
        check_refused(
            "criterion = 'minitron'\nstructure = { ffn = 3, layers = 2 }",
            "structure of criterion minitron must be one of ffn, kv-groups, got layers",
        );
        check_refused(
            "criterion = 'magnitude'\nstructure = '2:4'\nallocation = 'global'",
            "allocation of criterion magnitude must be one of uniform, got global",
        );
        check_refused(
            "criterion = 'wanda'\nstructure = '2:4'",
            "unknown variant `wanda`, expected one of `block-influence`, `magnitude`, `minitron`, `random`",
        );
        check_refused(
            "criterion = { name = 'random', sed = 3 }\nstructure = '2:4'",
            "unknown field `sed`, expected `seed`",
        );
        check_refused(
            "criterion = { name = 'magnitude', seed = 3 }\nstructure = '2:4'",
            "Magnitude",
        );
        check_refused("criterion = 3\nstructure = '2:4'", "criterion must be a name, or a table");
    }

    #[test]
    fn a_structure_says_how_much_and_only_what_it_takes() {
        let refused = |rest: &str, message: &str| {
            check_refused(&format!("criterion = 'random'\nstructure = {rest}"), message);
        };
        let known = "structure must be one of weights, keep:of, ffn, kv-groups, layers, got ";
        refused("'heads'\nkeep = 2", &format!("{known}heads"));
        refused("{ heads = 2 }", &format!("{known}heads"));
        refused("'2:x'", &format!("{known}2:x"));
        refused("{}", "at least one kind of part");
        refused("3", "structure must be a name, or a table");
        refused("'0:4'", "weights kept of every 4 must lie in [1, 4], got 0");
        refused("'5:4'", "weights kept of every 4 must lie in [1, 4], got 5");
        refused("'weights'", "structure weights goes with sparsity");
        refused("'weights'\nkeep = 4", "structure weights goes with sparsity");
        refused("'ffn'", "structure ffn goes with exactly one of keep and sparsity");
        refused("'ffn'\nkeep = 1\nsparsity = 0.5", "exactly one of keep and sparsity");
        refused("'2:4'\nsparsity = 0.5", "structure 2:4 goes with neither keep nor sparsity");
        refused("{ ffn = 2 }\nkeep = 2", "a table goes with neither keep nor sparsity");
        refused("'weights'\nsparsity = 1.5", "sparsity must lie in [0, 1), got 1.5");
        refused("'ffn'\nkeep = -1", "invalid value");
        refused("'ffn'\nkeep = 2\nwidth = 1", "unknown field `width`");
    }
}
