//! A map that is read again when its file changes, while requests go on.
//!
//! Every process looks at the file itself: a thread that serves no request calls [`Watch::look`] a few times a second. A
//! change counts when two looks in a row see the same state, so a file that is still being written is not read. The
//! thread then reads the new map, asks the kernel about its new contexts and prepares them, while requests still use the
//! old rules. At the end it swaps one pointer. If anything goes wrong, the last good rules stay.
//!
//! A request takes a reference when it is decided ([`LiveMap::current`]). This costs a read lock, which is only held for
//! writing at the moment of a swap, and two atomic additions. A wait-free pointer (arc-swap) would save this moment, but
//! each one-time thread would have to register with it.
//!
//! ```
//! use std::path::Path;
//!
//! use confine::{
//!     BackendName,
//!     backends::{Backends, SameContext},
//!     map::Map,
//!     policy::{
//!         live_map::{LiveMap, LoadOptions},
//!         prepared_map::PreparedMap,
//!     },
//! };
//!
//! let backends = Backends::new(Vec::new()).unwrap_or_else(|errors| panic!("{errors:?}"));
//! let map = Map::parse(Path::new("users.map"), b"* unconfined\n", BackendName::LANDLOCK)?;
//! let prepared = PreparedMap::new(map, &backends, SameContext::Refused);
//! let prepared = prepared.unwrap_or_else(|(line, error)| panic!("{line}: {error}"));
//! let options =
//!     LoadOptions { default: BackendName::LANDLOCK, same_context: SameContext::Refused, early: None };
//! let live = LiveMap::new(Path::new("users.map"), options, prepared, Default::default());
//! assert_eq!((live.state().generation, live.state().rules), (1, 1));
//! # Ok::<(), confine::map::MapError>(())
//! ```

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use crate::{
    backends::{Backends, CheckError, SameContext},
    context::BackendName,
    lsm::Backend,
    map::{FileStamp, Map, MapError, Shelf},
    policy::prepared_map::{self, PreparedMap},
};

/// How the rules of a map's file are read and prepared.
pub struct LoadOptions {
    /// The backend of contexts that name none.
    pub default: BackendName,
    /// What the map's rules do with the context that the server itself is in.
    pub same_context: SameContext,
    /// See [`Backends::check`].
    pub early: Option<Vec<Box<dyn Backend>>>,
}

/// A map with its current rules, and when they were taken over.
pub struct LiveMap {
    path: Box<Path>,
    options: LoadOptions,
    /// The place where child processes find the copy that one of them makes when the file of a compiled map has
    /// changed. Without it each makes a copy of its own.
    shelf: Option<Shelf>,
    current: RwLock<Arc<PreparedMap>>,
    state: Mutex<MapState>,
    /// Counts the swaps of all maps of a configuration.
    swaps: Arc<AtomicU64>,
}

/// The state of a map, for people.
#[derive(Clone, Debug)]
pub struct MapState {
    /// How often rules were taken over, the start included.
    pub generation: u64,
    /// The number of rules.
    pub rules: usize,
    /// When they were taken over.
    pub since: SystemTime,
    /// Why the rules in the file are not taken over, if they are not.
    pub error: Option<String>,
}

impl LiveMap {
    /// A map whose rules were just read from the file `path`. Each swap adds 1 to `swaps`.
    pub fn new(path: &Path, options: LoadOptions, ready: PreparedMap, swaps: Arc<AtomicU64>) -> Self {
        let rules = ready.map().len();
        // After a change each child makes its own tables from a text, so it needs no shelf.
        let shelf = ready.map().is_compiled().then(Shelf::new).and_then(Result::ok);
        Self {
            path: path.into(),
            options,
            shelf,
            current: RwLock::new(Arc::new(ready)),
            state: Mutex::new(MapState { generation: 1, rules, since: SystemTime::now(), error: None }),
            swaps,
        }
    }

    /// The file as the administrator named it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The current rules. Whoever holds them keeps them, whatever happens to the file.
    pub fn current(&self) -> Arc<PreparedMap> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The state of the map.
    pub fn state(&self) -> MapState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the rules. Gives the old ones.
    fn swap(&self, ready: PreparedMap) -> (Arc<PreparedMap>, MapState) {
        let rules = ready.map().len();
        let new = Arc::new(ready);
        let old = std::mem::replace(&mut *self.current.write().unwrap_or_else(PoisonError::into_inner), new);
        self.swaps.fetch_add(1, Ordering::Release);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = state.generation + 1;
        *state = MapState { generation, rules, since: SystemTime::now(), error: None };
        (old, state.clone())
    }

