//! Packing: documents end to end, each closed by the end-of-sequence token, cut into sequences of one length.

use pycno_units::TokenCount;

use crate::{
    Corpus, DataError, Tokenizer,
    hash::{sequence_hash, sha256_hex},
    manifest::{FileSpan, Manifest, Role},
};

/// A corpus cut into sequences.
#[derive(Clone, Debug, PartialEq)]
pub struct Packed {
    /// The corpus, as its reader named it.
    pub source: String,
    /// SHA-256 of the corpus.
    pub sha256: String,
    /// SHA-256 of the tokenizer.
    pub tokenizer_hash: String,
    /// Tokens per sequence.
    pub seq: usize,
    /// The sequences, `seq` ids each, in the corpus's order.
    pub sequences: Vec<Vec<u32>>,
    /// Which tokens of the packed stream are which file's.
    files: Vec<FileSpan>,
}

/// Some consecutive sequences of a corpus.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Slice {
    /// Sequences to leave out at the start.
    pub offset_sequences: usize,
    /// Sequences to take; at least 1.
    pub sequences: usize,
}

/// Sequences with a role, and the manifest that says which they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Shard {
    /// What is in here.
    pub manifest: Manifest,
    /// The sequences.
    pub sequences: Vec<Vec<u32>>,
}

/// Packs a corpus: every document is followed by EOS, the stream is cut every `seq` tokens, and the
/// tail shorter than `seq` is dropped. No other special tokens are added, and an empty document adds nothing.
///
/// # Errors
///
/// [`DataError::SequenceLength`] for `seq < 2`, [`DataError::NoEos`] without an EOS token, or the
/// tokenizer's own.
pub fn pack(corpus: &Corpus, tokenizer: &Tokenizer, seq: usize) -> Result<Packed, DataError> {
    if seq < 2 {
        return Err(DataError::SequenceLength { seq });
    }
    let eos = tokenizer.eos().ok_or(DataError::NoEos)?;
    let (mut stream, mut files) = (Vec::new(), Vec::new());
    for file in &corpus.files {
        let start = stream.len() as u64;
        let texts: Vec<&str> = file.documents.iter().map(String::as_str).collect();
        for ids in tokenizer.encode_all(&texts)?.into_iter().filter(|ids| !ids.is_empty()) {
            stream.extend(ids);
            stream.push(eos);
        }
        let (path, sha256) = (file.path.clone(), file.sha256.clone());
        files.push(FileSpan { file: path, sha256, start, end: stream.len() as u64 });
    }
    Ok(Packed {
        source: corpus.source.clone(),
        sha256: corpus.sha256.clone(),
        tokenizer_hash: tokenizer.hash().to_owned(),
        seq,
        sequences: stream.chunks_exact(seq).map(<[u32]>::to_vec).collect(),
        files,
    })
}

impl Packed {
    /// Gives some of the sequences a role. Several roles may share a corpus by slices that do not overlap.
    ///
    /// # Errors
    ///
    /// [`DataError::Slice`] if the corpus has fewer sequences, or if none are asked for.
    pub fn slice(&self, role: Role, slice: Slice) -> Result<Shard, DataError> {
        let Slice { offset_sequences: offset, sequences } = slice;
        let taken = offset
            .checked_add(sequences)
            .filter(|_| sequences > 0)
            .and_then(|end| self.sequences.get(offset..end))
            .ok_or_else(|| DataError::Slice {
                role,
                source_name: self.source.clone(),
                offset,
                sequences,
                available: self.sequences.len(),
                seq: self.seq,
            })?;
        Ok(Shard { manifest: self.manifest(role, offset, taken), sequences: taken.to_vec() })
    }

    /// Gives every sequence from `offset_sequences` on a role.
    ///
    /// # Errors
    ///
    /// [`DataError::Slice`] if none are left.
    pub fn rest(&self, role: Role, offset_sequences: usize) -> Result<Shard, DataError> {
        let sequences = self.sequences.len().saturating_sub(offset_sequences);
        self.slice(role, Slice { offset_sequences, sequences })
    }

