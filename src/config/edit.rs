//! How directives change the configuration: each of these is called while one directive is read.

use std::ffi::CStr;

use super::{
    DIRECTORY, SERVER, ServerConfig, Settings, Standing, Vocabulary, Workers, Written, WrittenPoolHandler,
    WrittenRule, WrittenServerContext, WrittenSource, fastcgi,
    named_code::NamedCode,
    scopes::{Link, SetHandler},
};
use crate::httpd::{command::Command, pool::Pool};

type Done = Result<(), String>;

fn pool_of<'c>(command: &Command<'c>) -> Result<Pool<'c>, String> {
    command.pool().ok_or_else(|| "the server gave no pool".to_owned())
}

/// Changes what is written of the whole configuration.
pub fn edit_written<T>(command: &Command<'_>, edit: impl FnOnce(&mut Written) -> T) -> Result<T, String> {
    Ok(Written::edit(pool_of(command)?, edit))
}

/// Changes the settings of the server section that a directive stands in.
pub fn edit_server<T>(
    command: &Command<'_>,
    edit: impl FnOnce(&mut ServerConfig<'_>) -> T,
) -> Result<T, String> {
    SERVER.edit(command, |config| edit(config))
}

/// Changes the settings of the directory section that a directive stands in.
pub fn edit_settings(command: &Command<'_>, edit: impl FnOnce(&mut Settings)) -> Done {
    DIRECTORY.edit(command, |section| edit(&mut section.settings))
}

/// Sets how long workers live in the server section that a directive stands in.
pub fn set_workers(command: &Command<'_>, workers: Workers) -> Done {
    edit_server(command, |server| server.workers = Some(workers))?;
    if workers != Workers::OneTime {
        let server = command.server().ok_or("the server gave no section")?;
        let place = (command.origin(), server.id());
        edit_written(command, |written| written.per_context.push(place))?;
    }
    Ok(())
}

/// Notes where the server itself is to move; once a configuration.
pub fn set_server_context(command: &Command<'_>, words: Vec<String>) -> Done {
    command.outside_virtual_hosts()?;
    let context = WrittenServerContext { origin: command.origin(), directive: command.name().into(), words };
    edit_written(command, |written| match &written.server_context {
        Some(first) => Err(format!("is set already at {}; the server has one context", first.origin)),
        None => {
            written.server_context = Some(context);
            Ok(())
        }
    })?
}

/// Notes code that a directive names in its directory section, or `.htaccess` file.
pub fn name_code(command: &Command<'_>, code: NamedCode) -> Done {
    DIRECTORY.edit(command, |section| section.code = section.code.and(code))
}

/// Notes which handler `SetHandler` names for the directory section that it stands in, or that a .htaccess file does.
/// The directive itself is core's, which the server calls as well (server/config.c, ap_walk_config_sub).
pub fn note_handler(command: &Command<'_>, name: &str) -> Done {
    let handler = match command.in_htaccess() {
        true => SetHandler::Htaccess,
        false => SetHandler::Configuration(pool_of(command)?.text(name.as_bytes())),
    };
    DIRECTORY.edit(command, |section| section.handler = Some(handler))?;
    match name.strip_prefix(fastcgi::HANDLER).filter(|_| !command.in_htaccess()) {
        None => Ok(()),
        Some(program) => {
            let handler = WrittenPoolHandler {
                origin: command.origin(),
                name: program.into(),
                standing: standing(command)?,
            };
            edit_written(command, |written| written.pool_handlers.push(handler))
        }
    }
}

/// The sections around a directive.
pub fn standing(command: &Command<'_>) -> Result<Standing, String> {
    let server = command.server().ok_or("the server gave no section")?.id();
    let mut sections = command.sections();
    let is_host = |title: &str| title.get(..12).is_some_and(|t| t.eq_ignore_ascii_case("<VirtualHost"));
    sections.retain(|(title, _)| !is_host(title));
    sections.reverse();
    Ok(Standing { server, sections })
}

/// Notes which variable of mod_ssl's holds the user's name in the directory section that `SSLUserName` stands in.
pub fn note_name_in_certificate(command: &Command<'_>, name: &CStr) -> Done {
    let name = pool_of(command)?.text(name.to_bytes());
    DIRECTORY.edit(command, |section| section.name_in_certificate = Some(name))
}

/// Sets the early move of the server section that a directive stands in.
pub fn set_early(command: &Command<'_>, source: WrittenSource) -> Done {
    let index = write_rule(command, source, Vocabulary::Own)?;
    edit_server(command, |server| match server.early.replace(index) {
        None => Ok(()),
        Some(_) => Err("is set already in this server".to_owned()),
    })?
}

/// Adds a rule to the directory section that a directive stands in.
pub fn add_rule(command: &Command<'_>, source: WrittenSource) -> Done {
    add(command, source, Vocabulary::Own)
}

/// Adds a rule that a directive of mod_selinux gives.
pub fn add_rule_of_mod_selinux(command: &Command<'_>, source: WrittenSource) -> Done {
    add(command, source, Vocabulary::ModSelinux)
}

fn add(command: &Command<'_>, source: WrittenSource, vocabulary: Vocabulary) -> Done {
    let pool = pool_of(command)?;
    let rule = write_rule(command, source, vocabulary)?;
    DIRECTORY.edit(command, |section| match section.first {
        // A section that is being read has at most one list, its own: sections are merged later.
        Some(own) => Written::edit(pool, |written| written.lists[own.list].push(rule)),
        None => {
            let list = Written::edit(pool, |written| {
                written.lists.push(vec![rule]);
                written.lists.len() - 1
            });
            section.first = Some(pool.place(Link { list, outer: None }));
        }
    })
}

/// Notes a rule; gives its index.
fn write_rule(command: &Command<'_>, source: WrittenSource, vocabulary: Vocabulary) -> Result<usize, String> {
    let server = command.server().ok_or("the server gave no section")?;
    let rule = WrittenRule {
        origin: command.origin(),
        standing: standing(command)?,
        directive: command.name().into(),
        server: server.id(),
        source,
        vocabulary,
    };
    edit_server(command, |server| server.has_rules = true)?;
    command.read_files();
    edit_written(command, |written| {
        written.rules.push(rule);
        written.rules.len() - 1
    })
}
