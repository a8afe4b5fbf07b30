//! A map whose contexts are prepared and were asked of the kernel.
//!
//! ```
//! use std::path::Path;
//!
//! use confine::{
//!     BackendName, Subject,
//!     backends::{Backends, Prepared, SameContext},
//!     map::Map,
//!     policy::prepared_map::PreparedMap,
//! };
//!
//! let backends = Backends::new(Vec::new()).unwrap_or_else(|errors| panic!("{errors:?}"));
//! let map = Map::parse(Path::new("users.map"), b"* unconfined\n", BackendName::LANDLOCK)?;
//! let prepared = PreparedMap::new(map, &backends, SameContext::Refused);
//! let prepared = prepared.unwrap_or_else(|(line, error)| panic!("{line}: {error}"));
//! let hit = prepared.map().lookup(&Subject::default()).expect("`*` is for everybody");
//! let contexts = prepared.contexts(hit.list, &backends).expect("prepared above");
//! assert!(matches!(*contexts, Prepared::Unconfined));
//! # Ok::<(), confine::map::MapError>(())
//! ```

use std::{borrow::Cow, collections::HashMap};

use crate::{
    backends::{Backends, CheckError, Prepared, SameContext},
    context::ContextList,
    lsm::{Backend, PrepareError},
    map::Map,
    problem::Problem,
};

/// How many different lists of contexts of a map are kept prepared. A list takes some hundred bytes. Further lists are
/// prepared at startup, too, to find their faults, and then again on each request that needs them.
const MOST_PREPARED: usize = 1 << 16;

/// How many different lists the kernel is asked about. A question may need a thread that tries the move, which takes
/// about 50 us. For further lists only the move itself shows it.
const MOST_ASKED: usize = 10_000;

/// How many of the lists that the kernel refuses are reported.
const MOST_REPORTED: usize = 100;

/// A map whose contexts are prepared.
pub struct PreparedMap {
    map: Map,
    same_context: SameContext,
    /// The prepared contexts of the first lists of the map, in the same order.
    prepared: Vec<Prepared>,
}

/// The kernel's answers about the contexts of a map.
#[derive(Default)]
pub struct KernelAnswers {
    /// The lists that it refuses: the first line with the list, the list, and why. There are at most 100.
    pub refused: Vec<(u32, ContextList, CheckError)>,
    /// How many lists were not asked about, because there are too many.
    pub unasked: usize,
}

/// The prepared lists of a map that is in use. The kernel need not be asked about them again, and they need not be
/// prepared again.
pub type PreparedLists = HashMap<Box<str>, Prepared>;

impl PreparedMap {
    /// Prepares every context of `map`.
    ///
    /// # Errors
    /// The first line with a context that cannot be prepared, and why.
    pub fn new(
        map: Map,
        backends: &Backends,
        same_context: SameContext,
    ) -> Result<Self, (u32, PrepareError)> {
        Self::with(map, backends, same_context, &PreparedLists::new())
    }

    /// As [`PreparedMap::new`], and it uses lists that are prepared already.
    pub fn with(
        map: Map,
        backends: &Backends,
        same_context: SameContext,
        known: &PreparedLists,
    ) -> Result<Self, (u32, PrepareError)> {
        let mut prepared = Vec::with_capacity(MOST_PREPARED.min(map.list_count() as usize));
        for number in 0..map.list_count() {
            let list = match map.list_text(number).and_then(|text| known.get(text)) {
                Some(prepared) => prepared.clone(),
                None => prepare(&map, number, backends, same_context)?,
            };
            if prepared.len() < MOST_PREPARED {
                prepared.push(list);
            }
        }
        Ok(Self { map, same_context, prepared })
    }

    /// The map itself.
    pub fn map(&self) -> &Map {
        &self.map
    }

    /// The prepared contexts of a list of this map. A list that is not kept is prepared now.
    pub fn contexts(&self, list: u32, backends: &Backends) -> Result<Cow<'_, Prepared>, PrepareError> {
        match self.prepared.get(list as usize) {
            Some(prepared) => Ok(Cow::Borrowed(prepared)),
            None => prepare(&self.map, list, backends, self.same_context).map(Cow::Owned).map_err(|(_, e)| e),
        }
    }

    /// As many lists of contexts as the kernel is asked about, each with its number. One that cannot be prepared is left
    /// out.
    pub fn first_lists<'a>(
        &'a self,
        backends: &'a Backends,
    ) -> impl Iterator<Item = (u32, Cow<'a, Prepared>)> {
        let numbers = 0..self.map.list_count().min(MOST_ASKED as u32);
        numbers.filter_map(|number| Some((number, self.contexts(number, backends).ok()?)))
    }

    /// The prepared lists, by their texts.
    pub fn known(&self) -> PreparedLists {
        let texts = (0..).map_while(|number| self.map.list_text(number));
        texts.map(Box::from).zip(self.prepared.iter().cloned()).collect()
    }
}

