//! All patterns of paths at once.
//!
//! A tree whose edges are pieces of patterns: a run of literal components, `*`, or one component with
//! wildcards; `**` marks where any number of components may be skipped. One pass over a request's path
//! follows every edge that fits. A run is one probe of a hash table for each length that runs have at that
//! place, so a million `/srv/www/TENANT/**` are one edge each and one probe; a component with wildcards is
//! found by its literal beginning or end, whichever is longer.
//!
//! The work is bounded by the number of components times the number of places in the tree that can be
//! reached at once: each place is visited once for each component at most.

use bytemuck::{Pod, Zeroable};

use super::{
    Hit,
    glob::{self, Part},
    names::{HashKeys, Names, Slot, Table},
};

/// Where a pattern has come to after some piece.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Place {
    /// The rule whose pattern ends here.
    here: Hit,
    /// The rule whose pattern ends in `**` here.
    below: Hit,
    /// Where patterns go on from here, or 0.
    next: u32,
    /// Where patterns go on from here and from any number of components later, or 0.
    later: u32,
}

/// From where patterns go on.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Fork {
    /// The lengths of the runs that begin here, in components: bit n for length n.
    runs: u64,
    /// The lengths of literal beginnings of components with wildcards, in bytes, and of their ends.
    heads: u64,
    tails: u64,
    /// The place behind `*`, or 0.
    star: u32,
    /// The lowest line of all patterns that go on here.
    lowest: u32,
}

/// One component with wildcards. Those with the same literal beginning or end are a chain.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Pattern {
    /// Where it stands in the map's text.
    start: u32,
    len: u32,
    /// The place behind it.
    place: u32,
    /// The number of the next one of its chain, less than its own, and 1; or 0.
    next: u32,
}

/// What a name of the tree's table is: part of its key.
const RUN: u8 = 0;
const HEAD: u8 = 1;
const TAIL: u8 = 2;

/// Literal beginnings and ends are told apart up to this length, in bytes.
const LONGEST: usize = 63;

/// The first bytes of a key: the fork, and what the rest is.
fn prefix(fork: u32, kind: u8) -> [u8; 5] {
    let [a, b, c, d] = fork.to_le_bytes();
    [a, b, c, d, kind]
}

/// The patterns while a map is read.
pub(super) struct Paths {
    pub places: Vec<Place>,
    pub forks: Vec<Fork>,
    pub patterns: Vec<Pattern>,
    /// Whether there is no pattern.
    pub is_empty: bool,
    names: Names,
    /// For each of the names: the place behind the run, or the number of a chain's first pattern, and 1.
    values: Vec<u32>,
    /// Components with wildcards by fork, so that none comes twice, and the place behind each.
    known: Names,
    known_places: Vec<u32>,
}

/// Where the insertion of a pattern stands.
#[derive(Clone, Copy)]
enum Cursor {
    Place(u32),
    Fork(u32),
}

impl Paths {
    /// No patterns.
    pub fn new(keys: HashKeys) -> Self {
        Self {
            places: vec![Place::zeroed()],
            forks: vec![Fork { lowest: u32::MAX, ..Fork::zeroed() }],
            patterns: Vec::new(),
            is_empty: true,
            names: Names::new(keys),
            values: Vec::new(),
            known: Names::new(keys),
            known_places: Vec::new(),
        }
    }

    /// Adds a pattern that [`glob::check`] accepted. They come in the order of their lines.
    pub fn insert(&mut self, pattern: &str, hit: Hit) {
        self.is_empty = false;
        let mut at = Cursor::Place(0);
        let mut run = String::new();
        let mut parts = glob::parts(pattern).peekable();
        while let Some(part) = parts.next() {
            if let Part::Literal(name) = part {
                if !run.is_empty() {
                    run.push('/');
                }
                run.push_str(name);
                if parts.peek().is_some_and(|p| matches!(p, Part::Literal(_))) {
                    continue;
                }
            }
            at = match part {
                Part::Literal(_) => self.run(at, &std::mem::take(&mut run), hit.line),
                Part::One => self.star(at, hit.line),
                Part::Pattern(text) => self.pattern(at, text, hit.line),
                Part::Any if parts.peek().is_none() => {
                    // Two in a row are one: a place stands before.
                    if let Cursor::Place(place) = at {
                        first(&mut self.places[place as usize].below, hit);
                    }
                    return;
                }
                Part::Any => self.later(at, hit.line),
            };
        }
        if let Cursor::Place(place) = at {
            first(&mut self.places[place as usize].here, hit);
        }
    }

