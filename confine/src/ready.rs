//! A map whose contexts are prepared and were asked of the kernel.

use std::{borrow::Cow, collections::HashMap};

use crate::{
    backends::{Backends, CheckError, OwnContext, Prepared},
    context::ContextList,
    lsm::{Backend, PrepareError},
    map::Map,
};

/// How many distinct lists of contexts of a map are kept prepared, some hundred bytes each. What is beyond
/// is prepared at the start, too, to find what is wrong, and again on each request that meets it.
const KEPT: usize = 1 << 16;

/// How many distinct lists the kernel is asked about. A question can take a thread that tries the move, some
/// 50 us; beyond, the move itself is the question.
const ASKED: usize = 10_000;

/// How many lists that the kernel refuses are reported.
const REPORTED: usize = 100;

/// A map whose contexts are prepared.
pub struct ReadyMap {
    map: Map,
    own: OwnContext,
    /// For the first of the map's lists, in the same order.
    kept: Vec<Prepared>,
}

/// What the kernel said of a map's contexts.
#[derive(Default)]
pub struct Answers {
    /// What it refuses: the first line that gives the contexts, these, and why. At most 100.
    pub refused: Vec<(u32, ContextList, CheckError)>,
    /// How many lists were not asked about, because there are too many.
    pub unasked: usize,
}

/// The lists of a map that is in use: the kernel need not be asked about them again, nor they be prepared.
pub type Known = HashMap<Box<str>, Prepared>;

impl ReadyMap {
    /// Prepares every context of `map`. The error carries the first line that uses the context.
    pub fn new(map: Map, backends: &Backends, own: OwnContext) -> Result<Self, (u32, PrepareError)> {
        Self::with(map, backends, own, &Known::new())
    }

    /// As [`ReadyMap::new`], and takes what is prepared already.
    pub fn with(
        map: Map,
        backends: &Backends,
        own: OwnContext,
        known: &Known,
    ) -> Result<Self, (u32, PrepareError)> {
        let mut kept = Vec::with_capacity(KEPT.min(map.list_count() as usize));
        for number in 0..map.list_count() {
            let prepared = match map.list_text(number).and_then(|text| known.get(text)) {
                Some(prepared) => prepared.clone(),
                None => prepare(&map, number, backends, own)?,
            };
            if kept.len() < KEPT {
                kept.push(prepared);
            }
        }
        Ok(Self { map, own, kept })
    }

    /// The map itself.
    pub fn map(&self) -> &Map {
        &self.map
    }

    /// The contexts of a list of this map, ready: as they were prepared, or for a list beyond those that are
    /// kept, anew.
    pub fn contexts(&self, list: u32, backends: &Backends) -> Result<Cow<'_, Prepared>, PrepareError> {
        match self.kept.get(list as usize) {
            Some(prepared) => Ok(Cow::Borrowed(prepared)),
            None => prepare(&self.map, list, backends, self.own).map(Cow::Owned).map_err(|(_, e)| e),
        }
    }

    /// What is prepared, by the lists' texts.
    pub fn known(&self) -> Known {
        let texts = (0..).map_while(|number| self.map.list_text(number));
        texts.map(Box::from).zip(self.kept.iter().cloned()).collect()
    }
}

fn prepare(
    map: &Map,
    number: u32,
    backends: &Backends,
    own: OwnContext,
) -> Result<Prepared, (u32, PrepareError)> {
    // Only a damaged compiled map holds a list that does not read back; nothing may run by it.
    let list = map.list(number).ok_or_else(|| {
        let context = map.list_text(number).unwrap_or("?").escape_debug().to_string();
        let why = "the compiled map holds it, and it is no list of contexts".into();
        (0, PrepareError { context, why, errno: None, remedy: "compile the map again".into() })
    })?;
    backends.prepare(&list.contexts, own).map_err(|e| (list.first_line, e))
}

/// Asks the kernel about each distinct list of `map` that is not `known`, as far as that takes bounded time.
/// `early`: see [`Backends::check`].
pub fn ask(
    map: &Map,
    backends: &Backends,
    own: OwnContext,
    early: Option<&[Box<dyn Backend>]>,
    known: &Known,
) -> Answers {
    let mut answers = Answers::default();
    let mut asked = 0;
    for number in 0..map.list_count() {
        if map.list_text(number).is_some_and(|text| known.contains_key(text)) {
            continue;
        }
        if asked == ASKED {
            answers.unasked += 1;
            continue;
        }
        asked += 1;
        // What does not read back is an error of its own, when it is prepared.
        let Some(list) = map.list(number) else { continue };
        if let Err(error) = backends.check(&list.contexts, own, early) {
            answers.refused.push((list.first_line, list.contexts, error));
            if answers.refused.len() == REPORTED {
                break;
            }
        }
    }
    answers
}
