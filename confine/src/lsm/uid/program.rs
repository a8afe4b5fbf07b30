//! Whether a program may be executed as a user: the checks of httpd's own support/suexec.c, for a program that the
//! configuration names.
//!
//! suexec refuses every link and wants the program to be the user's. A program that the configuration names is mostly
//! one of the system's (/usr/bin/php-cgi, which is a link of Debian's alternatives). So root's are accepted, too, and
//! links that nobody but root can have made (`way.rs` of Landlock's backend).

use std::{
    fs::{File, Metadata},
    os::unix::fs::MetadataExt,
    path::Path,
};

use crate::{
    lsm::{
        landlock::way::{Astray, Trust, walk},
        quoted,
    },
    problem::Problem,
};

const SET_ID: u32 = libc::S_ISUID | libc::S_ISGID;

/// Looks at `program`, which is to be executed as the user with the id `uid`.
///
/// # Errors
/// What suexec would not execute, either.
pub(super) fn may_execute(program: &Path, uid: u32) -> Result<(), Problem> {
    let shown = quoted(&program.to_string_lossy());
    let refused = |why: String, remedy: &str| Err(Problem::new(format!("the program {shown} {why}"), remedy));
    if !program.is_absolute() {
        return refused("has no full path".to_owned(), "write it with its full path");
    }
    let found = walk(program, &Trust::new(&[])).map_err(|astray| match astray {
        Astray::Refused(error) => Problem {
            errno: error.raw_os_error(),
            ..Problem::new(format!("the program {shown} cannot be opened"), "install it, or correct the path")
        },
        Astray::Laid { what, at, by } => Problem::new(
            format!(
                "the program {shown} is not executed: {} is {what}, and {by}",
                quoted(&at.to_string_lossy())
            ),
            "name the program itself, in a folder that only root can change",
        ),
    })?;
    let look = |file: File| file.metadata();
    let folder = found.folder.map(|folder| look(folder.into())).transpose();
    let looked = look(found.fd.into()).and_then(|file| Ok((file, folder?)));
    let (file, folder) = looked.map_err(|error| Problem {
        errno: error.raw_os_error(),
        ..Problem::new(format!("the program {shown} cannot be looked at"), "correct its path")
    })?;
    if !file.is_file() {
        return refused("is no file".to_owned(), "name a program");
    }
    if file.mode() & SET_ID != 0 {
        return refused("is set-user-ID or set-group-ID".to_owned(), "chmod ug-s the program");
    }
    if file.mode() & 0o111 == 0 {
        return refused("is not executable".to_owned(), "chmod +x the program");
    }
    for (what, it) in [("", Some(&file)), ("is in a folder that ", folder.as_ref())] {
        if let Some(why) = it.and_then(|it| can_be_changed(it, uid)) {
            return refused(format!("{what}{why}"), "let it belong to the user or root, and chmod go-w it");
        }
    }
    Ok(())
}

/// Why others than root and the user can change a file or folder.
fn can_be_changed(it: &Metadata, uid: u32) -> Option<String> {
    if it.uid() != 0 && it.uid() != uid {
        return Some(format!("belongs to the user with id {}", it.uid()));
    }
    let of_group = it.mode() & libc::S_IWGRP != 0 && it.gid() != 0;
    (of_group || it.mode() & libc::S_IWOTH != 0).then(|| "may be written by others".to_owned())
}
