//! Networks of one family, answered by a search tree.
//!
//! Networks nest or lie apart, so their ends cut all addresses into ranges in each of which one rule counts:
//! the lowest line of the networks that hold the range. These are laid out in order, and the look-up costs
//! the same for one prefix length or all of them.
//!
//! Ranges stand in leaves of a few neighbouring lines of cache, 21 in each: the starts, and behind them the
//! rules. Above them are the fences: the first start of each leaf, above these every sixteenth of them, and so
//! on up to a single node. A search compares all starts of a node, so that its lines come from memory at once
//! and not one after the other. Of a million networks all fences together are about a megabyte and tend to stay
//! in the cache; so a look-up waits for memory about once.

use bytemuck::{Pod, Zeroable};

use super::Hit;

/// Ranges of a leaf: as many as fill four lines of cache (IPv6: eight).
const RANGES: usize = 21;

/// Fences of a node.
const FAN: usize = 16;

/// The bits of an address.
pub(in crate::map) trait Bits: Pod + Ord {
    /// The last address.
    const LAST: Self;
    /// What holds [`RANGES`] ranges.
    type Leaf: Leaf<Self>;

    /// All of them set behind the first `prefix`.
    fn behind(prefix: u8) -> Self;
    fn or(self, other: Self) -> Self;
    /// The next address, or `None` behind the last.
    fn next(self) -> Option<Self>;
}

/// Some ranges, each from its start to the next one's, with the rule that counts there (line 0: none). Those
/// that are not there begin at the last address, and are the same as the last that is.
pub(in crate::map) trait Leaf<B>: Pod {
    fn starts(&self) -> &[B; RANGES];
    fn hits(&self) -> &[Hit; RANGES];
    fn put(&mut self, at: usize, start: B, hit: Hit);
}

macro_rules! family {
    ($bits:ty, $leaf:ident, $rest:ty, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Copy, Pod, Zeroable)]
        #[repr(C)]
        pub(in crate::map) struct $leaf {
            starts: [$bits; RANGES],
            hits: [Hit; RANGES],
            rest: $rest,
        }

        impl Leaf<$bits> for $leaf {
            fn starts(&self) -> &[$bits; RANGES] {
                &self.starts
            }

            fn hits(&self) -> &[Hit; RANGES] {
                &self.hits
            }

            fn put(&mut self, at: usize, start: $bits, hit: Hit) {
                (self.starts[at], self.hits[at]) = (start, hit);
            }
        }

        impl Bits for $bits {
            const LAST: Self = Self::MAX;
            type Leaf = $leaf;

            fn behind(prefix: u8) -> Self {
                Self::MAX.checked_shr(prefix.into()).unwrap_or(0)
            }

            fn or(self, other: Self) -> Self {
                self | other
            }

            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }
        }
    };
}

family!(u32, V4Leaf, u32, "Ranges of IPv4 addresses.");
family!(u128, V6Leaf, u64, "Ranges of IPv6 addresses.");

/// A network with its rule.
#[derive(Clone, Copy)]
pub(in crate::map) struct Net<B> {
    /// Its first address.
    pub first: B,
    /// How many bits it fixes.
    pub prefix: u8,
    pub hit: Hit,
}

/// The networks of a map while its tables are made.
pub(in crate::map) struct Nets<B> {
    nets: Vec<Net<B>>,
    ranges: usize,
}

impl<B: Bits> Nets<B> {
    /// Looks how many ranges these make.
    pub fn of(mut nets: Vec<Net<B>>) -> Self {
        // Outer networks before those in them.
        nets.sort_unstable_by_key(|n| (n.first, n.prefix, n.hit.line));
        let mut ranges = 0;
        cut(&nets, |_, _| ranges += 1);
        Self { nets, ranges }
    }

    /// How many leaves they take.
    pub fn leaves(&self) -> usize {
        self.ranges.div_ceil(RANGES)
    }

    /// How many fences they take.
    pub fn fences(&self) -> usize {
        Levels::of(self.leaves()).end
    }

    /// Fills [`Nets::leaves`] leaves and [`Nets::fences`] fences.
    pub fn fill(self, leaves: &mut [B::Leaf], fences: &mut [B]) {
        let mut count = 0;
        cut(&self.nets, |start, hit| {
            // The nodes behind are the same range, until another comes.
            let leaf = &mut leaves[count / RANGES];
            leaf.put(count % RANGES, start, hit);
            (count % RANGES + 1..RANGES).for_each(|at| leaf.put(at, B::LAST, hit));
            count += 1;
        });
        fences.fill(B::LAST);
        let mut every = 1;
        for (start, len) in Levels::of(leaves.len()).upward() {
            for (fence, leaf) in fences[start..start + len].iter_mut().zip(leaves.iter().step_by(every)) {
                *fence = leaf.starts()[0];
            }
            every *= FAN;
        }
    }
}

