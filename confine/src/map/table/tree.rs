//! The tree of all path patterns of a map, and how it is built.
//!
//! A node is a place that the first pieces of some patterns lead to, and a branch is what can follow there. An edge
//! leads from a branch to a node, and it is one piece of a pattern: a literal of one or more components, `*`, or one
//! component with wildcards. At `**` the search may skip any number of components. A component with wildcards is found
//! by the literal that it begins with or ends in, whichever is longer.

use bytemuck::{Pod, Zeroable};

use super::{
    Hit,
    block::{Array, BlockBuilder},
    names::{HashKeys, home},
    source::{Source, Span, Text},
    texts::Numbers,
};
use crate::map::syntax::glob::{self, Segment};

/// The place in the tree that some pieces of patterns lead to.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(in crate::map) struct Node {
    /// The rule whose pattern ends here.
    pub here: Hit,
    /// The rule whose pattern ends here with `**`.
    pub below: Hit,
    /// The branch that follows here, or 0.
    pub next: u32,
    /// The branch that follows here behind `**`, after any number of components, or 0.
    pub later: u32,
}

/// The edges that lead on from a node.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(in crate::map) struct Branch {
    /// The lengths of the literals that begin here, in components. Bit n is set if there is a literal of n components.
    pub literals: u64,
    /// The lengths, in bytes, of the literals with which components with wildcards begin (`heads`) or end (`tails`).
    /// Bit n is set if there is a literal of n bytes.
    pub heads: u64,
    pub tails: u64,
    /// The node that `*` leads to, or 0.
    pub star: u32,
    /// The lowest line of all patterns that go through this branch.
    pub lowest: u32,
}

/// One component with wildcards. All components of a branch that begin with the same literal, or end in it, form a
/// chain.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(in crate::map) struct Pattern {
    /// The place of its text in the map's text.
    pub start: u32,
    pub len: u32,
    /// The node that it leads to.
    pub node: u32,
    /// One more than the number of the next pattern of its chain, or 0. That number is lower than its own.
    pub next: u32,
}

/// What the text of an edge is. A branch has up to four owners of texts, of which three are used.
#[derive(Clone, Copy)]
pub(in crate::map) enum Kind {
    Literal,
    Head,
    Tail,
}

/// An edge with a text. It is a slot of a hash table with open addressing, of which a cache line has four.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(in crate::map) struct Edge {
    /// Four times the number of the branch, plus the [`Kind`].
    owner: u32,
    /// The place of the text in the map's text, and its length.
    start: u32,
    len: u16,
    /// A part of the hash of the text. Nearly all edges with another text are recognised by it.
    tag: u16,
    /// The node behind a literal, or one more than the number of the first pattern of a chain. In a vacant slot it is
    /// 0.
    value: u32,
}

/// How many edges a cache line has.
const LINE: usize = 4;

/// After how many edges their memory is given back while the table is filled from them.
const RELEASE: usize = 1 << 16;

/// The longest beginning or end of a component by which patterns are found, in bytes.
const LONGEST: usize = 63;

/// The owner of an edge's text. It fits a `u32`: each branch needs a byte of pattern at least, and a map has at most 1
/// GiB.
fn owner(branch: u32, kind: Kind) -> u32 {
    branch.wrapping_mul(4) | kind as u32
}

/// The edges of a tree, ready for look-ups.
#[derive(Clone, Copy)]
pub(in crate::map) struct Edges<'m> {
    pub table: &'m [Edge],
    pub text: &'m [u8],
    pub keys: HashKeys,
}

/// An edge to look for.
#[derive(Clone, Copy, Default)]
pub(in crate::map) struct Sought<'s> {
    owner: u32,
    text: &'s [u8],
    hash: u64,
}

impl Edges<'_> {
    /// Prepares the search for an edge, without reading the table.
    pub fn seek<'s>(&self, branch: u32, kind: Kind, text: &'s [u8]) -> Sought<'s> {
        let owner = owner(branch, kind);
        Sought { owner, text, hash: self.keys.hash(owner, text) }
    }

    /// The value of the edge, or 0 if there is no such edge.
    pub fn get(&self, Sought { owner, text, hash }: Sought<'_>) -> u32 {
        let mut at = home(hash, self.table.len(), LINE);
        // A damaged table may have no vacant slot.
        for _ in 0..self.table.len() {
            let Some(edge) = self.table.get(at).filter(|edge| edge.value != 0) else { return 0 };
            if edge.tag == hash as u16
                && edge.owner == owner
                && usize::from(edge.len) == text.len()
                && self.text.get(edge.start as usize..).is_some_and(|at| at.starts_with(text))
            {
                return edge.value;
            }
            at = if at + 1 == self.table.len() { 0 } else { at + 1 };
        }
        0
    }
}