    /// The fork at the cursor, made if there is none.
    fn fork(&mut self, at: Cursor, line: u32) -> u32 {
        match at {
            Cursor::Fork(fork) => fork,
            Cursor::Place(0) => {
                let root = &mut self.forks[0];
                root.lowest = root.lowest.min(line);
                0
            }
            Cursor::Place(place) => {
                if self.places[place as usize].next == 0 {
                    self.places[place as usize].next = self.new_fork(line);
                }
                self.places[place as usize].next
            }
        }
    }

    fn new_fork(&mut self, line: u32) -> u32 {
        self.forks.push(Fork { lowest: line, ..Fork::zeroed() });
        (self.forks.len() - 1) as u32
    }

    fn new_place(&mut self) -> u32 {
        self.places.push(Place::zeroed());
        (self.places.len() - 1) as u32
    }

    fn run(&mut self, at: Cursor, run: &str, line: u32) -> Cursor {
        let fork = self.fork(at, line);
        let (number, new) = self.names.number(&prefix(fork, RUN), run.as_bytes());
        if new {
            // glob::check limits the components of a pattern.
            let length = run.split('/').count().min(glob::MAX_COMPONENTS - 1);
            self.forks[fork as usize].runs |= 1 << length;
            let place = self.new_place();
            self.values.push(place);
        }
        Cursor::Place(self.values[number as usize])
    }

    fn star(&mut self, at: Cursor, line: u32) -> Cursor {
        let fork = self.fork(at, line) as usize;
        if self.forks[fork].star == 0 {
            self.forks[fork].star = self.new_place();
        }
        Cursor::Place(self.forks[fork].star)
    }

    fn later(&mut self, at: Cursor, line: u32) -> Cursor {
        let Cursor::Place(place) = at else { return at };
        if self.places[place as usize].later == 0 {
            self.places[place as usize].later = self.new_fork(line);
        }
        Cursor::Fork(self.places[place as usize].later)
    }

    fn pattern(&mut self, at: Cursor, text: &str, line: u32) -> Cursor {
        let fork = self.fork(at, line);
        let (known, new) = self.known.number(&prefix(fork, HEAD), text.as_bytes());
        if !new {
            return Cursor::Place(self.known_places[known as usize]);
        }
        let place = self.new_place();
        self.known_places.push(place);
        let (kind, literal) = longest_literal(text);
        let lengths = match kind {
            HEAD => &mut self.forks[fork as usize].heads,
            _ => &mut self.forks[fork as usize].tails,
        };
        *lengths |= 1 << literal.len();
        let (number, new) = self.names.number(&prefix(fork, kind), literal);
        if new {
            self.values.push(0);
        }
        let chain = &mut self.values[number as usize];
        // Where it stands in the text is written when all is known.
        self.patterns.push(Pattern { start: known, len: text.len() as u32, place, next: *chain });
        *chain = self.patterns.len() as u32;
        Cursor::Place(place)
    }

    /// The table of runs and chains; texts go to `text`.
    pub fn table(&mut self, text: &mut Vec<u8>) -> Vec<Slot> {
        for pattern in &mut self.patterns {
            let start = text.len() as u32;
            text.extend_from_slice(
                self.known.get(pattern.start).get(prefix(0, HEAD).len()..).unwrap_or_default(),
            );
            pattern.start = start;
        }
        let hits: Vec<_> = self.values.iter().map(|&value| Hit { line: value, list: 0 }).collect();
        self.names.table(&hits, text)
    }
}

/// Of several rules for one pattern the first counts.
fn first(slot: &mut Hit, hit: Hit) {
    if slot.line == 0 {
        *slot = hit;
    }
}

