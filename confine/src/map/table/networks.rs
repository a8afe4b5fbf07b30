//! Networks of one family: an array of ranges, searched by halves.
//!
//! Networks nest or lie apart. So their ends cut all addresses into ranges, and in each range one rule counts:
//! the lowest line of the networks that hold the range. A look-up finds the last range that starts at or before
//! the address. It costs the same for one prefix length or all of them.
//!
//! The starts stand in one array and the rules in another, so that a search reads starts alone. A search tree
//! with nodes as wide as a line of cache was measured beside this: up to 10,000 lines it was no faster, and of a
//! million lines it saved 0.2 microseconds (IPv6: 0.5). That did not pay for a layout of its own.

use bytemuck::Pod;

use super::Hit;

/// The bits of an address.
pub(in crate::map) trait Bits: Pod + Ord {
    /// All of them set behind the first `prefix`.
    fn behind(prefix: u8) -> Self;
    /// The bits that are set in either.
    fn or(self, other: Self) -> Self;
    /// The next address, or `None` behind the last.
    fn next(self) -> Option<Self>;
}

macro_rules! family {
    ($bits:ty) => {
        impl Bits for $bits {
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

family!(u32);
family!(u128);

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
    /// Counts the ranges that these make.
    pub fn of(mut nets: Vec<Net<B>>) -> Self {
        // Outer networks come before those in them.
        nets.sort_unstable_by_key(|n| (n.first, n.prefix, n.hit.line));
        let mut ranges = 0;
        cut(&nets, |_, _| ranges += 1);
        Self { nets, ranges }
    }

    /// How many ranges there are.
    pub fn ranges(&self) -> usize {
        self.ranges
    }

    /// Fills two arrays of [`Nets::ranges`] elements: where each range starts, and the rule that counts in it
    /// (line 0: none).
    pub fn fill(self, starts: &mut [B], hits: &mut [Hit]) {
        let mut places = starts.iter_mut().zip(hits);
        cut(&self.nets, |start, hit| {
            if let Some((start_place, hit_place)) = places.next() {
                (*start_place, *hit_place) = (start, hit);
            }
        });
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

/// Ranges, ready to be looked up.
#[derive(Clone, Copy)]
pub(in crate::map) struct View<'m, B: Bits> {
    /// Where each range starts, in order. A range reaches to the next one's start.
    pub starts: &'m [B],
    /// The rule that counts in each range.
    pub hits: &'m [Hit],
}

impl<B: Bits> View<'_, B> {
    /// The rule that counts for `address`.
    pub fn get(&self, address: B) -> Option<Hit> {
        let behind = self.starts.partition_point(|start| *start <= address);
        // In a damaged file the arrays may differ in length.
        self.hits.get(behind.checked_sub(1)?)?.found()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(first: u32, prefix: u8, line: u32) -> Net<u32> {
        Net { first, prefix, hit: Hit { line, list: line } }
    }

    /// The tables of some networks.
    struct Made<B> {
        starts: Vec<B>,
        hits: Vec<Hit>,
    }

    fn made<B: Bits>(nets: Vec<Net<B>>) -> Made<B> {
        let nets = Nets::of(nets);
        let (mut starts, mut hits) = (vec![B::zeroed(); nets.ranges()], vec![Hit::NONE; nets.ranges()]);
        nets.fill(&mut starts, &mut hits);
        Made { starts, hits }
    }

    fn lookup<B: Bits>(made: &Made<B>, address: B) -> u32 {
        let view = View { starts: &made.starts, hits: &made.hits };
        view.get(address).map_or(0, |hit| hit.line)
    }

    #[test]
    fn masks_at_both_ends() {
        assert_eq!((u32::behind(0), u32::behind(8), u32::behind(32)), (u32::MAX, 0x00FF_FFFF, 0));
        assert_eq!((u128::behind(0), u128::behind(127), u128::behind(128)), (u128::MAX, 1, 0));
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
        assert_eq!(ranges.starts.len(), 3);
    }

    #[test]
    fn both_ends_of_all_addresses() {
        let ranges = made(vec![net(0, 0, 9), net(0, 32, 1), net(u32::MAX, 32, 2)]);
        assert_eq!([0, 1, u32::MAX - 1, u32::MAX].map(|a| lookup(&ranges, a)), [1, 9, 9, 2]);
        let none = made::<u32>(Vec::new());
        assert_eq!(lookup(&none, 0), 0);
    }

    #[test]
    fn many_ranges_of_ipv4() {
        for count in (0..300).chain([50_000]) {
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
        for count in (0..100).chain([20_000]) {
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