/// Cuts the addresses at the ends of all networks, and gives each range's start and rule in order. Neighbours
/// have different rules.
fn cut<B: Bits>(nets: &[Net<B>], give: impl FnMut(B, Hit)) {
    let mut ranges = Ranges { last: None, given: Hit::NONE, give };
    // The networks around the current address, outermost first: last address, and the rule that counts in
    // it.
    let mut around: Vec<(B, Hit)> = Vec::new();
    for net in nets {
        ranges.leave(&mut around, Some(net.first));
        let outer = around.last().map(|(_, hit)| *hit);
        let counts = outer.filter(|o| o.line < net.hit.line).unwrap_or(net.hit);
        ranges.begin(net.first, counts);
        around.push((net.first.or(B::behind(net.prefix)), counts));
    }
    ranges.leave(&mut around, None);
    ranges.end();
}

/// Ranges in the order of their starts.
struct Ranges<B, F> {
    /// The last that began. Another rule may yet come for the same start.
    last: Option<(B, Hit)>,
    /// The rule of the last one that was given.
    given: Hit,
    give: F,
}

impl<B: Bits, F: FnMut(B, Hit)> Ranges<B, F> {
    /// Ends the networks that do not reach `until`.
    fn leave(&mut self, around: &mut Vec<(B, Hit)>, until: Option<B>) {
        while let Some((last, _)) = around.last().copied().filter(|(last, _)| until.is_none_or(|u| *last < u))
        {
            around.pop();
            if let Some(next) = last.next() {
                self.begin(next, around.last().map_or(Hit::NONE, |(_, hit)| *hit));
            }
        }
    }

    /// From `start` on `hit` counts. Starts come in order; one that comes again replaces the former.
    fn begin(&mut self, start: B, hit: Hit) {
        if self.last.is_some_and(|(before, _)| before != start) {
            self.end();
        }
        self.last = Some((start, hit));
    }

    /// Gives the last range, unless it goes on as the one before.
    fn end(&mut self) {
        if let Some((start, hit)) = self.last.take().filter(|(_, hit)| *hit != self.given) {
            (self.give)(start, hit);
            self.given = hit;
        }
    }
}

/// The levels of the fences.
struct Levels {
    /// Where each begins and how many fences it has, from the lowest. Whole nodes: each begins at the next
    /// multiple of [`FAN`]. So many reach `u32::MAX` leaves, more than lines can make.
    levels: [(usize, usize); 8],
    count: usize,
    /// Behind the last one.
    end: usize,
}

impl Levels {
    /// The levels above this many leaves.
    fn of(leaves: usize) -> Self {
        let mut new = Self { levels: [(0, 0); 8], count: 0, end: 0 };
        let mut len = leaves;
        while let Some(level) = new.levels.get_mut(new.count).filter(|_| len > 1) {
            *level = (new.end, len);
            new.count += 1;
            new.end += len.next_multiple_of(FAN);
            len = len.div_ceil(FAN);
        }
        new
    }

    fn upward(&self) -> impl DoubleEndedIterator<Item = (usize, usize)> {
        self.levels[..self.count].iter().copied()
    }
}

/// Ranges, ready to be looked up.
#[derive(Clone, Copy)]
pub(in crate::map) struct View<'m, B: Bits> {
    pub leaves: &'m [B::Leaf],
    pub fences: &'m [B],
}

