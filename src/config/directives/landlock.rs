//! `<ConfineLandlock NAME>` and what stands in it.

use std::{collections::BTreeSet, path::Path};

use confine::{
    Origin,
    lsm::landlock::{
        PathAccess, PathRule, PathTemplate, RulesetSpec,
        include::{self, Grant, IncludeLine},
    },
};

use crate::config::directives::one;
use crate::{
    config::{WrittenRuleset, edit::edit_written},
    httpd::{command::Command, expression::Expression},
};

type Done = Result<(), String>;

pub fn section(command: &mut Command<'_>) -> Done {
    let is_of_host = command.outside_virtual_hosts().is_err();
    let host = command.server().filter(|_| is_of_host).map(|server| server.id());
    let name = one(&command.words, "name").map_err(|e| format!("{e}; write <ConfineLandlock NAME>"))?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if name.is_empty() || !name.bytes().all(plain) {
        return Err(format!("{name:?} is no name of a ruleset; use letters, digits, `.`, `_` and `-`"));
    }
    let spec = RulesetSpec::new(name, command.origin());
    edit_written(command, |written| {
        if let Some(outer) = &written.open {
            let outer = &outer.spec.name;
            return Err(format!("stands inside <ConfineLandlock {outer}>; rulesets cannot be nested"));
        }
        if let Some(first) = written.rulesets.iter().find(|s| s.spec.name == spec.name && s.host == host) {
            let first = &first.spec.origin;
            return Err(format!(
                "the ruleset {name:?} is defined already at {first}; put both into one section, or give one another name"
            ));
        }
        written.open = Some(WrittenRuleset { spec, host, included: BTreeSet::new() });
        Ok(())
    })??;
    let walked = command.walk_section(is_own, "Landlock...");
    edit_written(command, |written| written.rulesets.extend(written.open.take()))?;
    walked
}

/// Whether a directive belongs into a ruleset.
fn is_own(name: &str) -> bool {
    const PREFIX: &str = "Landlock";
    name.get(..PREFIX.len()).is_some_and(|n| n.eq_ignore_ascii_case(PREFIX))
}

pub fn stray_end(_: &mut Command<'_>) -> Done {
    Err("ends a section that was not begun".into())
}

/// Folders in which `LandlockInclude` looks first.
pub fn include_dir(command: &mut Command<'_>) -> Done {
    command.outside_virtual_hosts()?;
    let folder = one(&command.words, "folder")?;
    let folder =
        command.below_server_root(folder).ok_or_else(|| format!("{folder:?} is not a usable path"))?;
    if !Path::new(&folder).is_dir() {
        return Err(format!("{folder:?} is no folder; make it, or correct the name"));
    }
    edit_written(command, |written| match &written.open {
        Some(open) => Err(format!("stands inside <ConfineLandlock {}>; write it above", open.spec.name)),
        None => {
            written.include_folders.push(folder.into());
            Ok(())
        }
    })?
}

pub fn include(command: &mut Command<'_>) -> Done {
    if command.words.is_empty() {
        return Err("takes at least one name, such as base".into());
    }
    std::mem::take(&mut command.words).into_iter().try_for_each(|name| include_file(command, name))
}

/// Puts what stands in the file of this name into the ruleset, once however many others include it.
fn include_file(command: &Command<'_>, name: &str) -> Done {
    let folders = edit_written(command, |written| {
        let open = written.open.as_mut().ok_or(OUTSIDE)?;
        let folders = open.included.insert(name.into()).then(|| written.include_folders.clone());
        Ok::<_, String>(folders)
    })??;
    let Some(folders) = folders else { return Ok(()) };
    let (file, text) = include::find(name, &folders)?;
    let at = |line: u32| Origin::new(&file, line);
    let lines = include::parse(&text).map_err(|e| format!("{}: {e}", at(e.line)))?;
    for IncludeLine { grant, words, line } in lines {
        let origin = at(line);
        let words = || words.iter().map(String::as_str);
        let done = match grant {
            Grant::Path(access) => words().try_for_each(|text| path(command, access, text, origin.clone())),
            Grant::Connect => edit(command, |spec| spec.connect.add(words()).map_err(|e| e.to_string())),
            Grant::Bind => edit(command, |spec| spec.bind.add(words()).map_err(|e| e.to_string())),
            Grant::Include => words().try_for_each(|name| include_file(command, name)),
        };
        done.map_err(|e| format!("{origin}: {e}"))?;
    }
    Ok(())
}