    fn reject(&self, error: &str) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).error = Some(error.to_owned());
    }

    /// Reads the file for a process that shares no rules with others. `None`: it cannot be used, or it is being written.
    pub fn read_apart(&self, backends: &Backends) -> Option<(PreparedMap, FileStamp)> {
        self.load_from(None, backends).ok()
    }

    /// Reads the file and prepares everything.
    fn load(&self, backends: &Backends) -> Result<(PreparedMap, FileStamp), LoadError> {
        self.load_from(self.shelf.as_ref(), backends)
    }

    fn load_from(
        &self,
        shelf: Option<&Shelf>,
        backends: &Backends,
    ) -> Result<(PreparedMap, FileStamp), LoadError> {
        let LoadOptions { default, same_context, early } = &self.options;
        let map = Map::load_stamped(&self.path, *default, shelf);
        let (map, look) = map.map_err(|error| match error {
            MapError::Changed { .. } => LoadError::Unsettled,
            error => LoadError::Bad(error.to_string()),
        })?;
        let known = self.current().known();
        let answers = prepared_map::ask(&map, backends, *same_context, early.as_deref(), &known);
        let at = |line: u32, text: &dyn std::fmt::Display| format!("{}:{line}: {text}", self.path.display());
        if let Some((line, contexts, error)) = answers.refused.first() {
            let error = match error {
                CheckError::Inactive(inactive) => inactive.to_string(),
                CheckError::Refused(refused) => refused.problem.to_string(),
            };
            return Err(LoadError::Bad(at(*line, &format_args!("{contexts}: {error}"))));
        }
        let ready = PreparedMap::with(map, backends, *same_context, &known);
        let ready = ready.map_err(|(line, error)| LoadError::Bad(at(line, &error)))?;
        Ok((ready, look))
    }
}

/// Why the rules of a changed file were not taken over.
enum LoadError {
    /// Somebody is writing it, so look again.
    Unsettled,
    /// It has a fault, which the text describes.
    Bad(String),
}

/// What a look at the file has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Observation {
    There(FileStamp),
    /// There is no file. This is the kernel's answer.
    Gone(i32),
}

impl Observation {
    fn of(path: &Path) -> Self {
        match FileStamp::at(path) {
            Ok(look) => Self::There(look),
            Err(error) => Self::Gone(error.raw_os_error().unwrap_or(0)),
        }
    }

    fn number(self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish().max(1)
    }
}

/// A number for this state of a file. It is the same in every process, and never 0.
pub fn sight_of(stamp: FileStamp) -> u64 {
    Observation::There(stamp).number()
}

/// The result of a look.
#[derive(Debug)]
pub enum Event {
    /// The file has not changed, or it may still be changing.
    Nothing,
    /// New rules count from now on.
    Swapped(MapState),
    /// The file has changed, but its rules were not taken over, for this reason.
    Rejected(String),
}

/// Watches a map for one process.
pub struct Watch {
    map: Arc<LiveMap>,
    /// The state of the file that was last read, whether its rules were taken over or not.
    handled: Observation,
    /// The state of the file from which the current rules were read.
    in_force: FileStamp,
    /// A new state that was seen only once so far.
    candidate: Option<Observation>,
    /// Old rules that requests may still hold. They are kept here so that no request has to free their memory.
    retired: Vec<Arc<PreparedMap>>,
}

impl Watch {
    /// Watches a map whose rules were read from a file in this state.
    pub fn new(map: Arc<LiveMap>, read: FileStamp) -> Self {
        Self { map, handled: Observation::There(read), in_force: read, candidate: None, retired: Vec::new() }
    }

    /// The map.
    pub fn map(&self) -> &LiveMap {
        &self.map
    }

    /// A number for the state of the file that this watch last read. It is the same in every process for the same
    /// state.
    pub fn sight(&self) -> u64 {
        self.handled.number()
    }

    /// The same number for the file from which the current rules were read.
    pub fn in_force(&self) -> u64 {
        sight_of(self.in_force)
    }

    /// Looks at the file once. Call it about every quarter of a second.
    pub fn look(&mut self, backends: &Backends) -> Event {
        // No request takes a new reference to old rules, so their count only goes down.
        self.retired.retain(|old| Arc::strong_count(old) > 1);
        let now = Observation::of(&self.map.path);
        if now == self.handled {
            self.candidate = None;
            return Event::Nothing;
        }
        if self.candidate.replace(now) != Some(now) {
            return Event::Nothing;
        }
        self.candidate = None;
        if let Observation::Gone(errno) = now {
            self.handled = now;
            return self.reject(gone(&self.map.path, errno));
        }
        match self.map.load(backends) {
            Ok((_, look)) if Observation::There(look) != now => Event::Nothing,
            Ok((ready, look)) => {
                self.handled = now;
                self.in_force = look;
                let (old, state) = self.map.swap(ready);
                self.retired.push(old);
                Event::Swapped(state)
            }
            Err(LoadError::Unsettled) => Event::Nothing,
            Err(LoadError::Bad(text)) => {
                self.handled = now;
                self.reject(text)
            }
        }
    }

    fn reject(&self, text: String) -> Event {
        self.map.reject(&text);
        Event::Rejected(text)
    }
}

fn gone(path: &Path, errno: i32) -> String {
    let error = io::Error::from_raw_os_error(errno);
    format!("{}: cannot be looked at: {error}; put it back, or correct the rights above it", path.display())
}

#[cfg(test)]
mod tests;
