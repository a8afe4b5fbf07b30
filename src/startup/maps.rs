//! Reads the maps that rules name, and checks each of their contexts.

use std::{path::Path, sync::Arc};

use confine::{
    backends::{CheckError, SameContext},
    context::{BackendName, ContextList},
    map::{FileStamp, Map, MapError, MapText, Readable},
    policy::{
        live_map::{LiveMap, LoadOptions},
        prepared_map::{self, KernelAnswers, PreparedLists, PreparedMap},
        transition_map::TransitionMap,
    },
};

use crate::{
    config::{WatchedMap, WrittenRule},
    httpd::server::ServerId,
    startup::compile::{RuleCompiler, with_hint},
};

/// What a map is read and checked for. Rules for which all of it is the same share the map.
#[derive(PartialEq, Eq, Hash)]
pub struct MapKey {
    path: String,
    /// The backend of contexts that name none.
    default: BackendName,
    /// What the server's own context means.
    same_context: SameContext,
    /// The contexts in which the moves start.
    early: Option<Vec<String>>,
    /// The virtual host whose rulesets are found first.
    host: Option<ServerId>,
}

impl RuleCompiler<'_> {
    /// A map, read once however many rules name it.
    pub(super) fn map(
        &mut self,
        written: &WrittenRule,
        path: &str,
        default: BackendName,
        same_context: SameContext,
    ) -> Option<Arc<LiveMap>> {
        let key = MapKey {
            path: path.to_owned(),
            default,
            same_context,
            early: self.early_words(written).map(<[_]>::to_vec),
            host: self.of_hosts.contains_key(&written.server).then_some(written.server),
        };
        if let Some(known) = self.known_maps.get(&key) {
            return known.clone();
        }
        let live = self.read_map(written, path, default, same_context).map(|(live, stamp)| {
            let map = Arc::new(live);
            let backends = self.backends_of(written);
            self.maps.push(WatchedMap { map: Arc::clone(&map), stamp, backends, programs: Vec::new() });
            map
        });
        self.known_maps.insert(key, live.clone());
        live
    }

    fn read_map(
        &mut self,
        written: &WrittenRule,
        path: &str,
        default: BackendName,
        same_context: SameContext,
    ) -> Option<(LiveMap, FileStamp)> {
        let (map, stamp) = match Map::load_stamped(Path::new(path), default, None) {
            Ok(loaded) => loaded,
            Err(error) => {
                self.say_all(written, path, default, same_context, error);
                return None;
            }
        };
        let early = self.after_early(written);
        let backends = self.backends_of(written);
        let named = format!("({} at {})", written.directive, written.origin);
        let answers =
            prepared_map::ask(&map, &backends, same_context, early.as_deref(), &PreparedLists::new());
        if !answers.refused.is_empty() {
            self.say_refused(written, path, &answers);
            return None;
        }
        if answers.unasked > 0 {
            self.warnings.push(unasked(path, answers.unasked));
        }
        let prepared = PreparedMap::new(map, &backends, same_context)
            .map_err(|(line, error)| self.faults.push(format!("{path}:{line}: {error} {named}")))
            .ok()?;
        let options = LoadOptions { default, same_context, early };
        Some((LiveMap::new(Path::new(path), options, prepared, Arc::clone(&self.swaps)), stamp))
    }

    /// Says all that is wrong with a map that cannot be loaded: each of its bad lines, and each context of its good
    /// lines that the kernel refuses. So an administrator can correct the map at once.
    fn say_all(
        &mut self,
        written: &WrittenRule,
        path: &str,
        default: BackendName,
        same_context: SameContext,
        error: MapError,
    ) {
        let text = match error {
            MapError::Line { .. } => MapText::load(Path::new(path), default),
            other => Err(other),
        };
        let Readable { map, errors, more } = match text {
            Ok(text) => text.readable(),
            Err(other) => {
                self.or_fault(written, Err::<(), _>(other));
                return;
            }
        };
        for error in errors {
            self.or_fault(written, Err::<(), _>(error));
        }
        if more > 0 {
            self.or_fault(written, Err::<(), _>(format!("{path}: {more} more lines cannot be read")));
        }
        let Some(map) = map else { return };
        let early = self.after_early(written);
        let backends = self.backends_of(written);
        let answers =
            prepared_map::ask(&map, &backends, same_context, early.as_deref(), &PreparedLists::new());
        self.say_refused(written, path, &answers);
    }

    /// Says which lists of contexts the kernel refuses, each with its first line.
    fn say_refused(&mut self, written: &WrittenRule, path: &str, answers: &KernelAnswers) {
        let named = format!("({} at {})", written.directive, written.origin);
        let fault = |(line, contexts, error): &(u32, ContextList, CheckError)| {
            format!("{path}:{line}: {contexts}: {} {named}", with_hint(error))
        };
        self.faults.extend(answers.refused.iter().map(fault));
    }

    /// A table of TOMOYO's own module.
    pub(super) fn transitions(&mut self, written: &WrittenRule, path: &str) -> Option<Arc<TransitionMap>> {
        let table = TransitionMap::load(Path::new(path));
        let table = self.or_fault(written, table)?;
        let named = format!("({} at {})", written.directive, written.origin);
        let prepared = table.prepare(self.backends, self.after_early(written).as_deref());
        prepared
            .map_err(|errors| self.faults.extend(errors.iter().map(|e| format!("{e} {named}"))))
            .ok()
            .map(Arc::new)
    }
}

/// The text about a map with more contexts than the kernel can be asked about.
fn unasked(path: &str, number: usize) -> String {
    format!(
        "{path}: {number} of its lists of contexts were not tried out, as there are so many; the form of each is \
         good, and a move that the kernel refuses is an error page for its request"
    )
}