    fn manifest(&self, role: Role, offset: usize, taken: &[Vec<u32>]) -> Manifest {
        let (from, to) = ((offset * self.seq) as u64, ((offset + taken.len()) * self.seq) as u64);
        let sequences: Vec<String> = taken.iter().map(|ids| sequence_hash(ids)).collect();
        let parts = [&self.tokenizer_hash, &self.seq.to_string(), &sequences.join("\n")];
        Manifest {
            role,
            source: self.source.clone(),
            source_sha256: self.sha256.clone(),
            tokenizer_hash: self.tokenizer_hash.clone(),
            seq: self.seq,
            spans: self.files.iter().filter_map(|file| file.within(from, to)).collect(),
            hash: sha256_hex(parts.map(String::as_str).join("\n").as_bytes()),
            tokens: TokenCount(to - from),
            sequences,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CorpusFile, tokenizer::tests::tokenizer};

    fn corpus(files: &[&[&str]]) -> Corpus {
        let file = |(i, documents): (usize, &&[&str])| CorpusFile {
            path: format!("f{i}"),
            sha256: sha256_hex(documents.join("|").as_bytes()),
            documents: documents.iter().map(|text| (*text).to_owned()).collect(),
        };
        let files: Vec<CorpusFile> = files.iter().enumerate().map(file).collect();
        Corpus { source: "c".to_owned(), sha256: "h".to_owned(), files }
    }

    fn packed(files: &[&[&str]], seq: usize) -> Packed {
        pack(&corpus(files), &tokenizer(&["a", "b", "c"], true), seq).unwrap()
    }

    #[track_caller]
    fn check(files: &[&[&str]], seq: usize, expect: &[&[u32]]) {
        assert_eq!(packed(files, seq).sequences, expect);
    }

    #[test]
    fn documents_end_in_eos_and_the_tail_is_dropped() {
        // a=3 b=4 c=5, EOS=2: 3 4 2 5 2
        check(&[&["a b", "c"]], 2, &[&[3, 4], &[2, 5]]);
        check(&[&["a b", "", "c"]], 5, &[&[3, 4, 2, 5, 2]]);
        check(&[&["a b"], &["c"]], 3, &[&[3, 4, 2]]);
        check(&[&["a b", "c"]], 6, &[]);
    }

    #[test]
    fn a_slice_knows_the_files_its_tokens_come_from() {
        // Stream: f0 = 3 4 2 | f1 = 5 2 5 5 2; sequences of 2: [3 4] [2 5] [2 5] [5 2].
        let packed = packed(&[&["a b"], &["c", "c c"]], 2);
        let slice = Slice { offset_sequences: 1, sequences: 2 };
        let shard = packed.slice(Role::Train, slice).unwrap();
        assert_eq!(shard.sequences, [[2, 5], [2, 5]]);
        let spans: Vec<_> =
            shard.manifest.spans.iter().map(|s| (s.file.as_str(), s.start, s.end)).collect();
        assert_eq!(spans, [("f0", 2, 3), ("f1", 0, 3)]);
        assert_eq!(shard.manifest.tokens, TokenCount(4));
        assert_eq!(packed.rest(Role::Test, 3).unwrap().sequences, [[5, 2]]);
    }

    #[test]
    fn a_slice_beyond_the_end_or_of_nothing_is_refused() {
        let packed = packed(&[&["a b c"]], 2);
        for (offset_sequences, sequences) in [(0, 3), (2, 1), (0, 0), (usize::MAX, 1)] {
            let error = packed.slice(Role::Train, Slice { offset_sequences, sequences });
            let error = error.unwrap_err().to_string();
            assert!(error.contains("c holds 2 of 2 tokens"), "{error}");
        }
        assert!(packed.rest(Role::Train, 2).is_err());
    }

    #[test]
    fn packing_needs_an_eos_and_two_tokens_a_sequence() {
        let corpus = corpus(&[&["a"]]);
        let bare =
            Tokenizer::from_json(&crate::tokenizer::tests::word_level(&["a"], false)).unwrap();
        assert!(matches!(pack(&corpus, &bare, 2), Err(DataError::NoEos)));
        let tokenizer = tokenizer(&["a"], false);
        assert!(matches!(pack(&corpus, &tokenizer, 1), Err(DataError::SequenceLength { seq: 1 })));
    }
}
