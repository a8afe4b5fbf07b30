//! `ConfineContext`, `ConfineMap`, `ConfineEnv`, `ConfineExpr`: the rules; `ConfineEarly`.

use std::ffi::CString;

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
    let file = one(&command.words, "file")?;
    let path = command.below_server_root(file).ok_or_else(|| format!("{file:?} is not a usable path"))?;
    add_rule(command, DraftSource::Map(path))
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
