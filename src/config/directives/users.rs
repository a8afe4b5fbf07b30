//! `ConfineUsers`: as which users processes of their own may run.

use confine::lsm::uid::UserSettings;

use crate::{config::edit::edit_written, httpd::command::Command};

/// What a word sets.
type Setting = fn(&mut UserSettings, &str) -> Result<(), String>;

/// The words, by what stands before the equals sign.
const SETTINGS: [(&str, Setting); 4] = [
    ("members-of", |users, group| {
        users.members_of = Some(group.into());
        Ok(())
    }),
    ("keep-groups", |users, groups| {
        users.keep_groups = groups.split(',').map(Into::into).collect();
        let all = users.keep_groups.iter().all(|group| !group.is_empty());
        if all { Ok(()) } else { Err("a group between two commas has no name".to_owned()) }
    }),
    ("min-uid", |users, number| least(number).map(|least| users.min_uid = least)),
    ("min-gid", |users, number| least(number).map(|least| users.min_gid = least)),
];

pub fn users(command: &mut Command<'_>) -> Result<(), String> {
    command.outside_virtual_hosts()?;
    if command.words.is_empty() {
        return Err(format!("takes at least one of {}", names()));
    }
    let origin = command.origin();
    for word in &command.words {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let Some((name, set)) = SETTINGS.iter().find(|(known, _)| *known == name) else {
            return Err(format!("{word:?} is not known here; write {}", names()));
        };
        if value.is_empty() {
            return Err(format!("{word:?}: nothing stands behind {name}="));
        }
        edit_written(command, |written| {
            if let Some(first) = written.users.places.insert(name, origin.clone()) {
                return Err(format!("{name}= is set already at {first}; the server has one"));
            }
            set(&mut written.users.settings, value).map_err(|why| format!("{word:?}: {why}"))
        })??;
    }
    Ok(())
}

fn names() -> String {
    SETTINGS.map(|(name, _)| format!("{name}=")).join(", ")
}

/// The least id. 0 is root's, and no process becomes root.
fn least(number: &str) -> Result<u32, String> {
    let number = number.parse().ok().filter(|number| (1..u32::MAX).contains(number));
    number.ok_or_else(|| "a whole number from 1 on belongs here; 0 is root's".to_owned())
}
