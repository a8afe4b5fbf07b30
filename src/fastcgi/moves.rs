//! From the names of a pool's contexts to the moves of its processes.
//!
//! Children of the server send these names to the manager, and any code that took a child over can send others. The name
//! of an LSM's context leads nowhere where such code could not go itself: the kernel asks the policy of the server. A
//! name of a user does, so the manager has its own opinion of that: [`Users`].

use std::{
    collections::HashSet,
    ffi::OsStr,
    fmt, io,
    os::unix::ffi::OsStrExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use confine::{
    backends::{Backends, Prepared},
    lsm::{Backend, Enter, EnterError, Made, Move, PreparedMove, Values},
    map::FileStamp,
    policy::{decide::Source, live_map::LiveMap, prepared_map::PreparedMap},
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

    /// Opens what the moves need, while this process still has the privileges for it.
    pub fn open(&self) {
        self.backends.iter().for_each(Backend::start_child);
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

/// The moves of a pool's processes, into all contexts of a rule.
pub struct Way(Box<[Arc<dyn Move>]>);

impl Way {
    /// The way into contexts, as `CONFINE_CONTEXT` names them. It is to be made anew ([`Way::anew`]) before its moves are.
    pub fn to(programs: &Programs, contexts: &str) -> Result<Self, String> {
        let users = &programs.users;
        let moves = users.backends.prepare_shown(contexts, users.are_named(contexts));
        moves.map(|moves| Self(moves.steps.clone())).map_err(|e| e.to_string())
    }

    /// The way into no context.
    pub fn nowhere() -> Self {
        Self(Box::new([]))
    }

    /// Whether this program may be executed after the moves.
    pub fn may_execute(&self, program: &Program) -> Result<(), String> {
        self.0.iter().try_for_each(|step| step.may_execute(file_of(program)).map_err(|e| named(step, &e)))
    }

    /// What to do where the kernel does not execute the program after all moves.
    pub fn to_execute(&self, program: &Program) -> String {
        let remedy = |step: &Arc<dyn Move>| named(step, &step.to_execute(file_of(program)));
        self.0.iter().map(remedy).collect::<Vec<_>>().join("; ")
    }

    /// The user whom the contexts name, where they do.
    pub fn user(&self, values: &dyn Values) -> Result<Option<Identity>, String> {
        let Some(step) = self.0.iter().find(|step| step.is_for_processes()) else { return Ok(None) };
        let ready = step.ready(values).map_err(|e| named(step, &e))?;
        Ok(ready.user().map(|ids| Identity { user: ids.user, group: ids.group }))
    }

    /// The same way, made anew by this process, which has closed the descriptors of the server's moves. The processes get
    /// this folder, too.
    pub fn anew(&self, folder: Option<&Path>) -> Result<Self, String> {
        let one = |step: &Arc<dyn Move>| {
            let anew = step.anew(folder).map_err(|e| named(step, &e))?;
            Ok(anew.unwrap_or_else(|| Arc::clone(step)))
        };
        self.0.iter().map(one).collect::<Result<_, String>>().map(Self)
    }

    /// All moves with what they need, before the first of them is made.
    pub fn ready(&self, values: &dyn Values) -> Result<Vec<PreparedMove<'_>>, String> {
        self.0.iter().map(|step| step.ready(values).map_err(|e| named(step, &e))).collect()
    }

    /// Makes something for the processes, with the label that it would have if they made it. Of two contexts of one kind
    /// the later one counts, as for the processes.
    pub fn made<T>(&self, what: Made<'_>, make: impl FnOnce() -> io::Result<T>) -> Result<T, String> {
        let (mut make, mut result) = (Some(make), None);
        labelled(&self.0, what, &mut || result = make.take().map(|make| make()))?;
        match result {
            Some(made) => made.map_err(|e| e.to_string()),
            None => Err("nothing was made".to_owned()),
        }
    }
}

fn labelled(steps: &[Arc<dyn Move>], what: Made<'_>, make: &mut dyn FnMut()) -> Result<(), String> {
    let Some((step, rest)) = steps.split_first() else {
        make();
        return Ok(());
    };
    let mut inner = Ok(());
    step.made_for(what, &mut || inner = labelled(rest, what, make)).map_err(|e| named(step, &e))?;
    inner
}

fn named(step: &Arc<dyn Move>, why: &dyn fmt::Display) -> String {
    format!("{}: {why}", step.context())
}

fn file_of(program: &Program) -> &Path {
    Path::new(OsStr::from_bytes(program.file.to_bytes()))
}

/// Makes the moves, one after the other. The calling process is one whose place a pool's program will take.
pub fn enter_all(ready: &[PreparedMove<'_>]) -> Result<(), EnterError> {
    let enter =
        |(i, step): (usize, &PreparedMove<'_>)| if i == 0 { step.enter() } else { step.enter_further() };
    ready.iter().enumerate().try_for_each(enter)
}