/// The tree while a map is read.
pub(in crate::map) struct Tree {
    keys: HashKeys,
    pub nodes: Vec<Node>,
    pub branches: Vec<Branch>,
    pub patterns: Vec<Pattern>,
    edges: Vec<Edge>,
    edge_numbers: Numbers,
    /// The owner of each pattern, so that equal patterns are found.
    pattern_owners: Vec<u32>,
    pattern_numbers: Numbers,
    /// Whether the map has no patterns of paths.
    pub is_empty: bool,
}

/// The place that the insertion of a pattern has reached.
#[derive(Clone, Copy)]
enum Cursor {
    Node(u32),
    Branch(u32),
}

/// The pattern that is being inserted.
struct Inserted<'s> {
    source: &'s Source<'s>,
    pattern: Span,
    /// Its text.
    whole: &'s [u8],
    line: u32,
}

impl Inserted<'_> {
    /// The place of a part of the pattern.
    fn span(&self, part: &[u8]) -> Span {
        let inside = part.as_ptr() as usize - self.whole.as_ptr() as usize;
        Span { start: self.pattern.start + inside as u32, len: part.len() as u32 }
    }
}

impl Tree {
    /// The tree of these patterns. They must be in the order of their lines.
    pub fn of(patterns: Vec<(Span, Hit)>, source: &Source<'_>, keys: HashKeys) -> Self {
        let mut tree = Self {
            keys,
            nodes: vec![Node::zeroed()],
            branches: vec![Branch { lowest: u32::MAX, ..Branch::zeroed() }],
            patterns: Vec::new(),
            edges: Vec::new(),
            edge_numbers: Numbers::with_capacity(patterns.len()),
            pattern_owners: Vec::new(),
            pattern_numbers: Numbers::default(),
            is_empty: patterns.is_empty(),
        };
        for (pattern, hit) in patterns {
            tree.insert(source, pattern, hit);
        }
        // These are only needed to add patterns.
        (tree.edge_numbers, tree.pattern_numbers) = (Numbers::default(), Numbers::default());
        tree.pattern_owners = Vec::new();
        tree
    }

    /// Adds a pattern that [`glob::check`] accepted. Patterns must come in the order of their lines.
    fn insert(&mut self, source: &Source<'_>, pattern: Span, hit: Hit) {
        // It was UTF-8 when it was accepted.
        let Ok(whole) = std::str::from_utf8(source.get(pattern)) else { return };
        let from = Inserted { source, pattern, whole: whole.as_bytes(), line: hit.line };
        let mut at = Cursor::Node(0);
        let mut pieces = glob::pieces(whole).peekable();
        while let Some(piece) = pieces.next() {
            at = match piece {
                Segment::Literal(literal) => self.literal(&from, at, literal.as_bytes()),
                Segment::One => self.star(at, hit.line),
                Segment::Pattern(text) => self.pattern(&from, at, text.as_bytes()),
                Segment::Any if pieces.peek().is_none() => {
                    // `**` is never followed by another one, so the cursor is at a node.
                    if let Cursor::Node(node) = at {
                        first(&mut self.nodes[node as usize].below, hit);
                    }
                    return;
                }
                Segment::Any => self.later(at, hit.line),
            };
        }
        if let Cursor::Node(node) = at {
            first(&mut self.nodes[node as usize].here, hit);
        }
    }

    /// The branch at the cursor. It is made if there is none.
    fn branch(&mut self, at: Cursor, line: u32) -> u32 {
        match at {
            Cursor::Branch(branch) => branch,
            Cursor::Node(0) => {
                let root = &mut self.branches[0];
                root.lowest = root.lowest.min(line);
                0
            }
            Cursor::Node(node) => {
                if self.nodes[node as usize].next == 0 {
                    self.nodes[node as usize].next = self.new_branch(line);
                }
                self.nodes[node as usize].next
            }
        }
    }

    fn new_branch(&mut self, line: u32) -> u32 {
        self.branches.push(Branch { lowest: line, ..Branch::zeroed() });
        (self.branches.len() - 1) as u32
    }

    fn new_node(&mut self) -> u32 {
        self.nodes.push(Node::zeroed());
        (self.nodes.len() - 1) as u32
    }

    fn literal(&mut self, from: &Inserted<'_>, at: Cursor, literal: &[u8]) -> Cursor {
        let branch = self.branch(at, from.line);
        let (number, new) = self.edge(from, branch, Kind::Literal, literal);
        if new {
            // `glob::check` limits the components of a pattern, so this is less than 64.
            let length = literal.iter().filter(|b| **b == b'/').count().min(glob::MAX_COMPONENTS - 2) + 1;
            self.branches[branch as usize].literals |= 1 << length;
            self.edges[number].value = self.new_node();
        }
        Cursor::Node(self.edges[number].value)
    }

    fn star(&mut self, at: Cursor, line: u32) -> Cursor {
        let branch = self.branch(at, line) as usize;
        if self.branches[branch].star == 0 {
            self.branches[branch].star = self.new_node();
        }
        Cursor::Node(self.branches[branch].star)
    }

    fn later(&mut self, at: Cursor, line: u32) -> Cursor {
        let Cursor::Node(node) = at else { return at };
        if self.nodes[node as usize].later == 0 {
            self.nodes[node as usize].later = self.new_branch(line);
        }
        Cursor::Branch(self.nodes[node as usize].later)
    }

