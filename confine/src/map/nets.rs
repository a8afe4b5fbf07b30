//! Networks of one family, answered by binary search.
//!
//! Networks nest or lie apart, so their ends cut all addresses into ranges in each of which one rule counts:
//! the lowest line of the networks that hold the range. These are laid out in order, and the look-up costs
//! the same for one prefix length or all of them.

use bytemuck::Pod;

use super::Hit;

/// A search reads every 64th start first (the fences, which stay in the cache), then one block of these.
const BLOCK: usize = 64;

/// The bits of an address.
pub(super) trait Bits: Pod + Ord {
    /// All of them set behind the first `prefix`.
    fn behind(prefix: u8) -> Self;
    fn or(self, other: Self) -> Self;
    /// The next address, or `None` behind the last.
    fn next(self) -> Option<Self>;
}

impl Bits for u32 {
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

impl Bits for u128 {
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

/// A network with its rule.
#[derive(Clone, Copy)]
pub(super) struct Net<B> {
    /// Its first address.
    pub first: B,
    /// How many bits it fixes.
    pub prefix: u8,
    pub hit: Hit,
}

/// Ranges, each from its start to the next one's, with the rule that counts there.
pub(super) struct Ranges<B> {
    pub starts: Vec<B>,
    /// Line 0: none.
    pub hits: Vec<Hit>,
    /// Every 64th start.
    pub fences: Vec<B>,
}

impl<B: Bits> Ranges<B> {
    /// Cuts the addresses at the ends of all networks.
    pub fn of(mut nets: Vec<Net<B>>) -> Self {
        // Outer networks before those in them.
        nets.sort_unstable_by_key(|n| (n.first, n.prefix, n.hit.line));
        let mut ranges = Self { starts: Vec::new(), hits: Vec::new(), fences: Vec::new() };
        // The networks around the current address, outermost first: last address, and the rule that
        // counts in it.
        let mut around: Vec<(B, Hit)> = Vec::new();
        for net in &nets {
            ranges.leave(&mut around, Some(net.first));
            let outer = around.last().map(|(_, hit)| *hit);
            let counts = outer.filter(|o| o.line < net.hit.line).unwrap_or(net.hit);
            ranges.begin(net.first, counts);
            around.push((net.first.or(B::behind(net.prefix)), counts));
        }
        ranges.leave(&mut around, None);
        ranges.fences = ranges.starts.iter().step_by(BLOCK).copied().collect();
        ranges
    }

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
        if self.starts.last() == Some(&start) {
            self.starts.pop();
            self.hits.pop();
        }
        if self.hits.last().copied().unwrap_or(Hit::NONE) != hit {
            self.starts.push(start);
            self.hits.push(hit);
        }
    }
}

/// Ranges, ready to be looked up.
#[derive(Clone, Copy)]
pub(super) struct View<'m, B> {
    pub starts: &'m [B],
    pub hits: &'m [Hit],
    pub fences: &'m [B],
}

impl<B: Bits> View<'_, B> {
    /// The rule that counts for `address`.
    pub fn get(&self, address: B) -> Option<Hit> {
        let block = self.fences.partition_point(|f| *f <= address).checked_sub(1)? * BLOCK;
        let starts = self.starts.get(block..self.starts.len().min(block + BLOCK))?;
        let at = block + starts.partition_point(|s| *s <= address).checked_sub(1)?;
        self.hits.get(at).copied().filter(|hit| hit.line != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(first: u32, prefix: u8, line: u32) -> Net<u32> {
        Net { first, prefix, hit: Hit { line, list: line } }
    }

    fn lookup(ranges: &Ranges<u32>, address: u32) -> u32 {
        let view = View { starts: &ranges.starts, hits: &ranges.hits, fences: &ranges.fences };
        view.get(address).map_or(0, |hit| hit.line)
    }

    #[test]
    fn masks_at_both_ends() {
        assert_eq!((u32::behind(0), u32::behind(8), u32::behind(32)), (u32::MAX, 0x00FF_FFFF, 0));
        assert_eq!((u128::behind(0), u128::behind(127), u128::behind(128)), (u128::MAX, 1, 0));
    }

    #[test]
    fn the_lowest_line_counts_and_not_the_longest_prefix() {
        let ranges = Ranges::of(vec![net(10 << 24, 8, 2), net(10 << 24, 16, 1), net((10 << 24) + 5, 32, 3)]);
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
        let ranges = Ranges::of(vec![net(0, 0, 9), net(0, 32, 1), net(u32::MAX, 32, 2)]);
        assert_eq!([0, 1, u32::MAX - 1, u32::MAX].map(|a| lookup(&ranges, a)), [1, 9, 9, 2]);
        let none = Ranges::<u32>::of(Vec::new());
        assert_eq!(lookup(&none, 0), 0);
    }

    #[test]
    fn many_ranges_and_their_fences() {
        let nets = (0..1000).map(|i| net(i << 8, 24 + (i % 9) as u8, 1000 - i)).collect();
        let ranges = Ranges::of(nets);
        for i in 0..1000 {
            assert_eq!(lookup(&ranges, i << 8), 1000 - i);
            let last = (i << 8) + u32::behind(24 + (i % 9) as u8);
            assert_eq!(lookup(&ranges, last), 1000 - i);
            if i % 9 != 0 {
                assert_eq!(lookup(&ranges, last + 1), 0);
            }
        }
    }
}
