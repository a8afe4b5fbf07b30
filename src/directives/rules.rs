//! `ConfineContext`, `ConfineMap`, `ConfineEnv`, `ConfineExpr`: the rules; `ConfineEarly`.

use std::{ffi::CString, time::Duration};

use confine::{answers::Limits, database::Parameters};

use super::one;
use crate::{
    config::{DraftSource, add_rule, set_early},
    httpd::{command::Command, expression::Expression},
};

type Done = Result<(), String>;

pub fn context(command: &mut Command<'_>) -> Done {
    if command.words.is_empty() {
        return Err("takes at least one context, such as landlock:NAME, or the word unconfined".into());
    }
    let words = command.words.iter().map(|w| (*w).to_owned()).collect();
    add_rule(command, DraftSource::Constant(words))
}

pub fn map(command: &mut Command<'_>) -> Done {
    if let Some(label) = command.words.first().and_then(|word| word.strip_prefix("dbd:")) {
        return database(command, label);
    }
    let file = one(&command.words, "file")?;
    let path = command.below_server_root(file).ok_or_else(|| format!("{file:?} is not a usable path"))?;
    add_rule(command, DraftSource::Map(path))
}

/// For how long an answer of a database is kept, and how many, unless said otherwise.
const KEPT: Limits = Limits { ttl: Duration::from_secs(60), entries: 4096 };

/// `ConfineMap dbd:LABEL [ttl=SECONDS] [entries=NUMBER] [EXPRESSION ...]`
fn database(command: &mut Command<'_>, label: &str) -> Done {
    if label.is_empty() {
        return Err(
            "dbd: has nothing behind it; write the label that DBDPrepareSQL gives the statement".into()
        );
    }
    let (mut limits, mut expressions) = (KEPT, Vec::new());
    for word in &command.words[1..] {
        match word.split_once('=').filter(|(name, _)| is_option(name)) {
            Some(("ttl", value)) => limits.ttl = Duration::from_secs(number(word, value, 0, 86_400)?),
            Some(("entries", value)) => limits.entries = number(word, value, 1, 1_000_000)? as usize,
            Some(("expr", text)) => expressions.push(compile(command, text)?),
            Some(_) => {
                return Err(format!(
                    "{word:?} is no option; there are ttl= and entries=, and expr= before an expression that looks \
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
    add_rule(command, DraftSource::Database(label, parameters, limits))
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
    let name = one(&command.words, "name of an environment variable")?;
    if name.is_empty() || name.contains('=') {
        return Err(format!("{name:?} is not the name of an environment variable"));
    }
    let name = CString::new(name).map_err(|_| "the name holds a NUL byte")?;
    add_rule(command, DraftSource::Env(name))
}

pub fn expr(command: &mut Command<'_>) -> Done {
    let text = one(&command.words, "expression (put it in quotes)")?;
    let compiled = compile(command, text.strip_prefix("expr=").unwrap_or(text))?;
    add_rule(command, DraftSource::Expr(compiled))
}

pub fn early(command: &mut Command<'_>) -> Done {
    let source = match &command.words[..] {
        [] => return Err("takes at least one context, or expr=EXPRESSION".into()),
        [text] if text.starts_with("expr=") => DraftSource::Expr(compile(command, &text["expr=".len()..])?),
        words => DraftSource::Constant(words.iter().map(|w| (*w).to_owned()).collect()),
    };
    set_early(command, source)
}

fn compile(command: &Command<'_>, text: &str) -> Result<Expression, String> {
    Expression::compile(command, text).map_err(|e| {
        format!("{text:?} is not a string expression: {e}; see the server's manual on expressions")
    })
}
