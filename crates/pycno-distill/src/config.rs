//! Which loss a recovery minimizes, as a study writes it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Divergence, Temperature};

/// The loss of a recovery; in TOML a table with `name`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum ObjectiveConfig {
    /// Distillation from the teacher: [`Divergence::ForwardKl`].
    ForwardKl {
        /// Softens both distributions.
        #[serde(default)]
        temperature: Temperature,
    },
    /// Distillation from the teacher: [`Divergence::ReverseKl`].
    ReverseKl {
        /// Softens both distributions.
        #[serde(default)]
        temperature: Temperature,
    },
    /// The text itself: cross-entropy of the next token, no teacher.
    LanguageModel {},
}

impl ObjectiveConfig {
    /// The divergence from the teacher, if it is one.
    pub const fn divergence(&self) -> Option<Divergence> {
        match *self {
            Self::ForwardKl { temperature } => Some(Divergence::ForwardKl { temperature }),
            Self::ReverseKl { temperature } => Some(Divergence::ReverseKl { temperature }),
            Self::LanguageModel {} => None,
        }
    }

    /// The name as written in a study and shown in reports.
    pub const fn name(&self) -> &'static str {
        match self.divergence() {
            Some(divergence) => divergence.name(),
            None => "language-model",
        }
    }

    /// Whether a teacher has to run beside the student.
    pub const fn needs_teacher(&self) -> bool {
        self.divergence().is_some()
    }
}

impl fmt::Display for ObjectiveConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.divergence() {
            Some(divergence) => divergence.fmt(f),
            None => f.pad(self.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Result<ObjectiveConfig, &str>) {
        match (toml::from_str::<ObjectiveConfig>(text), expect) {
            (Ok(found), Ok(expect)) => assert_eq!(found, expect),
            (Err(error), Err(part)) => {
                assert!(error.to_string().contains(part), "{error} lacks {part}");
            }
            (found, expect) => panic!("{text}: {found:?}, not {expect:?}"),
        }
    }

    fn forward_kl(temperature: f64) -> ObjectiveConfig {
        ObjectiveConfig::ForwardKl { temperature: Temperature::new(temperature).unwrap() }
    }

    fn reverse_kl(temperature: f64) -> ObjectiveConfig {
        ObjectiveConfig::ReverseKl { temperature: Temperature::new(temperature).unwrap() }
    }

    #[test]
    fn objectives_are_read_by_name() {
        check("name = 'forward-kl'\ntemperature = 2.5", Ok(forward_kl(2.5)));
        check("name = 'forward-kl'", Ok(forward_kl(1.0)));
        check("name = 'reverse-kl'\ntemperature = 2.5", Ok(reverse_kl(2.5)));
        check("name = 'reverse-kl'", Ok(reverse_kl(1.0)));
        check("name = 'language-model'", Ok(ObjectiveConfig::LanguageModel {}));
    }

    #[test]
    fn what_is_not_known_is_refused_with_what_is() {
        check("name = 'kd'", Err("`forward-kl`, `reverse-kl`, `language-model`"));
        check("name = 'forward-kl'\nt = 1.0", Err("`temperature`"));
        check("name = 'language-model'\ntemperature = 1.0", Err("temperature"));
        check("name = 'forward-kl'\ntemperature = -1.0", Err("above 0, got -1"));
        check("name = 'reverse-kl'\ntemperature = 0.0", Err("above 0, got 0"));
        check("temperature = 1.0", Err("name"));
    }

    #[test]
    fn names_are_those_written() {
        for objective in [forward_kl(1.0), reverse_kl(1.0), ObjectiveConfig::LanguageModel {}] {
            let name = format!("name = \"{}\"", objective.name());
            assert!(toml::to_string(&objective).unwrap().starts_with(&name));
        }
        assert_eq!(forward_kl(2.0).to_string(), "forward-kl (temperature 2)");
        assert_eq!(reverse_kl(0.5).to_string(), "reverse-kl (temperature 0.5)");
        assert_eq!(ObjectiveConfig::LanguageModel {}.to_string(), "language-model");
        assert!(forward_kl(1.0).needs_teacher() && reverse_kl(1.0).needs_teacher());
        assert!(!ObjectiveConfig::LanguageModel {}.needs_teacher());
    }
}
