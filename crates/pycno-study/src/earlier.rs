//! Words of earlier builds for a pruning: read, and never written.
//!
//! `{ method = "minitron-width", keep_ffn = 24, keep_groups = 1 }` is read as
//! `{ criterion = "minitron", structure = { ffn = 24, kv_groups = 1 } }`.

use toml::{Table, Value};

/// Key of a method, by which such a table is known.
pub(crate) const METHOD: &str = "method";

/// A method, the criterion it is now, and its keys with what they are in `structure`.
type Earlier = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const EARLIER: [Earlier; 4] = [
    ("block-influence", "block-influence", &[("keep_layers", "layers")]),
    ("minitron-ffn", "minitron", FFN),
    ("minitron-kv-groups", "minitron", &[("keep_groups", "kv_groups")]),
    (
        "minitron-width",
        "minitron",
        &[
            ("keep_ffn", "ffn"),
            ("keep_hidden", "ffn"),
            ("sparsity", "ffn"),
            ("keep_groups", "kv_groups"),
        ],
    ),
];

const FFN: &[(&str, &str)] = &[("keep_ffn", "ffn"), ("keep_hidden", "ffn"), ("sparsity", "ffn")];

/// The table in today's words; keys that the method never had stay, to be refused with all others.
pub(crate) fn translated(mut table: Table) -> Table {
    let Some(method) = table.remove(METHOD) else { return table };
    let known = EARLIER.iter().find(|(name, ..)| method.as_str() == Some(name));
    let Some((_, criterion, keys)) = known else {
        // No earlier build had it: the parser of criteria says which there are.
        table.insert("criterion".to_owned(), method);
        return table;
    };
    let mut structure = Table::new();
    for (earlier, part) in *keys {
        // Two amounts of one part were refused, and still are: the second stays where it is.
        if structure.contains_key(*part) {
            continue;
        }
        if let Some(amount) = table.remove(*earlier) {
            let share = |sparsity| Table::from_iter([("sparsity".to_owned(), sparsity)]).into();
            let amount: Value = if *earlier == "sparsity" { share(amount) } else { amount };
            structure.insert((*part).to_owned(), amount);
        }
    }
    table.insert("criterion".to_owned(), Value::from(*criterion));
    table.insert("structure".to_owned(), structure.into());
    table
}

#[cfg(test)]
mod tests {
    use crate::config::PruneSection;

    fn read(toml: &str) -> Result<PruneSection, toml::de::Error> {
        toml::from_str(toml)
    }

    #[track_caller]
    fn check(earlier: &str, today: &str) {
        assert_eq!(read(earlier).unwrap(), read(today).unwrap());
    }

    #[test]
    fn every_earlier_method_is_read_in_todays_words() {
        check(
            "method = 'block-influence'\nkeep_layers = 22",
            "criterion = 'block-influence'\nstructure = 'layers'\nkeep = 22",
        );
        let ffn = "criterion = 'minitron'\nstructure = 'ffn'\n";
        check("method = 'minitron-ffn'\nkeep_ffn = 7", &format!("{ffn}keep = 7"));
        check("method = 'minitron-ffn'\nkeep_hidden = 7", &format!("{ffn}keep = 7"));
        check("method = 'minitron-ffn'\nsparsity = 0.25", &format!("{ffn}sparsity = 0.25"));
        check(
            "method = 'minitron-kv-groups'\nkeep_groups = 2",
            "criterion = 'minitron'\nstructure = 'kv-groups'\nkeep = 2",
        );
        check(
            "method = 'minitron-width'\nkeep_ffn = 7\nkeep_groups = 2",
            "criterion = 'minitron'\nstructure = { ffn = 7, kv_groups = 2 }",
        );
    }

    #[track_caller]
    fn check_refused(earlier: &str, message: &str) {
        let error = read(earlier).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }

    #[test]
    fn what_a_method_never_had_is_refused() {
        check_refused("method = 'magic'\nkeep_layers = 2", "magic");
        check_refused(
            "method = 'block-influence'\nkeep_layers = 2\nkeep_groups = 1",
            "keep_groups",
        );
        check_refused("method = 'minitron-ffn'\nkeep_ffn = 2\nsparsity = 0.5", "sparsity");
        check_refused("method = 'minitron-kv-groups'", "at least one kind of part");
    }
}