/// The literal beginning or end of a component with wildcards, whichever is longer.
fn longest_literal(text: &str) -> (u8, &[u8]) {
    let bytes = text.as_bytes();
    let head = bytes.iter().position(|b| b"*?[".contains(b)).unwrap_or(bytes.len());
    let tail = bytes.iter().rposition(|b| b"*?]".contains(b)).map_or(0, |n| n + 1);
    let (head, tail) = (&bytes[..head.min(LONGEST)], &bytes[tail.max(bytes.len().saturating_sub(LONGEST))..]);
    if tail.len() > head.len() { (TAIL, tail) } else { (HEAD, head) }
}

/// The patterns of a map, ready to be looked up.
#[derive(Clone, Copy)]
pub(super) struct View<'m> {
    pub places: &'m [Place],
    pub forks: &'m [Fork],
    pub patterns: &'m [Pattern],
    pub table: Table<'m>,
}

impl<'m> View<'m> {
    /// The rule of the lowest line whose pattern `path` matches, or `best` if that is lower.
    pub fn get(&self, path: &[u8], best: Option<Hit>) -> Option<Hit> {
        if self.places.is_empty() {
            return best;
        }
        let Some(components) = glob::components(path) else { return best };
        // Nearly every path is in its plain form already; others are brought into it.
        let count = components.clone().count();
        let plain = path.get(1..).unwrap_or_default();
        let plain = plain.strip_suffix(b"/").unwrap_or(plain);
        let joined;
        let plain = if plain.split(|&b| b == b'/').count() == count || count == 0 {
            plain
        } else {
            joined = components.collect::<Vec<_>>().join(&b'/');
            &joined
        };
        self.get_plain(plain, count, best)
    }

    /// The same for components with one slash between them and none around.
    fn get_plain(&self, path: &[u8], count: usize, best: Option<Hit>) -> Option<Hit> {
        let mut starts = Few::new();
        if count > 0 {
            starts.push(0);
            starts.extend((1..).zip(path).filter(|(_, b)| **b == b'/').map(|(next, _)| next));
            starts.push(path.len() + 1);
        }
        let mut search = Search {
            view: *self,
            path,
            starts: &starts,
            count,
            best,
            ahead: Few::new(),
            skipping: Few::new(),
        };
        search.arrive(0, 0);
        search.ahead.push((0, 0));
        // So many steps there are in a tree. What a damaged file holds need be none.
        for _ in 0..self.forks.len().saturating_mul(count + 1) {
            let Some((fork, from)) = search.ahead.pop() else { break };
            search.follow(fork, from);
        }
        search.best
    }
}

/// One look-up.
struct Search<'s, 'm> {
    view: View<'m>,
    path: &'s [u8],
    /// Where each component begins, and one past the end behind the last.
    starts: &'s Few<usize>,
    /// The number of components.
    count: usize,
    best: Option<Hit>,
    /// Forks to follow, each with the number of components before it.
    ahead: Few<(u32, usize)>,
    /// The forks behind `**` that were met, each with the fewest components before it.
    skipping: Few<(u32, usize)>,
}

