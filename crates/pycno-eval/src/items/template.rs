//! Templates: text with columns of the item in braces.

use crate::EvalError;

/// Fills `{name}` by what `column` gives for it; `{{` and `}}` are braces.
///
/// # Errors
///
/// [`EvalError::Template`] for unbalanced braces, or what `column` refuses.
pub(crate) fn fill(
    template: &str,
    column: impl Fn(&str) -> Result<String, EvalError>,
) -> Result<String, EvalError> {
    let unbalanced = || EvalError::Template { template: template.to_owned() };
    let (mut text, mut rest) = (String::new(), template);
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        text.push_str(before);
        if from.starts_with("{{") || from.starts_with("}}") {
            text.push_str(&from[..1]);
            rest = &from[2..];
            continue;
        }
        let (name, after) =
            from.strip_prefix('{').and_then(|from| from.split_once('}')).ok_or_else(unbalanced)?;
        text.push_str(&column(name)?);
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(template: &str, expect: Option<&str>) {
        let filled = fill(template, |name| Ok(name.to_uppercase()));
        assert_eq!(filled.ok().as_deref(), expect);
    }

    #[test]
    fn columns_are_filled_in_and_doubled_braces_are_braces() {
        check("{q}\nAnswer:", Some("Q\nAnswer:"));
        check("{{{a}}}{b}", Some("{A}B"));
        check("", Some(""));
        check("{q", None);
        check("q}", None);
    }

    #[test]
    fn what_is_filled_in_is_not_filled_again() {
        assert_eq!(fill("{a}", |_| Ok("{b}".to_owned())).unwrap(), "{b}");
    }
}