impl<B: Bits> View<'_, B> {
    /// The rule that counts for `address`.
    pub fn get(&self, address: B) -> Option<Hit> {
        let before = |starts: &[B]| starts.iter().filter(|start| **start <= address).count();
        let mut at = 0;
        for (start, len) in Levels::of(self.leaves.len()).upward().rev() {
            let node = self.fences.get(start + at * FAN..)?.get(..FAN)?;
            // Fences that are not there are the last address.
            at = (at * FAN + before(node).checked_sub(1)?).min(len - 1);
        }
        let leaf = self.leaves.get(at)?;
        // All rules are read, too: picked by the number of starts, the one that counts would come a second later.
        let ranges = leaf.starts().iter().zip(leaf.hits());
        ranges.fold(Hit::NONE, |hit, (start, new)| if *start <= address { *new } else { hit }).found()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(first: u32, prefix: u8, line: u32) -> Net<u32> {
        Net { first, prefix, hit: Hit { line, list: line } }
    }

    /// The tables of some networks.
    struct Made<B: Bits> {
        leaves: Vec<B::Leaf>,
        fences: Vec<B>,
        ranges: usize,
    }

    fn made<B: Bits>(nets: Vec<Net<B>>) -> Made<B> {
        let nets = Nets::of(nets);
        let mut leaves = vec![Zeroable::zeroed(); nets.leaves()];
        let (mut fences, ranges) = (vec![B::zeroed(); nets.fences()], nets.ranges);
        nets.fill(&mut leaves, &mut fences);
        Made { leaves, fences, ranges }
    }

    fn lookup<B: Bits>(made: &Made<B>, address: B) -> u32 {
        let view = View { leaves: &made.leaves, fences: &made.fences };
        view.get(address).map_or(0, |hit| hit.line)
    }

    #[test]
    fn masks_at_both_ends() {
        assert_eq!((u32::behind(0), u32::behind(8), u32::behind(32)), (u32::MAX, 0x00FF_FFFF, 0));
        assert_eq!((u128::behind(0), u128::behind(127), u128::behind(128)), (u128::MAX, 1, 0));
    }

    #[test]
    fn leaves_are_whole_lines_of_cache() {
        assert_eq!((size_of::<V4Leaf>(), size_of::<V6Leaf>()), (4 * 64, 8 * 64));
    }

    #[test]
    fn the_lowest_line_counts_and_not_the_longest_prefix() {
        let ranges = made(vec![net(10 << 24, 8, 2), net(10 << 24, 16, 1), net((10 << 24) + 5, 32, 3)]);
        assert_eq!(lookup(&ranges, (10 << 24) - 1), 0);
        assert_eq!(lookup(&ranges, 10 << 24), 1);
        assert_eq!(lookup(&ranges, (10 << 24) + 5), 1);
        assert_eq!(lookup(&ranges, (10 << 24) + 0xFFFF), 1);
        assert_eq!(lookup(&ranges, (10 << 24) + 0x1_0000), 2);
        assert_eq!(lookup(&ranges, 11 << 24), 0);
        // What changes nothing takes no room.
        assert_eq!(ranges.ranges, 3);
    }

    #[test]
    fn both_ends_of_all_addresses() {
        let ranges = made(vec![net(0, 0, 9), net(0, 32, 1), net(u32::MAX, 32, 2)]);
        assert_eq!([0, 1, u32::MAX - 1, u32::MAX].map(|a| lookup(&ranges, a)), [1, 9, 9, 2]);
        let none = made::<u32>(Vec::new());
        assert_eq!(lookup(&none, 0), 0);
    }

    #[test]
    fn many_ranges_and_their_fences() {
        // Up to three levels of fences, and every number of ranges in the last leaf and node.
        for count in (0..300).chain([5375, 5376, 5377, 50_000]) {
            let nets = (0..count).map(|i| net(i << 8, 24 + (i % 9) as u8, count - i)).collect();
            let ranges = made(nets);
            for i in 0..count {
                assert_eq!(lookup(&ranges, i << 8), count - i);
                let last = (i << 8) + u32::behind(24 + (i % 9) as u8);
                assert_eq!(lookup(&ranges, last), count - i);
                if i % 9 != 0 {
                    assert_eq!(lookup(&ranges, last + 1), 0);
                }
            }
            assert_eq!(lookup(&ranges, u32::MAX), 0);
        }
    }

    #[test]
    fn many_ranges_of_ipv6_up_to_the_last_address() {
        for count in (0..100).chain([341, 20_000]) {
            let first = |i: u32| u128::MAX - u128::from(i) * 16 - 15;
            let hit = |i| Hit { line: i + 1, list: 0 };
            let nets = (0..count).map(|i| Net { first: first(i), prefix: 124 + (i % 5) as u8, hit: hit(i) });
            let ranges = made(nets.collect());
            assert_eq!(lookup(&ranges, u128::MAX), u32::from(count > 0));
            for i in 0..count {
                let last = first(i) + u128::behind(124 + (i % 5) as u8);
                assert_eq!((lookup(&ranges, first(i)), lookup(&ranges, last)), (i + 1, i + 1));
                if i % 5 != 0 {
                    assert_eq!(lookup(&ranges, last + 1), 0);
                }
            }
        }
    }
}
