//! Training texts: endless documents, each a function of its number alone.

use pycno_units::{Seed, TokenCount};

use super::{Skill, World, draw::Draw, facts, tracking};
use crate::{Corpus, CorpusFile, DataError, hash::sha256_hex};

/// Of a hundred documents, so many tell all about a person.
const BIOGRAPHIES: usize = 26;
/// Of a hundred documents, so many ask something of each skill.
const QUESTIONS: [(Skill, usize); 4] =
    [(Skill::Facts, 10), (Skill::Tracking, 20), (Skill::Arithmetic, 24), (Skill::Programs, 20)];
/// Documents whose hash names the stream.
const HASHED: u64 = 1024;

/// Tokens of the text `lab:train`.
const TOKENS: TokenCount = TokenCount(4_000_000);

/// A text of the lab by name: `lab:train`, 4M tokens, or as many as wanted as in `lab:train/16M`; a longer
/// one begins with the shorter.
///
/// # Errors
///
/// [`DataError::LabText`] for another name.
pub fn corpus(name: &str) -> Result<Corpus, DataError> {
    let unknown = || DataError::LabText { name: name.to_owned() };
    let tokens = match name.strip_prefix("lab:train").ok_or_else(unknown)? {
        "" => TOKENS,
        more => {
            let written = more.strip_prefix('/').ok_or_else(unknown)?;
            written.parse().map_err(|_| unknown())?
        }
    };
    Ok(World::default().corpus(name, tokens))
}

impl World {
    /// A training text: a biography, or a question with its answer, at once or after the steps.
    pub fn document(&self, number: u64) -> String {
        let seed = self.seed.split("documents");
        let mut draw = Draw::new(Seed(seed.0.wrapping_add(number)).split("document"));
        let mut kind = draw.below(100);
        if kind < BIOGRAPHIES {
            return self.biography(&mut draw);
        }
        kind -= BIOGRAPHIES;
        for (skill, share) in QUESTIONS {
            if kind < share {
                return self.exercise(skill, &mut draw);
            }
            kind -= share;
        }
        self.biography(&mut draw)
    }

    fn biography(&self, draw: &mut Draw) -> String {
        let person = facts::told(&self.people, draw);
        let order = draw.distinct(facts::ATTRIBUTES, facts::ATTRIBUTES);
        let sentences: Vec<String> = order
            .into_iter()
            .map(|attribute| facts::statement(person, attribute, draw.below(2)))
            .collect();
        sentences.join(" ")
    }

    /// A question with the steps to its answer, or up to three in a row with answers alone: then a
    /// prompt of solved questions is nothing new to a model.
    fn exercise(&self, skill: Skill, draw: &mut Draw) -> String {
        let worked = match skill {
            Skill::Facts => 2,
            Skill::Tracking | Skill::Arithmetic | Skill::Programs => 3,
        };
        if draw.below(4) < worked {
            let question = self.training_question(skill, draw);
            return format!("{}{}", question.prompt(), question.solution());
        }
        if skill == Skill::Tracking {
            return self.asked_of_a_story(draw);
        }
        let most = 1 + super::items::shots(skill);
        let solved: Vec<String> = (0..draw.between([1, most]))
            .map(|_| self.training_question(skill, draw))
            .map(|question| format!("{}{}", question.prompt(), question.direct()))
            .collect();
        solved.join(" ")
    }

    /// A story, and who has each of the things.
    fn asked_of_a_story(&self, draw: &mut Draw) -> String {
        let questions = self.training_story(draw);
        let first = questions.iter().take(1).map(|one| format!("{}{}", one.prompt(), one.direct()));
        let others = questions.iter().skip(1);
        let others = others.map(|one| format!("{}{}", tracking::alone(&one.asked), one.direct()));
        first.chain(others).collect::<Vec<_>>().join(" ")
    }

    /// The first documents of the world, as many as give `tokens` tokens with an end after each, under
    /// a name. Its hash is that of the first documents alone: texts of any length are one stream, so that
    /// two that overlap are found to.
    pub fn corpus(&self, name: &str, tokens: TokenCount) -> Corpus {
        let mut found = 0;
        let documents = (0..).map(|i| self.document(i)).take_while(|document| {
            let before = found;
            found += n_tokens(document) + 1;
            before < tokens.0
        });
        let documents = documents.collect();
        let first: Vec<String> = (0..HASHED).map(|i| self.document(i)).collect();
        let sha256 = sha256_hex(first.join("\n").as_bytes());
        let file = CorpusFile { path: name.to_owned(), sha256: sha256.clone(), documents };
        Corpus { source: name.to_owned(), sha256, files: vec![file] }
    }
}

/// Tokens of a text in the lab's words: marks, and what stands between them and spaces. The tokenizer would say
/// the same, later.
fn n_tokens(text: &str) -> u64 {
    let mut in_word = false;
    let mut n = 0;
    for c in text.chars() {
        let is_mark = matches!(c, '.' | '?' | ':');
        let is_word = !is_mark && !c.is_whitespace();
        n += u64::from(is_mark || (is_word && !in_word));
        in_word = is_word;
    }
    n
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Tokenizer;

    #[test]
    fn documents_are_in_the_words_of_the_tokenizer() {
        let world = World::default();
        let tokenizer = Tokenizer::from_files(&super::super::tokenizer_files()).unwrap();
        let texts: Vec<String> = (0..2000).map(|i| world.document(i)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        for (text, ids) in texts.iter().zip(tokenizer.encode_all(&texts).unwrap()) {
            assert!(ids.iter().all(|id| *id > 1), "{text}");
            assert_eq!(ids.len() as u64, n_tokens(text), "{text}");
        }
    }

    #[test]
    fn no_training_text_holds_a_test_question() {
        let world = World::default();
        let asked: BTreeSet<String> = Skill::ALL
            .into_iter()
            .flat_map(|skill| world.questions(skill, 500))
            .map(|question| question.prompt())
            .collect();
        assert_eq!(asked.len(), 2000);
        for i in 0..20_000 {
            let text = world.document(i);
            let prompt = text.split_inclusive('?').next().unwrap_or_default();
            assert!(!asked.contains(prompt), "{text}");
        }
    }

    #[test]
    fn a_longer_corpus_begins_with_the_shorter_one() {
        let world = World::default();
        let text = |tokens| world.corpus("lab:train", TokenCount(tokens));
        let (short, long) = (text(1000), text(3000));
        let short: Vec<&str> = short.documents().collect();
        assert!(long.documents().zip(&short).all(|(a, b)| a == *b));
        assert!(long.documents().count() > short.len());
        assert_eq!(text(1000).sha256, text(3000).sha256);
        assert_ne!(
            text(1000).sha256,
            World::new(Seed(1), world.difficulty).corpus("x", TokenCount(9)).sha256
        );
    }

    #[test]
    fn texts_go_by_name() {
        let tokens = |name: &str| -> u64 {
            corpus(name).unwrap().documents().map(|text| n_tokens(text) + 1).sum()
        };
        assert!((20_000..20_200).contains(&tokens("lab:train/20K")));
        for name in ["lab:test", "lab:train/", "lab:train/many", "lab:trainer"] {
            assert!(corpus(name).unwrap_err().to_string().contains("lab:train/16M"), "{name}");
        }
    }
}