impl<'s> Search<'s, '_> {
    /// `length` components from number `from` on, with the slashes between them.
    fn components(&self, from: usize, length: usize) -> &'s [u8] {
        let (start, end) = (self.starts.get(from), self.starts.get(from + length));
        start.zip(end).and_then(|(s, e)| self.path.get(s..e - 1)).unwrap_or_default()
    }

    /// A pattern fits the first `at` components, up to this place.
    fn arrive(&mut self, place: u32, at: usize) {
        let Some(place) = self.view.places.get(place as usize) else { return };
        if at == self.count {
            self.best = lower(self.best, place.here);
        }
        self.best = lower(self.best, place.below);
        if place.next != 0 {
            self.ahead.push((place.next, at));
        }
        if place.later != 0 {
            self.skip(place.later, at);
        }
    }

    /// The fork is to be followed from `at` and every later component, once each.
    fn skip(&mut self, fork: u32, at: usize) {
        let met = self.skipping.iter_mut().find(|(f, _)| *f == fork);
        let until = match met {
            Some((_, from)) if *from <= at => return,
            Some((_, from)) => std::mem::replace(from, at),
            None => {
                self.skipping.push((fork, at));
                self.count
            }
        };
        for later in at..until {
            self.ahead.push((fork, later));
        }
    }

    /// Takes every edge of a fork that fits the components from `from` on.
    fn follow(&mut self, fork: u32, from: usize) {
        let Some(Fork { runs, heads, tails, star, lowest }) = self.view.forks.get(fork as usize).copied()
        else {
            return;
        };
        let left = self.count - from;
        if left == 0 || self.best.is_some_and(|best| best.line <= lowest) {
            return;
        }
        // No run is empty; a damaged file must not make us stay in one place.
        for length in lengths(runs & !1).take_while(|&n| n <= left) {
            let found = self.view.table.get(&prefix(fork, RUN), self.components(from, length));
            if let Some(Hit { line: place, .. }) = found {
                self.arrive(place, from + length);
            }
        }
        if star != 0 {
            self.arrive(star, from + 1);
        }
        let name = self.components(from, 1);
        for length in lengths(heads).take_while(|&n| n <= name.len()) {
            self.chain(fork, HEAD, &name[..length], name, from + 1);
        }
        for length in lengths(tails).take_while(|&n| n <= name.len()) {
            self.chain(fork, TAIL, &name[name.len() - length..], name, from + 1);
        }
    }

    /// Tries the components with wildcards that share a literal beginning or end.
    fn chain(&mut self, fork: u32, kind: u8, literal: &[u8], name: &[u8], at: usize) {
        let found = self.view.table.get(&prefix(fork, kind), literal);
        let mut number = found.map_or(0, |hit| hit.line);
        while let Some(pattern) = number.checked_sub(1).and_then(|n| self.view.patterns.get(n as usize)) {
            let text = self.view.table.text.get(pattern.start as usize..);
            let text = text.and_then(|t| t.get(..pattern.len as usize)).unwrap_or_default();
            if glob::name_matches(text, name) {
                self.arrive(pattern.place, at);
            }
            // A damaged file must not send us round in circles.
            number = pattern.next.min(number - 1);
        }
    }
}

/// The numbers of the bits that are set, in order.
fn lengths(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lowest = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
        bits &= bits - 1;
        Some(lowest)
    })
}

/// The one on the lower line; line 0 is none.
fn lower(best: Option<Hit>, hit: Hit) -> Option<Hit> {
    if hit.line == 0 || best.is_some_and(|b| b.line <= hit.line) { best } else { Some(hit) }
}

/// A list that allocates nothing as long as it is short.
struct Few<T> {
    short: [T; 32],
    len: usize,
    long: Vec<T>,
}

impl<T: Copy + Default> Few<T> {
    fn new() -> Self {
        Self { short: [T::default(); 32], len: 0, long: Vec::new() }
    }

    fn push(&mut self, value: T) {
        match self.short.get_mut(self.len) {
            Some(place) => {
                *place = value;
                self.len += 1;
            }
            None => self.long.push(value),
        }
    }

    fn extend(&mut self, values: impl Iterator<Item = T>) {
        values.for_each(|value| self.push(value));
    }

    fn pop(&mut self) -> Option<T> {
        self.long.pop().or_else(|| {
            self.len = self.len.checked_sub(1)?;
            self.short.get(self.len).copied()
        })
    }

    fn get(&self, at: usize) -> Option<T> {
        match at.checked_sub(self.len) {
            None => self.short.get(at).copied(),
            Some(beyond) => self.long.get(beyond).copied(),
        }
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.short[..self.len].iter_mut().chain(&mut self.long)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// The places and forks are a tree. In a damaged file two edges may lead to one place, and each component
    /// of a path would double the work.
    #[test]
    fn a_tree_that_is_none_is_left_in_time() {
        let mut paths = Paths::new(HashKeys::random());
        paths.insert("/*/a", Hit { line: 1, list: 0 });
        paths.insert("/*/*", Hit { line: 2, list: 0 });
        let mut text = Vec::new();
        let slots = paths.table(&mut text);
        let star = paths.forks[0].star;
        let fork = paths.places[star as usize].next;
        for place in &mut paths.places {
            place.next = fork;
        }
        let table = Table { slots: &slots, text: &text, keys: paths.names.keys() };
        let view = View { places: &paths.places, forks: &paths.forks, patterns: &paths.patterns, table };
        let start = Instant::now();
        // The end keeps the lower line from being found, which would end the search.
        let _ = view.get(format!("{}/b", "/a".repeat(40)).as_bytes(), None);
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
}