pub fn read(command: &mut Command<'_>) -> Done {
    paths(command, PathAccess::Read)
}

pub fn write(command: &mut Command<'_>) -> Done {
    paths(command, PathAccess::Write)
}

pub fn execute(command: &mut Command<'_>) -> Done {
    paths(command, PathAccess::Execute)
}

pub fn connect(command: &mut Command<'_>) -> Done {
    let words = std::mem::take(&mut command.words);
    edit(command, |spec| spec.connect.add(words).map_err(|e| e.to_string()))
}

pub fn bind(command: &mut Command<'_>) -> Done {
    let words = std::mem::take(&mut command.words);
    edit(command, |spec| spec.bind.add(words).map_err(|e| e.to_string()))
}

pub fn scope(command: &mut Command<'_>) -> Done {
    let words = std::mem::take(&mut command.words);
    edit(command, |spec| spec.scope.add(words).map_err(|e| e.to_string()))
}

pub fn abi(command: &mut Command<'_>) -> Done {
    let word = one(&command.words, "number")?;
    let number = word.parse().ok().filter(|n| *n >= 1);
    let number: u32 = number
        .ok_or_else(|| format!("{word:?} is no Landlock ABI; write a number, such as 2 (Linux 5.19)"))?;
    edit(command, |spec| {
        spec.min_abi = number;
        Ok(())
    })
}

pub fn trust_paths(command: &mut Command<'_>) -> Done {
    if command.words.is_empty() {
        return Err("takes at least one path".into());
    }
    for text in std::mem::take(&mut command.words) {
        let (path, _) = PathTemplate::parse(text, 0).map_err(|e| e.to_string())?;
        if path.is_dynamic() {
            return Err(format!("{text:?} holds an expression; only fixed paths can be trusted"));
        }
        edit(command, |spec| {
            spec.trusted.push(path.prefix().into());
            Ok(())
        })?;
    }
    Ok(())
}

/// Adds path rules.
fn paths(command: &mut Command<'_>, access: PathAccess) -> Done {
    if command.words.is_empty() {
        return Err("takes at least one path".into());
    }
    let words = std::mem::take(&mut command.words);
    words.into_iter().enumerate().try_for_each(|(number, text)| {
        path(command, access, text, command.origin()).map_err(|why| match number {
            1.. if !text.starts_with(['/', '-']) => {
                format!(
                    "{why}, or put the whole path into double quotes if the blank before this is part of it"
                )
            }
            _ => why,
        })
    })
}

/// Adds a path rule that is written at `origin`, with the expressions in it compiled.
fn path(command: &Command<'_>, access: PathAccess, text: &str, origin: Origin) -> Done {
    let (optional, text) = match text.strip_prefix('-') {
        Some(rest) if rest.starts_with('/') => (true, rest),
        _ => (false, text),
    };
    let first = edit_written(command, |written| written.path_expressions.len())?;
    let (path, texts) = PathTemplate::parse(text, first).map_err(|e| e.to_string())?;
    let compiled = texts
        .iter()
        .map(|t| Expression::compile(command, t).map_err(|e| format!("in {text:?}: {t:?}: {e}")))
        .collect::<Result<Vec<_>, _>>()?;
    edit_written(command, |written| written.path_expressions.extend(compiled))?;
    let rule = PathRule { access, path, optional, origin };
    edit(command, |spec| {
        spec.paths.push(rule);
        Ok(())
    })
}

/// What is wrong with a directive that belongs into a ruleset's section.
const OUTSIDE: &str = "stands outside of a section <ConfineLandlock NAME>; write it into one";

/// Changes the ruleset whose section is being read.
fn edit(command: &Command<'_>, change: impl FnOnce(&mut RulesetSpec) -> Done) -> Done {
    edit_written(command, |written| match &mut written.open {
        Some(open) => change(&mut open.spec),
        None => Err(OUTSIDE.to_owned()),
    })?
}
