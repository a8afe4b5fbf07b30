//! Finds the rule whose pattern a path matches. All patterns are tried at once.
//!
//! One pass over the path of a request follows all edges of the [tree](super::tree) that match. The literals at a node
//! are in a hash table, and one probe is made for each length that they have. So a million patterns
//! `/srv/www/TENANT/**` take one probe.
//!
//! The work is bounded: each node of the tree is visited at most once for each component of the path.

use smallvec::SmallVec;

use super::{
    Hit,
    tree::{Branch, Edges, Kind, Node, Pattern},
};
use crate::map::syntax::glob;

/// The patterns of a map, ready for look-ups.
#[derive(Clone, Copy)]
pub(in crate::map) struct View<'m> {
    pub nodes: &'m [Node],
    pub branches: &'m [Branch],
    pub patterns: &'m [Pattern],
    pub edges: Edges<'m>,
}

impl<'m> View<'m> {
    /// The rule with the lowest line whose pattern matches `path`, or `best` if its line is lower.
    pub fn get(&self, path: &[u8], best: Option<Hit>) -> Option<Hit> {
        if self.nodes.is_empty() {
            return best;
        }
        // Nearly all paths are in their plain form. Any other is brought into it first.
        let mut starts = SmallVec::new();
        if find_starts(path, &mut starts) {
            return self.get_plain(path, &starts, best);
        }
        let Some(components) = glob::components(path) else { return best };
        let plain = components.fold(Vec::with_capacity(path.len()), |mut plain, component| {
            plain.push(b'/');
            plain.extend_from_slice(component);
            plain
        });
        // A path without any component is the root.
        let plain = if plain.is_empty() { b"/" } else { &plain[..] };
        let mut starts = SmallVec::new();
        if find_starts(plain, &mut starts) { self.get_plain(plain, &starts, best) } else { best }
    }

    /// As [`View::get`], for a path in its plain form.
    fn get_plain(&self, path: &[u8], starts: &Starts, best: Option<Hit>) -> Option<Hit> {
        let count = starts.len().saturating_sub(1);
        let (ahead, skipping) = (SmallVec::new(), SmallVec::new());
        let mut search = Search { view: *self, path, starts, count, best, ahead, skipping };
        search.arrive(0, 0);
        search.ahead.push((0, 0));
        // No tree needs more steps. A damaged file may hold something that is not a tree.
        for _ in 0..self.branches.len().saturating_mul(count + 1) {
            let Some((branch, from)) = search.ahead.pop() else { break };
            search.follow(branch, from as usize);
        }
        search.best
    }
}

/// The offset at which each component of a path begins. One more element stands for the end.
type Starts = SmallVec<[usize; 32]>;

/// Finds where the components of a path begin. `false` if the path is not absolute, has several slashes in a row, or
/// has a component `.` or `..`.
fn find_starts(path: &[u8], starts: &mut Starts) -> bool {
    let Some(inner) = path.strip_prefix(b"/") else { return false };
    let inner = inner.strip_suffix(b"/").unwrap_or(inner);
    if inner.is_empty() {
        return true;
    }
    let mut from = 0;
    let mut ends_at = |end: usize| {
        starts.push(from + 1);
        let name = &inner[from..end];
        from = end + 1;
        !name.is_empty() && name != b"." && name != b".."
    };
    for (at, byte) in inner.iter().enumerate() {
        if *byte == b'/' && !ends_at(at) {
            return false;
        }
    }
    let plain = ends_at(inner.len());
    starts.push(inner.len() + 2);
    plain
}

/// One look-up.
struct Search<'s, 'm> {
    view: View<'m>,
    path: &'s [u8],
    /// Where each component begins, and one more element for the end.
    starts: &'s Starts,
    /// The number of components.
    count: usize,
    best: Option<Hit>,
    /// The branches to follow. With each is the number of components before it.
    ahead: SmallVec<[(u32, u32); 32]>,
    /// The branches behind a `**`. With each is the smallest number of components before it.
    skipping: SmallVec<[(u32, u32); 8]>,
}

