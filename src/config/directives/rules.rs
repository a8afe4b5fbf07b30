//! `ConfineContext`, `ConfineMap`, `ConfineEnv`, `ConfineExpr`: the rules; `ConfineEarly`.

use std::{ffi::CString, time::Duration};

use confine::{
    context::{BackendName, literal_prefix},
    policy::{
        answer_cache::CacheLimits,
        database::{Parameters, RowsAre},
        decide::Piece,
    },
    value::{Stretch, stretches},
};

use crate::config::directives::{choice, one};
use crate::{
    config::{
        WrittenSource,
        edit::{add_rule, set_early},
    },
    httpd::{command::Command, expression::Expression},
};

type Done = Result<(), String>;

pub fn context(command: &mut Command<'_>) -> Done {
    if command.words.is_empty() {
        return Err("takes at least one context, such as landlock:NAME, or the word unconfined".into());
    }
    let words = command.words.iter().map(|w| (*w).to_owned()).collect();
    add_rule(command, WrittenSource::Constant(words))
}

pub fn map(command: &mut Command<'_>) -> Done {
    if let Some(label) = command.words.first().and_then(|word| word.strip_prefix("dbd:")) {
        return database(command, label);
    }
    let file = one(&command.words, "file")?;
    let path = command.below_server_root(file).ok_or_else(|| format!("{file:?} is not a usable path"))?;
    add_rule(command, WrittenSource::Map(path))
}

/// How long answers of a database are kept, and how many of them, if the directive does not say.
const KEPT: CacheLimits = CacheLimits { ttl: Duration::from_secs(60), entries: 4096 };

/// `ConfineMap dbd:LABEL [ttl=SECONDS] [entries=NUMBER] [rows=values|rules] [EXPRESSION ...]`
fn database(command: &mut Command<'_>, label: &str) -> Done {
    if label.is_empty() {
        return Err(
            "dbd: has nothing behind it; write the label that DBDPrepareSQL gives the statement".into()
        );
    }
    let (mut limits, mut rows, mut expressions) = (KEPT, RowsAre::Values, Vec::new());
    for word in &command.words[1..] {
        match word.split_once('=').filter(|(name, _)| is_option(name)) {
            Some(("ttl", value)) => limits.ttl = Duration::from_secs(number(word, value, 0, 86_400)?),
            Some(("entries", value)) => limits.entries = number(word, value, 1, 1_000_000)? as usize,
            Some(("rows", value)) => {
                rows = choice(&[value], &[("values", RowsAre::Values), ("rules", RowsAre::Rules)])?
            }
            Some(("expr", text)) => expressions.push(compile(command, text)?),
            Some(_) => {
                return Err(format!(
                    "{word:?} is no option; there are ttl=, entries= and rows=, and expr= before an expression that looks \
                     like one"
                ));
            }
            None => expressions.push(compile(command, word)?),
        }
    }
    let parameters = match expressions.is_empty() {
        true => Parameters::User,
        false => Parameters::Values(expressions.into()),
    };
    let label = CString::new(label).map_err(|_| "the label holds a NUL byte")?;
    add_rule(command, WrittenSource::Database(label, parameters, rows, limits))
}

/// Whether a word that begins so is an option or a mistyped one, not an expression.
fn is_option(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphabetic())
}

fn number(word: &str, value: &str, least: u64, most: u64) -> Result<u64, String> {
    let number = value.parse().ok().filter(|n| (least..=most).contains(n));
    number.ok_or_else(|| format!("{word:?}: it takes a whole number from {least} to {most}"))
}

pub fn env(command: &mut Command<'_>) -> Done {
    let word = one(&command.words, "name of an environment variable")?;
    let (backend, name) = named(word)?;
    if name.is_empty() || name.contains('=') {
        return Err(format!("{name:?} is not the name of an environment variable"));
    }
    let name = CString::new(name).map_err(|_| "the name holds a NUL byte")?;
    add_rule(command, WrittenSource::Env(name, backend))
}

pub fn expr(command: &mut Command<'_>) -> Done {
    let text = one(&command.words, "expression (put it in quotes)")?;
    let source = expression(command, text.strip_prefix("expr=").unwrap_or(text))?;
    add_rule(command, source)
}

pub fn early(command: &mut Command<'_>) -> Done {
    let source = match &command.words[..] {
        [] => return Err("takes at least one context, or expr=EXPRESSION".into()),
        [text] if text.starts_with("expr=") => expression(command, &text["expr=".len()..])?,
        words => WrittenSource::Constant(words.iter().map(|w| (*w).to_owned()).collect()),
    };
    set_early(command, source)
}

/// The backend that stands literally before a value, and what stands behind it.
fn named(text: &str) -> Result<(Option<BackendName>, &str), String> {
    let found = literal_prefix(text).map_err(|e| e.to_string())?;
    Ok(found.map_or((None, text), |(backend, rest)| (Some(backend), rest)))
}

/// An expression that gives a context, piece by piece. What stands literally in it was written by the administrator. Only
/// that may name a backend, or hold more than a word.
fn expression(command: &Command<'_>, text: &str) -> Result<WrittenSource, String> {
    // The whole expression is compiled first, so that an error shows all of it.
    compile(command, text)?;
    let (backend, text) = match stretches(text).first() {
        Some(Stretch::Plain(first)) => {
            let (backend, rest) = named(first)?;
            (backend, &text[first.len() - rest.len()..])
        }
        _ => (None, text),
    };
    let pieces = stretches(text).into_iter().map(|stretch| {
        Ok(match stretch {
            Stretch::Plain(text) => Piece::Literal(text.into()),
            Stretch::Escaped(text) => Piece::Escaped(compile(command, text)?),
            Stretch::Value(text) => Piece::Value(compile(command, text)?),
        })
    });
    Ok(WrittenSource::Expr(pieces.collect::<Result<_, String>>()?, backend))
}

fn compile(command: &Command<'_>, text: &str) -> Result<Expression, String> {
    Expression::compile(command, text).map_err(|e| {
        format!("{text:?} is not a string expression: {e}; see the server's manual on expressions")
    })
}
