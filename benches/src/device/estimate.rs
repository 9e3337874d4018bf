//! What criterion found: the median of a bench with its interval, from criterion's own files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::Deserialize;
use time::OffsetDateTime;

/// The median time per repetition, in seconds, with criterion's 95 % bootstrap interval over samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Median.
    pub median: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// `benchmark.json`: what a folder is about.
#[derive(Deserialize)]
struct Identity {
    full_id: String,
}

/// `estimates.json`, in nanoseconds.
#[derive(Deserialize)]
struct Estimates {
    median: Found,
}

#[derive(Deserialize)]
struct Found {
    point_estimate: f64,
    confidence_interval: Interval,
}

#[derive(Deserialize)]
struct Interval {
    lower_bound: f64,
    upper_bound: f64,
}

impl Estimate {
    /// Reads the estimate of a bench below criterion's folder `home`, unless it is older than `since`: then
    /// this run did not measure it.
    ///
    /// # Errors
    ///
    /// If the files cannot be read or are not criterion's.
    pub fn read(home: &Path, full_id: &str, since: OffsetDateTime) -> anyhow::Result<Option<Self>> {
        for folder in measured(home)? {
            let identity: Identity = parsed(&folder.join("benchmark.json"))?;
            let path = folder.join("estimates.json");
            if identity.full_id == full_id && written(&path)? >= since {
                return Ok(Some(parsed::<Estimates>(&path)?.into()));
            }
        }
        Ok(None)
    }
}

impl From<Estimates> for Estimate {
    fn from(Estimates { median }: Estimates) -> Self {
        let Interval { lower_bound, upper_bound } = median.confidence_interval;
        let [median, low, high] =
            [median.point_estimate, lower_bound, upper_bound].map(|nanoseconds| nanoseconds * 1e-9);
        Self { median, low, high }
    }
}

/// The folders `GROUP/FUNCTION/new` that hold an estimate.
fn measured(home: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !home.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for group in folders(home)? {
        let functions = folders(&group)?.into_iter().map(|function| function.join("new"));
        found.extend(functions.filter(|folder| folder.join("estimates.json").is_file()));
    }
    Ok(found)
}

fn folders(parent: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let context = || format!("cannot list {}", parent.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(parent).with_context(context)? {
        let path = entry.with_context(context)?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    Ok(found)
}

fn parsed<T: for<'a> Deserialize<'a>>(path: &Path) -> anyhow::Result<T> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not criterion's", path.display()))
}

fn written(path: &Path) -> anyhow::Result<OffsetDateTime> {
    let modified = fs::metadata(path).and_then(|about| about.modified());
    Ok(modified.with_context(|| format!("cannot read the date of {}", path.display()))?.into())
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;

    /// A folder as criterion 0.8 leaves it, cut to what is read and one key more.
    fn home() -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("device_flex_tiny/forward/new");
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir_all(home.path().join("report")).unwrap();
        let estimates = r#"{"median":{"confidence_interval":{"confidence_level":0.95,"lower_bound":1e6,
            "upper_bound":3e6},"point_estimate":2e6,"standard_error":1.0},"slope":null}"#;
        fs::write(folder.join("benchmark.json"), r#"{"full_id":"device/flex/tiny/forward"}"#)
            .unwrap();
        fs::write(folder.join("estimates.json"), estimates).unwrap();
        home
    }

    #[test]
    fn an_estimate_is_found_by_its_id_in_seconds() {
        let (home, since) = (home(), OffsetDateTime::UNIX_EPOCH);
        let found =
            Estimate::read(home.path(), "device/flex/tiny/forward", since).unwrap().unwrap();
        for (found, expect) in [(found.median, 2e-3), (found.low, 1e-3), (found.high, 3e-3)] {
            assert!((found - expect).abs() < 1e-12, "{found}");
        }
        assert_eq!(Estimate::read(home.path(), "device/flex/tiny/decode", since).unwrap(), None);
    }

    #[test]
    fn an_older_run_is_no_estimate_of_this_one() {
        let home = home();
        let later = OffsetDateTime::now_utc() + Duration::minutes(1);
        assert_eq!(Estimate::read(home.path(), "device/flex/tiny/forward", later).unwrap(), None);
    }

    #[test]
    fn a_run_that_only_tested_has_no_folder_and_no_estimate() {
        let nowhere = Path::new("no such folder");
        assert_eq!(Estimate::read(nowhere, "device", OffsetDateTime::UNIX_EPOCH).unwrap(), None);
    }

    #[test]
    fn a_broken_file_is_named() {
        let home = home();
        let path = home.path().join("device_flex_tiny/forward/new/estimates.json");
        fs::write(&path, "{}").unwrap();
        let error =
            Estimate::read(home.path(), "device/flex/tiny/forward", OffsetDateTime::UNIX_EPOCH);
        assert!(error.unwrap_err().to_string().contains("estimates.json"));
    }
}