fn prepare(
    map: &Map,
    number: u32,
    backends: &Backends,
    same_context: SameContext,
) -> Result<Prepared, (u32, PrepareError)> {
    // Only a damaged compiled map has a list that cannot be read. No request may run by it.
    let list = map.list(number).ok_or_else(|| {
        let context = map.list_text(number).unwrap_or("?").escape_debug().to_string();
        let why = "the compiled map holds it, and it is no list of contexts".into();
        (
            0,
            PrepareError {
                context,
                problem: Problem { why, errno: None, remedy: "compile the map again".into() },
            },
        )
    })?;
    backends.prepare(&list.contexts, same_context).map_err(|e| (list.first_line, e))
}

/// Asks the kernel about each list of `map` that is not in `known`, as long as there are not too many. `early` is as in
/// [`Backends::check`].
pub fn ask(
    map: &Map,
    backends: &Backends,
    same_context: SameContext,
    early: Option<&[Box<dyn Backend>]>,
    known: &PreparedLists,
) -> KernelAnswers {
    let mut answers = KernelAnswers::default();
    let mut asked = 0;
    for number in 0..map.list_count() {
        if map.list_text(number).is_some_and(|text| known.contains_key(text)) {
            continue;
        }
        if asked == MOST_ASKED {
            answers.unasked += 1;
            continue;
        }
        asked += 1;
        // A list that cannot be read is an error when it is prepared.
        let Some(list) = map.list(number) else { continue };
        if let Err(error) = backends.check(&list.contexts, same_context, early) {
            answers.refused.push((list.first_line, list.contexts, error));
            if answers.refused.len() == MOST_REPORTED {
                break;
            }
        }
    }
    answers
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        context::BackendName,
        lsm::selinux::{SecurityContext, Selinux},
    };

    /// More distinct contexts than are kept, as categories give them.
    fn many() -> Map {
        let line = |n: usize| format!("user{n} *:s0:c{},c{}\n", n % 512, 512 + n / 512);
        let text: String = (0..MOST_PREPARED + 10).map(line).collect();
        Map::parse(Path::new("m"), text.as_bytes(), BackendName::SELINUX).expect("a map")
    }

    /// SELinux as it would be, on a kernel that may have none.
    fn backends() -> Backends {
        let mut backends = Backends::new(Vec::new()).unwrap_or_else(|e| panic!("{e:?}"));
        let own = SecurityContext::parse("system_u:system_r:httpd_t:s0").expect("a context");
        backends.put(Box::new(Selinux::assuming(own)));
        backends
    }

    fn text(prepared: &Prepared) -> String {
        match prepared {
            Prepared::Moves(moves) => moves.text.to_string_lossy().into_owned(),
            Prepared::Unconfined => panic!("confined"),
        }
    }

    #[test]
    fn lists_beyond_those_that_are_kept_are_prepared_when_they_are_met() {
        let backends = backends();
        let ready =
            PreparedMap::new(many(), &backends, SameContext::Refused).unwrap_or_else(|(_, e)| panic!("{e}"));
        assert_eq!(ready.prepared.len(), MOST_PREPARED);
        let count = ready.map().list_count();
        assert_eq!(count as usize, MOST_PREPARED + 10);
        for number in [0, MOST_PREPARED as u32 - 1, MOST_PREPARED as u32, count - 1] {
            let prepared = ready.contexts(number, &backends).expect("contexts");
            let list = ready.map().list(number).expect("a list");
            assert_eq!(text(&prepared), list.contexts.to_string());
            assert_eq!(matches!(prepared, Cow::Borrowed(_)), (number as usize) < MOST_PREPARED);
        }
        assert!(ready.contexts(count, &backends).is_err(), "no list, no confinement, and no exemption");
    }

    #[test]
    fn a_bad_context_is_found_beyond_those_that_are_kept() {
        let mut text: String =
            (0..MOST_PREPARED).map(|n| format!("u{n} *:s0:c{},c{}\n", n % 512, 512 + n / 512)).collect();
        text += "bob *:*\n";
        let map = Map::parse(Path::new("m"), text.as_bytes(), BackendName::SELINUX).expect("a map");
        let error = PreparedMap::new(map, &backends(), SameContext::Refused).err().expect("an error");
        assert_eq!(error.0 as usize, MOST_PREPARED + 1);
    }

    #[test]
    fn what_is_known_is_taken_and_not_asked_about() {
        let backends = backends();
        let ready =
            PreparedMap::new(many(), &backends, SameContext::Refused).unwrap_or_else(|(_, e)| panic!("{e}"));
        let known = ready.known();
        assert_eq!(known.len(), MOST_PREPARED);
        let again = PreparedMap::with(many(), &backends, SameContext::Refused, &known);
        let again = again.unwrap_or_else(|(_, e)| panic!("{e}"));
        let same = |list| match (&ready.prepared[list], &again.prepared[list]) {
            (Prepared::Moves(a), Prepared::Moves(b)) => std::sync::Arc::ptr_eq(a, b),
            _ => false,
        };
        assert!(same(0) && same(MOST_PREPARED - 1));
        let answers = ask(again.map(), &backends, SameContext::Refused, None, &known);
        assert!(answers.refused.len() <= 10 && answers.unasked == 0);
        // Nothing known: no more than some are asked about, or reported.
        let answers = ask(again.map(), &backends, SameContext::Refused, None, &PreparedLists::new());
        assert!(answers.refused.len() == MOST_REPORTED || answers.unasked == MOST_PREPARED + 10 - MOST_ASKED);
    }
}
