//! What one line of a study cannot show: names that must match, stages that need others.

use std::collections::BTreeSet;

use crate::{StudyConfig, StudyError, config::StudentConfig};

/// Checks a whole study.
pub(crate) fn study(config: &StudyConfig) -> Result<(), StudyError> {
    plain("study.name", &config.study.name)?;
    require(!config.eval.tasks.is_empty(), || "eval.tasks is empty".to_owned())?;
    for (key, n) in [("limit", config.eval.limit), ("windows", config.eval.windows)] {
        require(n != Some(0), || format!("eval.{key} must be at least 1, got 0"))?;
    }
    require(!config.ruler.tasks.is_empty(), || "ruler.tasks is empty".to_owned())?;
    require(config.ruler.draws >= 100, || {
        format!("ruler.draws must be at least 100, got {}", config.ruler.draws)
    })?;
    let calibration = &config.data.calibration;
    require(calibration.sequences > 0 && calibration.length > 1, || {
        "data.calibration needs at least 1 sequence of at least 2 tokens".to_owned()
    })?;
    for task in &config.ruler.tasks {
        require(config.eval.tasks.contains(task), || {
            format!("ruler.tasks names {task:?}, which eval.tasks does not evaluate")
        })?;
    }
    let mut known = BTreeSet::from(["teacher"]);
    for student in &config.student {
        check_student(config, student, &known)?;
        known.insert(&student.name);
    }
    Ok(())
}

fn check_student(
    config: &StudyConfig,
    student: &StudentConfig,
    known: &BTreeSet<&str>,
) -> Result<(), StudyError> {
    let name = &student.name;
    plain("student name", name)?;
    require(!known.contains(name.as_str()), || format!("two models are named {name:?}"))?;
    if let Some(from) = &student.from {
        require(known.contains(from.as_str()), || {
            format!("student {name:?} is made from {from:?}, which no earlier student is named")
        })?;
    }
    if let Some(shape) = &student.from_scratch {
        let shape_of = &shape.shape_of;
        require(known.contains(shape_of.as_str()), || {
            format!(
                "student {name:?} has the shape of {shape_of:?}, which no earlier model is named"
            )
        })?;
        require(student.from.is_none() && student.prune.is_none(), || {
            format!(
                "student {name:?} is from scratch: it is made from no other, and nothing is pruned"
            )
        })?;
        require(student.recover.is_some(), || {
            format!("student {name:?} is from scratch and needs recover, which trains it")
        })?;
    }
    require(student.prune.is_some() || student.recover.is_some(), || {
        format!("student {name:?} neither prunes nor recovers")
    })?;
    let Some(recover) = &student.recover else { return Ok(()) };
    require(config.data.train.is_some(), || {
        format!("student {name:?} recovers, but there is no data.train")
    })?;
    let failed = |error: pycno_train::TrainError| StudyError::Study {
        rule: format!("student {name:?}: {error}"),
    };
    let length = config.data.train.as_ref().map_or(0, |train| train.length);
    recover.training.schedule(length + 1).map(drop).map_err(failed)
}

/// A name that can be part of a folder's.
pub(crate) fn plain(what: &str, name: &str) -> Result<(), StudyError> {
    require(!name.is_empty() && name.chars().all(is_plain), || {
        format!("{what} {name:?} must be letters, digits, - or _")
    })
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.'
}

fn require(holds: bool, rule: impl FnOnce() -> String) -> Result<(), StudyError> {
    if holds { Ok(()) } else { Err(StudyError::Study { rule: rule() }) }
}
