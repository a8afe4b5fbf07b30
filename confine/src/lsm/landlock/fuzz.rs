//! Bodies of the fuzz targets for rulesets.

use super::{PathTemplate, Ports, Scopes};
use crate::lsm::Values;

/// The values of expressions, by their numbers.
struct Table<'a>(&'a [&'a [u8]]);

impl Values for Table<'_> {
    fn value(&self, index: usize) -> Result<Vec<u8>, String> {
        self.0.get(index).map(|v| v.to_vec()).ok_or_else(|| "no value".to_owned())
    }
}

/// Reads `text` as an administrator writes a path of a ruleset. `values` are those of a request.
pub(crate) fn text(text: &str, values: &[&[u8]]) {
    let _ = Ports::default().add(text.split(' ')).map_err(|e| crate::fuzz_log::one_line(&e.to_string()));
    let _ = Scopes::default().add(text.split(' ')).map_err(|e| crate::fuzz_log::one_line(&e.to_string()));
    match PathTemplate::parse(text, 0) {
        Ok((template, expressions)) => {
            assert_eq!(template.as_str(), text);
            assert_eq!(template.is_dynamic(), !expressions.is_empty());
            stays_below(&template, &expressions, values);
        }
        Err(error) => crate::fuzz_log::one_line(&error.to_string()),
    }
}

/// Checks that a value neither adds nor removes a component, and that no component leads elsewhere.
fn stays_below(template: &PathTemplate, expressions: &[String], values: &[&[u8]]) {
    let prefix = template.prefix().to_str().expect("a part of a text");
    assert!(prefix.starts_with('/') && template.as_str().starts_with(prefix));
    match template.render(&Table(values)) {
        Ok(path) => {
            assert!(!path.contains(&0));
            let as_written = expressions
                .iter()
                .fold(template.as_str()[prefix.len()..].to_owned(), |t, e| t.replacen(e.as_str(), "x", 1));
            if template.is_dynamic() {
                let rendered: Vec<_> = path.split(|b| *b == b'/').collect();
                assert_eq!(rendered.len(), as_written.split('/').count());
                assert!(!rendered.iter().any(|c| *c == b"." || *c == b".."));
            } else {
                assert!(path.is_empty());
            }
        }
        Err(error) => crate::fuzz_log::one_line(&error.to_string()),
    }
}
