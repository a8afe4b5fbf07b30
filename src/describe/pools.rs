//! What an administrator should know about pools of processes.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, os::unix::fs::MetadataExt, path::Path};

use confine::{
    backends::Prepared,
    lsm::{
        NoValues,
        uid::{Uid, UserSettings},
    },
    policy::decide::Source,
};

use super::pool_contexts::notes_of_handlers;
use crate::{
    config::{
        Policy, Written,
        fastcgi::{HANDLER, Program},
    },
    httpd::{hosts, server::Server},
};

/// What is to be corrected, though the server starts. A text about one directive begins with its file and line.
pub fn findings(main: &Server<'_>, written: &Written, policy: &Policy) -> Vec<String> {
    let mut findings = Vec::new();
    for program in &written.programs {
        let at = place_of(program);
        let file = Path::new(OsStr::from_bytes(program.file.to_bytes()));
        if let Err(problem) = Uid::trusts(file) {
            findings.push(format!("{at}: {problem}; whoever can change it runs code in every pool"));
        }
        findings.extend(overridden(program).map(|setting| {
            format!(
                "{at}: Arguments set {setting}, for which the module gives each pool a folder of its own: contexts that share \
                 another one reach each other's files there; take it out"
            )
        }));
    }
    findings.extend(unserved(written));
    findings.extend(folders_of_users(main, written, policy));
    findings
}

/// What is worth knowing.
pub fn notes(main: &Server<'_>, written: &Written, policy: &Policy) -> Vec<String> {
    let mut notes = notes_of_handlers(main, written, &policy.rules);
    let unused = written
        .programs
        .iter()
        .filter(|program| !written.pool_handlers.iter().any(|handler| handler.name == program.name));
    notes.extend(unused.map(|program| {
        format!("{}: no SetHandler {HANDLER}{} leads there", place_of(program), program.name)
    }));
    notes.extend(members(written));
    notes
}

fn place_of(program: &Program) -> String {
    format!("{}: <ConfineFastCGI {}>", program.origin, program.name)
}

/// The settings of PHP's that the module gives each pool, and that the section sets again.
fn overridden(program: &Program) -> impl Iterator<Item = &'static str> {
    const OWN: [&str; 4] = ["sys_temp_dir", "upload_tmp_dir", "session.save_path", "opcache.lockfile_path"];
    let words: Vec<_> = program.arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let is_php = program.is_php();
    OWN.into_iter().filter(move |own| {
        let sets = |word: &String| {
            let setting = word.strip_prefix("-d").unwrap_or(word);
            setting.trim_start().strip_prefix(own).is_some_and(|rest| rest.trim_start().starts_with('='))
        };
        is_php && words.iter().any(sets)
    })
}

/// Handlers in a configuration without any rule.
fn unserved(written: &Written) -> Option<String> {
    let handler = written.pool_handlers.first().filter(|_| written.rules.is_empty())?;
    Some(format!(
        "{}: SetHandler {HANDLER}{}: there is no rule, so every request with it is refused; write one, such as \
         ConfineContext landlock:NAME",
        handler.origin, handler.name
    ))
}

/// Where a rule names a user, and the folder that its host serves is not that user's.
fn folders_of_users(main: &Server<'_>, written: &Written, policy: &Policy) -> Vec<String> {
    let mut notes = Vec::new();
    for host in main.with_hosts() {
        let Some(root) = host.document_root() else { continue };
        let Ok(folder) = fs::metadata(OsStr::from_bytes(root.to_bytes())) else { continue };
        let of_host = written.rules.iter().zip(&policy.rules).filter(|(rule, _)| rule.server == host.id());
        for (rule, made) in of_host {
            let Source::Constant(Prepared::Moves(moves)) = &made.source else { continue };
            let steps = moves.steps.iter().filter(|step| step.is_for_processes());
            for step in steps {
                let Some(user) =
                    step.ready(&NoValues).ok().and_then(|ready| confine::lsm::Enter::user(&ready))
                else {
                    continue;
                };
                let others = folder.mode() & 0o022 != 0;
                if others || ![0, user.user].contains(&folder.uid()) {
                    let who = if others {
                        "others may write it".to_owned()
                    } else {
                        format!("it belongs to the user with id {}", folder.uid())
                    };
                    let shown = root.to_string_lossy();
                    notes.push(format!(
                        "{}: {}: {}: {who}: {shown}, the DocumentRoot, from which its program runs scripts; let it belong \
                         to {} or root, and chmod go-w it",
                        rule.origin,
                        rule.directive,
                        step.context(),
                        step.context().text
                    ));
                }
            }
        }
    }
    notes
}

/// Whom requests may name: the members of the group in `ConfineUsers`.
fn members(written: &Written) -> Vec<String> {
    let Some(group) = written.users.settings.members_of.as_deref() else { return Vec::new() };
    let at = written.users.places.get("members-of").map(|origin| format!("{origin}: ")).unwrap_or_default();
    let server = hosts::child_user().map(|user| user.id);
    let settings = UserSettings { server, ..written.users.settings.clone() };
    let Ok(members) = Uid::new(settings).map(|uid| uid.members()) else { return Vec::new() };
    if members.is_empty() {
        return vec![format!(
            "{at}ConfineUsers: the group {group} lists no member, so that no value of a request can name a user (but \
             those whose own group it is); add them (usermod -aG {group} NAME)"
        )];
    }
    let refused = members.iter().filter_map(|(name, found)| Some((name, found.as_ref().err()?)));
    let mut notes: Vec<_> = refused
        .map(|(name, problem)| {
            format!("{at}ConfineUsers: {name}, a member of {group}, cannot be named: {problem}")
        })
        .collect();
    let named: Vec<_> =
        members.iter().filter(|(_, found)| found.is_ok()).take(20).map(|(name, _)| name.as_str()).collect();
    let more = members.iter().filter(|(_, found)| found.is_ok()).count().saturating_sub(named.len());
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    if !named.is_empty() {
        notes.push(format!("{at}ConfineUsers: requests may name {}{more}", named.join(", ")));
    }
    notes
}
