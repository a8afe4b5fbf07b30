//! `<ConfineFastCGI NAME>` and what stands in it.

use std::{ffi::CString, fs, os::unix::fs::MetadataExt, path::Path, time::Duration};

use crate::config::directives::{choice, one};
use crate::{
    config::{
        edit::edit_written,
        fastcgi::{DIRECTIVES, Program},
    },
    httpd::command::Command,
};

type Done = Result<(), String>;

pub fn section(command: &mut Command<'_>) -> Done {
    command.outside_virtual_hosts()?;
    let name = one(&command.words, "name")?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if name.is_empty() || !name.bytes().all(plain) {
        return Err(format!("{name:?} is no name of a program; use letters, digits, `.`, `_` and `-`"));
    }
    let program = Program::new(name, command.origin());
    edit_written(command, |written| {
        if let Some(outer) = &written.open_program {
            return Err(format!(
                "stands inside <ConfineFastCGI {}>; such sections cannot be nested",
                outer.name
            ));
        }
        if let Some(first) = written.programs.iter().find(|p| p.name == program.name) {
            return Err(format!("the program {name:?} is defined already at {}", first.origin));
        }
        written.open_program = Some(program);
        Ok(())
    })??;
    let walked = command.walk_section(
        |directive| DIRECTIVES.iter().any(|own| own.eq_ignore_ascii_case(directive)),
        &DIRECTIVES.join(", "),
    );
    let program = edit_written(command, |written| written.open_program.take())?;
    walked?;
    let program = program.ok_or("the section was lost")?;
    complete(&program)?;
    edit_written(command, |written| written.programs.push(program))
}

pub fn stray_end(_: &mut Command<'_>) -> Done {
    Err("ends a section that was not begun".into())
}

/// Whether a section says all that is needed.
fn complete(program: &Program) -> Done {
    if program.file.is_empty() {
        return Err("names no program; write Program and the path of one that speaks FastCGI, such as \
                    /usr/bin/php-cgi"
            .into());
    }
    if program.total < program.at_start() {
        return Err(format!(
            "Total {} is less than one pool needs ({}); raise Total, or lower Processes",
            program.total,
            program.at_start()
        ));
    }
    Ok(())
}

pub fn program(command: &mut Command<'_>) -> Done {
    let file = one(&command.words, "path")?;
    let path = Path::new(file);
    if !path.is_absolute() {
        return Err(format!("{file:?} is no whole path; write one that begins with /"));
    }
    let found = fs::metadata(path).map_err(|e| format!("{file}: {e}; install it, or correct the path"))?;
    if !found.is_file() || found.mode() & 0o111 == 0 {
        return Err(format!("{file} is no program; name a file that may be executed"));
    }
    if found.mode() & 0o022 != 0 {
        return Err(format!("{file} may be written by others than its owner; chmod go-w {file}"));
    }
    let file = text(file)?;
    edit(command, |program| program.file = file)
}

pub fn arguments(command: &mut Command<'_>) -> Done {
    let words = command.words.iter().map(|word| text(word)).collect::<Result<Vec<_>, _>>()?;
    if words.is_empty() {
        return Err("takes at least one argument".into());
    }
    edit(command, |program| program.arguments.extend(words))
}

pub fn environment(command: &mut Command<'_>) -> Done {
    let words = command.words.iter().map(|word| match word.split_once('=') {
        Some((name, _)) if !name.is_empty() => text(word),
        _ => Err(format!("{word:?} is no variable with its value; write NAME=VALUE")),
    });
    let words = words.collect::<Result<Vec<_>, _>>()?;
    if words.is_empty() {
        return Err("takes at least one variable, NAME=VALUE".into());
    }
    edit(command, |program| program.environment.extend(words))
}

pub fn processes(command: &mut Command<'_>) -> Done {
    let processes = number(command, 1..=1024)?;
    edit(command, |program| program.processes = processes)
}

pub fn requests(command: &mut Command<'_>) -> Done {
    let requests = number(command, 1..=1_000_000_000)?;
    edit(command, |program| program.requests = requests)
}

pub fn idle(command: &mut Command<'_>) -> Done {
    let seconds = number(command, 1..=86_400)?;
    edit(command, |program| program.idle = Duration::from_secs(seconds.into()))
}

pub fn total(command: &mut Command<'_>) -> Done {
    let total = number(command, 1..=100_000)?;
    edit(command, |program| program.total = total)
}

pub fn queue(command: &mut Command<'_>) -> Done {
    let queue = number(command, 0..=2048)?;
    edit(command, |program| program.queue = queue)
}

pub fn memory(command: &mut Command<'_>) -> Done {
    let word = one(&command.words, "size")?;
    let bytes = bytes(word).filter(|bytes| *bytes >= LEAST_MEMORY).ok_or_else(|| {
        format!("{word:?} is no size from 8M on; write a number with K, M or G, such as 256M")
    })?;
    edit(command, |program| program.memory = Some(bytes))
}

pub fn private_ipc(command: &mut Command<'_>) -> Done {
    let private = choice(&command.words, &[("on", true), ("off", false)])?;
    edit(command, |program| program.private_ipc = Some(private))
}

/// With less no program starts.
const LEAST_MEMORY: u64 = 8 << 20;

/// The bytes that a size such as `256M` means.
fn bytes(word: &str) -> Option<u64> {
    let unit = word.chars().last()?;
    let units = [('K', 10), ('M', 20), ('G', 30)];
    let shift = units.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(&unit))?.1;
    word.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// The one number that a directive takes.
fn number(command: &Command<'_>, range: std::ops::RangeInclusive<u32>) -> Result<u32, String> {
    let word = one(&command.words, "number")?;
    word.parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| format!("{word:?} is no number from {} to {}", range.start(), range.end()))
}

fn text(word: &str) -> Result<CString, String> {
    CString::new(word).map_err(|_| format!("{word:?} holds a NUL byte"))
}

/// Changes the program whose section is being read.
fn edit(command: &Command<'_>, change: impl FnOnce(&mut Program)) -> Done {
    edit_written(command, |written| match &mut written.open_program {
        Some(open) => {
            change(open);
            Ok(())
        }
        None => Err("stands outside of a section <ConfineFastCGI NAME>".to_owned()),
    })?
}
