//! Training texts: endless documents, each a function of its number alone.

use pycno_units::Seed;

use super::{Skill, World, draw::Draw, facts};
use crate::{Corpus, CorpusFile, DataError, Tokenizer, hash::sha256_hex};

/// Of a hundred documents, so many tell all about a person.
const BIOGRAPHIES: usize = 34;
/// Of a hundred documents, so many ask something of each skill; the rest are biographies.
const QUESTIONS: [(Skill, usize); 4] =
    [(Skill::Facts, 12), (Skill::Tracking, 18), (Skill::Arithmetic, 20), (Skill::Programs, 16)];
/// Documents that are made and encoded together.
const AT_ONCE: u64 = 4096;

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
        let person = draw.pick(&self.people);
        let order = draw.distinct(facts::ATTRIBUTES, facts::ATTRIBUTES);
        let sentences: Vec<String> = order
            .into_iter()
            .map(|attribute| facts::statement(person, attribute, draw.below(2)))
            .collect();
        sentences.join(" ")
    }

    fn exercise(&self, skill: Skill, draw: &mut Draw) -> String {
        let question = self.training_question(skill, draw);
        let ending = if draw.below(2) == 0 { question.direct() } else { question.solution() };
        format!("{}{ending}", question.prompt())
    }

    /// The first documents of the world, as many as give `tokens` tokens with an end after each.
    ///
    /// # Errors
    ///
    /// [`DataError::Tokenizer`] if the lab's own tokenizer fails.
    pub fn corpus(&self, tokens: u64) -> Result<Corpus, DataError> {
        let tokenizer = Tokenizer::from_files(&super::tokenizer_files())?;
        let (mut documents, mut found) = (Vec::new(), 0);
        while found < tokens {
            let from = documents.len() as u64;
            let more: Vec<String> = (from..from + AT_ONCE).map(|i| self.document(i)).collect();
            let texts: Vec<&str> = more.iter().map(String::as_str).collect();
            let ids = tokenizer.encode_all(&texts)?;
            let wanted = ids.iter().take_while(|ids| {
                let before = found;
                found += ids.len() as u64 + 1;
                before < tokens
            });
            let wanted = wanted.count();
            documents.extend(more.into_iter().take(wanted));
        }
        let sha256 = sha256_hex(documents.join("\n").as_bytes());
        let file = CorpusFile { path: "lab:train".to_owned(), sha256: sha256.clone(), documents };
        Ok(Corpus { source: "lab:train".to_owned(), sha256, files: vec![file] })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn documents_are_in_the_words_of_the_tokenizer() {
        let world = World::default();
        let tokenizer = Tokenizer::from_files(&super::super::tokenizer_files()).unwrap();
        let texts: Vec<String> = (0..2000).map(|i| world.document(i)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        for (text, ids) in texts.iter().zip(tokenizer.encode_all(&texts).unwrap()) {
            assert!(ids.iter().all(|id| *id > 1), "{text}");
            assert!(ids.len() < 120, "{} {text}", ids.len());
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
        let (short, long) = (world.corpus(1000).unwrap(), world.corpus(3000).unwrap());
        let short: Vec<&str> = short.documents().collect();
        assert!(long.documents().zip(&short).all(|(a, b)| a == *b));
        assert!(long.documents().count() > short.len());
    }
}