impl<'s> Search<'s, '_> {
    /// The text of `length` components from number `from` on, with the slashes between them.
    fn components(&self, from: usize, length: usize) -> &'s [u8] {
        let (start, end) = (self.starts.get(from), self.starts.get(from + length));
        start.zip(end).and_then(|(&s, &e)| self.path.get(s..e - 1)).unwrap_or_default()
    }

    /// A pattern matches the first `at` components, and the search is at this node.
    fn arrive(&mut self, node: u32, at: usize) {
        // The length of a path is far below what a `u32` can count.
        let Some(node) = self.view.nodes.get(node as usize) else { return };
        if at == self.count {
            self.best = lower(self.best, node.here);
        }
        self.best = lower(self.best, node.below);
        if node.next != 0 {
            self.ahead.push((node.next, at as u32));
        }
        if node.later != 0 {
            self.skip(node.later, at as u32);
        }
    }

    /// Follows the branch from component `at` and from each later one, once each.
    fn skip(&mut self, branch: u32, at: u32) {
        let met = self.skipping.iter_mut().find(|(f, _)| *f == branch);
        let until = match met {
            Some((_, from)) if *from <= at => return,
            Some((_, from)) => std::mem::replace(from, at),
            None => {
                self.skipping.push((branch, at));
                self.count as u32
            }
        };
        for later in at..until {
            self.ahead.push((branch, later));
        }
    }

    /// Takes each edge of a branch that matches the components from number `from` on.
    fn follow(&mut self, branch: u32, from: usize) {
        let Some(Branch { literals, heads, tails, star, lowest }) =
            self.view.branches.get(branch as usize).copied()
        else {
            return;
        };
        let left = self.count - from;
        if left == 0 || self.best.is_some_and(|best| best.line <= lowest) {
            return;
        }
        // A literal is never empty. A damaged file must not keep the search where it is.
        let mut found = SmallVec::<[_; 6]>::new();
        // All probes are prepared before the first is made, so that memory is read for all of them at once.
        for length in lengths(literals & !1).take_while(|&n| n <= left) {
            found.push((self.view.edges.seek(branch, Kind::Literal, self.components(from, length)), length));
        }
        for (sought, length) in found {
            let node = self.view.edges.get(sought);
            if node != 0 {
                self.arrive(node, from + length);
            }
        }
        if star != 0 {
            self.arrive(star, from + 1);
        }
        let name = self.components(from, 1);
        for length in lengths(heads).take_while(|&n| n <= name.len()) {
            self.chain(branch, Kind::Head, &name[..length], name, from + 1);
        }
        for length in lengths(tails).take_while(|&n| n <= name.len()) {
            self.chain(branch, Kind::Tail, &name[name.len() - length..], name, from + 1);
        }
    }

    /// Tries the components with wildcards that begin with this literal, or end in it.
    fn chain(&mut self, branch: u32, kind: Kind, literal: &[u8], name: &[u8], at: usize) {
        let mut number = self.view.edges.get(self.view.edges.seek(branch, kind, literal));
        while let Some(pattern) = number.checked_sub(1).and_then(|n| self.view.patterns.get(n as usize)) {
            let text = self.view.edges.text.get(pattern.start as usize..);
            let text = text.and_then(|t| t.get(..pattern.len as usize)).unwrap_or_default();
            if glob::name_matches(text, name) {
                self.arrive(pattern.node, at);
            }
            // A damaged file must not make an endless loop.
            number = pattern.next.min(number - 1);
        }
    }
}

/// The positions of the bits that are set, in order.
fn lengths(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lowest = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
        bits &= bits - 1;
        Some(lowest)
    })
}

/// The rule with the lower line. Line 0 means no rule.
fn lower(best: Option<Hit>, hit: Hit) -> Option<Hit> {
    if hit.line == 0 || best.is_some_and(|b| b.line <= hit.line) { best } else { Some(hit) }
}