    fn pattern(&mut self, from: &Inserted<'_>, at: Cursor, text: &[u8]) -> Cursor {
        let branch = self.branch(at, from.line);
        let (kind, literal) = longest_literal(text);
        let owner = owner(branch, kind);
        let (number, new) = self.pattern_numbers.number(self.keys.hash(owner, text), |number| {
            let number = number as usize;
            self.pattern_owners[number] == owner && from.source.get(self.patterns[number].span()) == text
        });
        if !new {
            return Cursor::Node(self.patterns[number as usize].node);
        }
        let node = self.new_node();
        let Span { start, len } = from.span(text);
        let (edge, new) = self.edge(from, branch, kind, literal);
        if new {
            let branch = &mut self.branches[branch as usize];
            let lengths = if matches!(kind, Kind::Head) { &mut branch.heads } else { &mut branch.tails };
            *lengths |= 1 << literal.len();
        }
        let chain = &mut self.edges[edge].value;
        self.patterns.push(Pattern { start, len, node, next: *chain });
        self.pattern_owners.push(owner);
        *chain = self.patterns.len() as u32;
        Cursor::Node(node)
    }

    /// The number of the edge with this text. The second value says whether it is new.
    fn edge(&mut self, from: &Inserted<'_>, branch: u32, kind: Kind, text: &[u8]) -> (usize, bool) {
        let owner = owner(branch, kind);
        let hash = self.keys.hash(owner, text);
        let (number, new) = self.edge_numbers.number(hash, |number| {
            let edge = &self.edges[number as usize];
            edge.owner == owner && from.source.get(edge.span()) == text
        });
        if new {
            let Span { start, len } = from.span(text);
            // A line has at most 64 KiB, and a text that is a part of it has less.
            self.edges.push(Edge { owner, start, len: len as u16, tag: hash as u16, value: 0 });
        }
        (number as usize, new)
    }

    /// How many slots the table of edges gets. Six of ten are taken. Most searches look for an edge that does not
    /// exist, and they end at the first vacant slot.
    pub fn table(&self) -> usize {
        (self.edges.len() * 10 / 6 + 1).next_multiple_of(LINE)
    }

    /// How many bytes of text the tree has.
    pub fn text(&self) -> usize {
        let edges = self.edges.iter().map(|e| usize::from(e.len));
        edges.chain(self.patterns.iter().map(|p| p.len as usize)).sum()
    }

    /// Writes the tree into its arrays, and its texts behind the first `written` bytes of the block's text. Gives how
    /// many bytes of text there are then.
    pub fn fill(mut self, source: &Source<'_>, block: &mut BlockBuilder, written: usize) -> usize {
        if self.is_empty {
            return written;
        }
        block.array(Array::Nodes).copy_from_slice(&self.nodes);
        drop(self.nodes);
        block.array(Array::Branches).copy_from_slice(&self.branches);
        drop(self.branches);
        let (patterns, bytes) = block.both(Array::Patterns, Array::Text);
        let mut text = Text { bytes, len: written };
        for (new, pattern) in patterns.iter_mut().zip(self.patterns) {
            let start = text.push(source.get(pattern.span()));
            *new = Pattern { start, ..pattern };
        }
        let written = text.len;
        let (table, bytes) = block.both::<Edge, u8>(Array::Edges, Array::Text);
        let mut text = Text { bytes, len: written };
        while let Some(edge) = self.edges.pop() {
            if self.edges.len() % RELEASE == 0 {
                self.edges.shrink_to_fit();
            }
            let bytes = source.get(edge.span());
            let mut at = home(self.keys.hash(edge.owner, bytes), table.len(), LINE);
            while table[at].value != 0 {
                at = if at + 1 == table.len() { 0 } else { at + 1 };
            }
            table[at] = Edge { start: text.push(bytes), ..edge };
        }
        text.len
    }
}

impl Pattern {
    fn span(&self) -> Span {
        Span { start: self.start, len: self.len }
    }
}

impl Edge {
    fn span(&self) -> Span {
        Span { start: self.start, len: self.len.into() }
    }
}

/// Sets the rule of a pattern. If a pattern has several rules, the first counts.
fn first(slot: &mut Hit, hit: Hit) {
    if slot.line == 0 {
        *slot = hit;
    }
}

/// The literal with which a component with wildcards begins or ends, whichever is longer.
fn longest_literal(bytes: &[u8]) -> (Kind, &[u8]) {
    let head = bytes.iter().position(|b| b"*?[".contains(b)).unwrap_or(bytes.len());
    let tail = bytes.iter().rposition(|b| b"*?]".contains(b)).map_or(0, |n| n + 1);
    let (head, tail) = (&bytes[..head.min(LONGEST)], &bytes[tail.max(bytes.len().saturating_sub(LONGEST))..]);
    if tail.len() > head.len() { (Kind::Tail, tail) } else { (Kind::Head, head) }
}
