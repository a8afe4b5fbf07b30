//! From the names of a pool's contexts to the moves of its processes.
//!
//! Children of the server send these names to the manager, and any code that took a child over can send others. A name
//! of a ruleset only makes the processes weaker. A name of a user does not, so the manager has its own opinion of that:
//! [`Users`].

use std::{
    collections::HashSet,
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use confine::{
    Context, Origin,
    backends::{Backends, Prepared},
    context::BackendName,
    lsm::{
        Backend, Enter, Move, NoValues, Values,
        landlock::{Landlock, Missing, PathAccess, PathRule, PathTemplate, RulesetSpec},
    },
    map::FileStamp,
    policy::{decide::Source, live_map::LiveMap, prepared_map::PreparedMap},
    value::Given,
};

use super::Programs;
use crate::{
    config::{Policy, WatchedMap, fastcgi::Program},
    thread::process::Identity,
};

/// Which lists of contexts with a user the configuration and its maps name themselves. All others are taken for what a
/// request asks for, of whose users more is asked.
pub struct Users {
    backends: Arc<Backends>,
    /// Of the configuration itself.
    constants: HashSet<Box<str>>,
    maps: Mutex<Vec<NamingMap>>,
}

/// A map, and the lists with a user in it.
struct NamingMap {
    map: Arc<LiveMap>,
    backends: Arc<Backends>,
    read: FileStamp,
    named: HashSet<Box<str>>,
}

impl NamingMap {
    fn new(it: &WatchedMap) -> Self {
        let (map, backends) = (Arc::clone(&it.map), Arc::clone(&it.backends));
        let named = named_in(&map.current(), &backends);
        Self { map, backends, read: it.stamp, named }
    }

    /// Whether the map names this list. Where it does not, its file may have changed.
    fn names(&mut self, contexts: &str) -> bool {
        if self.named.contains(contexts) {
            return true;
        }
        if FileStamp::at(self.map.path()).is_ok_and(|now| now != self.read) {
            if let Some((map, read)) = self.map.read_apart(&self.backends) {
                (self.named, self.read) = (named_in(&map, &self.backends), read);
            }
        }
        self.named.contains(contexts)
    }
}

impl Users {
    /// Those of a configuration. Its maps are looked at again when a list is asked for that nobody names.
    pub fn new(policy: &Policy) -> Self {
        let constants = policy.rules.iter().filter_map(|rule| match &rule.source {
            Source::Constant(prepared) => text_with_user(prepared),
            _ => None,
        });
        let maps = policy.maps.iter().map(NamingMap::new);
        Self {
            backends: Arc::clone(&policy.backends),
            constants: constants.collect(),
            maps: Mutex::new(maps.collect()),
        }
    }

    /// Whether the configuration or a map, as it is now, names this list.
    fn are_named(&self, contexts: &str) -> bool {
        if self.constants.contains(contexts) {
            return true;
        }
        let mut maps = self.maps.lock().unwrap_or_else(PoisonError::into_inner);
        maps.iter_mut().any(|map| map.names(contexts))
    }
}

/// The lists with a user in a map.
fn named_in(map: &PreparedMap, backends: &Backends) -> HashSet<Box<str>> {
    let lists = (0..map.map().list_count()).filter_map(|number| map.contexts(number, backends).ok());
    lists.filter_map(|prepared| text_with_user(&prepared)).collect()
}

fn text_with_user(prepared: &Prepared) -> Option<Box<str>> {
    match prepared {
        Prepared::Moves(moves) if moves.for_processes.is_some() => moves.text.to_str().ok().map(Into::into),
        _ => None,
    }
}

/// The moves into contexts, as `CONFINE_CONTEXT` names them, with a grant of the temporary folder.
pub fn moves(
    programs: &Programs,
    contexts: &str,
    temporary: Option<&str>,
) -> Result<Vec<Arc<dyn Move>>, String> {
    let one = |context| match user_move(programs, contexts, context)? {
        Some(user) => Ok(user),
        None => ruleset(programs, context, temporary),
    };
    contexts.split(' ').map(one).collect()
}

/// The user among the contexts, where there is one.
pub fn user_of(programs: &Programs, contexts: &str) -> Result<Option<Identity>, String> {
    for context in contexts.split(' ') {
        if let Some(step) = user_move(programs, contexts, context)? {
            let ready = step.ready(&NoValues).map_err(|e| format!("{context}: {e}"))?;
            return Ok(ready.user().map(|ids| Identity { user: ids.user, group: ids.group }));
        }
    }
    Ok(None)
}

/// Whether a pool can be in these contexts, with these values in their paths, and may execute this program there.
pub fn looked_at(
    programs: &Programs,
    program: &Program,
    contexts: &str,
    values: &dyn Values,
) -> Result<(), String> {
    let file = Path::new(OsStr::from_bytes(program.file.to_bytes()));
    for step in moves(programs, contexts, None)? {
        let named = |why: &dyn std::fmt::Display| format!("{}: {why}", step.context());
        let ready = step.ready(values).map_err(|e| named(&e))?;
        ready.may_execute(file).map_err(|e| named(&e))?;
    }
    Ok(())
}

/// The move to the user that `context` names, if it names one. It is one of `contexts`.
fn user_move(programs: &Programs, contexts: &str, context: &str) -> Result<Option<Arc<dyn Move>>, String> {
    let parsed = Context::parse(context, BackendName::LANDLOCK).map_err(|e| e.to_string())?;
    let backend = programs.users.backends.iter().find(|backend| backend.name() == parsed.backend);
    let Some(backend) = backend.filter(|backend| backend.is_for_processes()) else { return Ok(None) };
    let user = match programs.users.are_named(contexts) {
        true => backend.prepare(&parsed.text),
        false => backend.prepare_value(&Given::whole(&parsed.text)),
    };
    user.map(Some).map_err(|e| e.to_string())
}

/// The move under a ruleset, which also grants the temporary folder.
fn ruleset(programs: &Programs, context: &str, temporary: Option<&str>) -> Result<Arc<dyn Move>, String> {
    let ruleset =
        context.strip_prefix(BackendName::LANDLOCK.as_str()).and_then(|text| text.strip_prefix(':'));
    let Some(name) = ruleset else {
        return Err(format!(
            "{context}: pools of processes are confined by Landlock and by users alone; write landlock:NAME or uid:NAME"
        ));
    };
    let spec = programs.rulesets.iter().find(|spec| spec.full_name() == name);
    let spec = spec.ok_or_else(|| format!("{context}: there is no such ruleset"))?;
    let mut spec = RulesetSpec { host: None, ..spec.clone() };
    if let Some(folder) = temporary {
        let (path, _) = PathTemplate::parse(folder, 0).map_err(|e| e.to_string())?;
        for access in [PathAccess::Read, PathAccess::Write] {
            let origin = Origin::new(folder, 0);
            spec.paths.push(PathRule { access, path: path.clone(), optional: false, origin });
        }
    }
    let name = spec.name.clone();
    let made = Landlock::made(vec![spec], Missing::Fault);
    let made =
        made.map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    made.prepare(&name).map_err(|e| e.to_string())
}
