//! The bodies of the fuzz targets. A body takes bytes, and it panics if something does not hold that must hold.
//!
//! The bodies are here and not in `fuzz/`, because they need private items, and because tests replay all inputs of the
//! archives in `fuzz/corpus` and of `fuzz/findings` with the stable compiler.

use crate::{
    context::{BackendName, Context, ContextList},
    fuzz_log::fit_for_a_log,
    lsm, map,
    policy::transition_map,
};

/// A body.
pub type Body = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: &[(&str, Body)] = &[
    ("map", map::fuzz::map),
    ("map_fmt", map::fuzz::map_fmt),
    ("path_pattern", map::fuzz::path_pattern),
    ("compiled_map", map::fuzz::compiled_map),
    ("context", context),
    ("tomoyo_pattern", transition_map::fuzz::tomoyo_pattern),
];

/// Runs the body of the target called `name`.
pub fn run(name: &str, data: &[u8]) {
    let (_, body) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target of this name");
    body(data);
}

/// Reads the words of a context as a directive or a map has them. Behind NUL bytes stand the values for expressions of
/// a path.
fn context(data: &[u8]) {
    let mut fields = data.split(|b| *b == 0);
    let text = String::from_utf8_lossy(fields.next().unwrap_or_default());
    let values: Vec<_> = fields.collect();
    for &default in BackendName::ALL {
        one_word(&text, default);
        list(&text, default);
    }
    lsm::selinux::fuzz::text(&text);
    lsm::apparmor::fuzz::text(&text);
    lsm::tomoyo::fuzz::text(&text);
    lsm::landlock::fuzz::text(&text, &values);
    lsm::uid::fuzz::text(&text);
}

/// Checks that a displayed context reads back to the same context, whatever the default backend is.
fn one_word(text: &str, default: BackendName) {
    match Context::parse(text, default) {
        Ok(context) => {
            let shown = context.to_string();
            for &other in BackendName::ALL {
                assert_eq!(Context::parse(&shown, other).as_ref(), Ok(&context));
            }
            assert_eq!(Context::of(context.backend, &context.text), Ok(context));
        }
        Err(error) => fit_for_a_log(&error.to_string()),
    }
}

fn list(text: &str, default: BackendName) {
    match ContextList::parse(text.split(' '), default) {
        Ok(list) => {
            let shown = list.to_string();
            assert_eq!(ContextList::parse(shown.split(' '), default), Ok(list));
        }
        Err(error) => fit_for_a_log(&error.to_string()),
    }
}

#[cfg(test)]
mod tests;
