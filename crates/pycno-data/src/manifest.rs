//! Manifests: which tokens serve which purpose, and that no two purposes share any.

use std::{collections::BTreeMap, fmt};

use pycno_units::TokenCount;
use serde::{Deserialize, Serialize};

use crate::DataError;

/// What some tokens are used for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Measuring activations, never to train.
    Calibration,
    /// Training.
    Train,
    /// Scoring.
    Test,
}

/// A stretch of one file, in tokens of that file (each document followed by EOS).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FileSpan {
    /// The file's path.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// First token.
    pub start: u64,
    /// One past the last token.
    pub end: u64,
}

/// What a shard holds.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What the tokens are for.
    pub role: Role,
    /// The corpus, as its reader named it.
    pub source: String,
    /// SHA-256 of the corpus.
    pub source_sha256: String,
    /// SHA-256 of the tokenizer; empty where the role takes texts, not tokens.
    pub tokenizer_hash: String,
    /// Tokens per sequence; 0 where the role takes texts.
    pub seq: usize,
    /// The stretches of files covered.
    pub spans: Vec<FileSpan>,
    /// Hash of each sequence, in order.
    pub sequences: Vec<String>,
    /// Tokens in all sequences.
    pub tokens: TokenCount,
    /// Hash over tokenizer, length and sequences.
    pub hash: String,
}

impl FileSpan {
    /// A file's place in a packed stream, cut to the stream's tokens `from..to` and counted from the file's start.
    pub(crate) fn within(&self, from: u64, to: u64) -> Option<Self> {
        let (start, end) = (self.start.max(from), self.end.min(to));
        let span = || Self { start: start - self.start, end: end - self.start, ..self.clone() };
        (start < end).then(span)
    }
}

impl Manifest {
    /// The manifest of a file that is used whole and as text, such as an evaluation task's.
    pub fn whole_file(role: Role, file: &str, sha256: &str) -> Self {
        let (file, sha256) = (file.to_owned(), sha256.to_owned());
        Self {
            role,
            source: file.clone(),
            source_sha256: sha256.clone(),
            tokenizer_hash: String::new(),
            seq: 0,
            spans: vec![FileSpan { file, sha256: sha256.clone(), start: 0, end: u64::MAX }],
            sequences: Vec::new(),
            tokens: TokenCount(0),
            hash: sha256,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Calibration => "calibration",
            Self::Train => "train",
            Self::Test => "test",
        })
    }
}

/// Checks that no two manifests of different roles share tokens: neither a stretch of the same file
/// (by hash, so a copy under another name counts) nor an equal sequence. Token ranges of different
/// tokenizers cannot be compared, so there a shared file is refused whole.
///
/// # Errors
///
/// [`DataError::SameRange`] or [`DataError::SameSequence`] with both roles, sources and the position.
pub fn disjoint(manifests: &[&Manifest]) -> Result<(), DataError> {
    for (i, first) in manifests.iter().enumerate() {
        for second in manifests[i + 1..].iter().filter(|second| second.role != first.role) {
            same_range(first, second)?;
            same_sequence(first, second)?;
        }
    }
    Ok(())
}

fn same_range(first: &Manifest, second: &Manifest) -> Result<(), DataError> {
    let comparable = first.tokenizer_hash == second.tokenizer_hash;
    let pairs = first.spans.iter().flat_map(|a| second.spans.iter().map(move |b| (a, b)));
    for (a, b) in pairs.filter(|(a, b)| a.sha256 == b.sha256) {
        let at = a.start.max(b.start);
        if !comparable || at < a.end.min(b.end) {
            return Err(DataError::SameRange {
                first: first.role,
                first_file: a.file.clone(),
                second: second.role,
                second_file: b.file.clone(),
                at,
            });
        }
    }
    Ok(())
}

fn same_sequence(first: &Manifest, second: &Manifest) -> Result<(), DataError> {
    let places: BTreeMap<&str, usize> =
        first.sequences.iter().enumerate().map(|(i, hash)| (hash.as_str(), i)).collect();
    let shared = second
        .sequences
        .iter()
        .enumerate()
        .find_map(|(at, hash)| places.get(hash.as_str()).map(|first_at| (*first_at, at)));
    let Some((first_at, second_at)) = shared else { return Ok(()) };
    Err(DataError::SameSequence {
        first: first.role,
        first_source: first.source.clone(),
        first_at,
        second: second.role,
        second_source: second.source.clone(),
        second_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Corpus, CorpusFile, Packed, Shard, Slice, pack, tokenizer::tests::tokenizer};

    fn packed(name: &str, sha256: &str, text: &str) -> Packed {
        let file = CorpusFile {
            path: name.to_owned(),
            sha256: sha256.to_owned(),
            documents: vec![text.to_owned()],
        };
        let corpus =
            Corpus { source: name.to_owned(), sha256: sha256.to_owned(), files: vec![file] };
        pack(&corpus, &tokenizer(&["a", "b", "c", "d", "e", "f", "g", "h"], false), 2).unwrap()
    }

    fn shard(packed: &Packed, role: Role, offset_sequences: usize, sequences: usize) -> Shard {
        packed.slice(role, Slice { offset_sequences, sequences }).unwrap()
    }

    #[track_caller]
    fn check(first: &Manifest, second: &Manifest, expect: Option<&str>) {
        let message = disjoint(&[first, second]).err().map(|error| error.to_string());
        match (message, expect) {
            (None, None) => {}
            (Some(message), Some(part)) => assert!(message.contains(part), "{message}"),
            (message, expect) => assert_eq!(message.as_deref(), expect),
        }
    }

    #[test]
    fn one_corpus_serves_two_roles_by_slices_that_do_not_overlap() {
        let packed = packed("x", "1", "a b c d e f g h");
        let calibration = shard(&packed, Role::Calibration, 0, 2);
        let at = |role, offset| shard(&packed, role, offset, 2).manifest;
        check(&calibration.manifest, &at(Role::Train, 2), None);
        check(&calibration.manifest, &at(Role::Train, 1), Some("calibration and train must not"));
        check(&calibration.manifest, &at(Role::Test, 1), Some("from token 2"));
        check(&calibration.manifest, &at(Role::Calibration, 1), None);
    }

    #[test]
    fn an_equal_sequence_in_another_file_is_found() {
        let (x, y) = (packed("x", "1", "a b c d"), packed("y", "2", "e f c d"));
        let second = shard(&y, Role::Test, 0, 2).manifest;
        let expect = "sequence 1 of x equals sequence 1 of y";
        check(&shard(&x, Role::Train, 0, 2).manifest, &second, Some(expect));
        check(&shard(&x, Role::Train, 0, 1).manifest, &second, None);
    }

    #[test]
    fn a_text_used_whole_shares_no_file_with_training() {
        let train = shard(&packed("x", "1", "a b c d"), Role::Train, 0, 1).manifest;
        check(
            &train,
            &Manifest::whole_file(Role::Test, "renamed", "1"),
            Some("also named renamed"),
        );
        check(&train, &Manifest::whole_file(Role::Test, "other", "2"), None);
    }

    #[test]
    fn a_manifest_survives_json() {
        let manifest = shard(&packed("x", "1", "a b c d"), Role::Train, 0, 2).manifest;
        let json = serde_json::to_string(&manifest).unwrap();
        assert_eq!(serde_json::from_str::<Manifest>(&json).unwrap(), manifest);
        let stray = json.replacen('{', "{\"stray\": 1, ", 1);
        assert!(serde_json::from_str::<Manifest>(&stray).is_err());
    }
}
