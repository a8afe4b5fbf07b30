//! Networks of one address family, as a sorted array of ranges.
//!
//! Two networks are nested or have no address in common. So the ends of all networks cut the addresses into ranges, and
//! one rule counts in each range: the rule with the lowest line whose network holds the range. A look-up finds the last
//! range that starts at the address or before it, by binary search. It takes the same time whether the networks have
//! one prefix length or all of them.
//!
//! The starts of the ranges stand in one array and the rules in another, so that a search only reads starts. A binary
//! search among a million starts waits for memory at nearly every step. So where there are many, a third array repeats
//! some of the starts: every 256th, and then every 16th. The first part stays in the processor's cache, and each step
//! down leaves 16 candidates, which are neighbours and are all compared: the processor fetches them at once, while each
//! step of a binary search would wait for the one before.

use std::{hint::black_box, ops::Range};

use bytemuck::Pod;

use super::Hit;

/// An address as a number.
pub(in crate::map) trait Bits: Pod + Ord {
    /// The number in which all bits behind the first `prefix` bits are set.
    fn behind(prefix: u8) -> Self;
    /// The bits that are set in one of the two numbers.
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

/// A network and its rule.
#[derive(Clone, Copy)]
pub(in crate::map) struct Net<B> {
    /// Its first address.
    pub first: B,
    /// How many bits its prefix has.
    pub prefix: u8,
    pub hit: Hit,
}

/// The networks of a map while its tables are made.
pub(in crate::map) struct Nets<B> {
    nets: Vec<Net<B>>,
    ranges: usize,
}

impl<B: Bits> Nets<B> {
    /// Sorts the networks and counts their ranges.
    pub fn of(mut nets: Vec<Net<B>>) -> Self {
        // A network comes before the networks inside it.
        nets.sort_unstable_by_key(|n| (n.first, n.prefix, n.hit.line));
        let mut ranges = 0;
        cut(&nets, |_, _| ranges += 1);
        Self { nets, ranges }
    }

    /// How many ranges there are.
    pub fn ranges(&self) -> usize {
        self.ranges
    }

    /// The length of the array that repeats some of the starts.
    pub fn fences(&self) -> usize {
        parts_of_fences(self.ranges).map_or(0, |(coarse, fine)| coarse + fine)
    }

    /// Fills two arrays of [`Nets::ranges`] elements: the start of each range, and the rule that counts in it (with
    /// line 0 where no rule does).
    pub fn fill(self, starts: &mut [B], hits: &mut [Hit]) {
        let mut places = starts.iter_mut().zip(hits);
        cut(&self.nets, |start, hit| {
            if let Some((start_place, hit_place)) = places.next() {
                (*start_place, *hit_place) = (start, hit);
            }
        });
    }
}

/// One of so many starts is repeated among the fine fences, and one of so many of those among the coarse ones.
const STEP: usize = 16;

/// The lengths of the two parts of the fences. So few starts that a search among them stays in the cache have none.
fn parts_of_fences(ranges: usize) -> Option<(usize, usize)> {
    let fine = ranges.div_ceil(STEP);
    (ranges > STEP * STEP).then(|| (fine.div_ceil(STEP), fine))
}

/// Fills the array that repeats some of the starts.
pub(in crate::map) fn fill_fences<B: Bits>(starts: &[B], fences: &mut [B]) {
    let Some((coarse, _)) = parts_of_fences(starts.len()) else { return };
    let every = |step| starts.iter().step_by(step);
    let (coarse, fine) = fences.split_at_mut(coarse);
    coarse.iter_mut().zip(every(STEP * STEP)).for_each(|(place, start)| *place = *start);
    fine.iter_mut().zip(every(STEP)).for_each(|(place, start)| *place = *start);
}

/// Cuts the addresses at the ends of all networks. Gives the start and the rule of each range in order. Two neighbours
/// have different rules.
fn cut<B: Bits>(nets: &[Net<B>], give: impl FnMut(B, Hit)) {
    let mut ranges = Ranges { last: None, given: Hit::NONE, give };
    // The networks that hold the current address, from the outermost to the innermost. Each has its last address and
    // the rule that counts in it.
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

/// Gives ranges in the order of their starts.
struct Ranges<B, F> {
    /// The range that began last. Another rule may still replace its rule at the same start.
    last: Option<(B, Hit)>,
    /// The rule of the range that was given last.
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

    /// The rule `hit` counts from `start` on. Starts come in order, and the same start again replaces the rule.
    fn begin(&mut self, start: B, hit: Hit) {
        if self.last.is_some_and(|(before, _)| before != start) {
            self.end();
        }
        self.last = Some((start, hit));
    }

    /// Gives the range that began last, unless it continues the range before it.
    fn end(&mut self) {
        if let Some((start, hit)) = self.last.take().filter(|(_, hit)| *hit != self.given) {
            (self.give)(start, hit);
            self.given = hit;
        }
    }
}

/// The ranges of a map, ready for look-ups.
#[derive(Clone, Copy)]
pub(in crate::map) struct View<'m, B: Bits> {
    /// The start of each range, in order. A range ends where the next one starts.
    pub starts: &'m [B],
    /// The rule that counts in each range.
    pub hits: &'m [Hit],
    /// Some of the starts once more: see [`fill_fences`].
    pub fences: &'m [B],
}

impl<B: Bits> View<'_, B> {
    /// The rule that counts for `address`.
    pub fn get(&self, address: B) -> Option<Hit> {
        let found = match parts_of_fences(self.starts.len()) {
            None => last(self.starts, address)?,
            Some((coarse, _)) => {
                let (coarse, fine) = self.fences.split_at_checked(coarse)?;
                let candidates = below(last_of_step(fine, below(last(coarse, address)?), address)?);
                // The rules of all candidates are fetched while their starts are compared.
                for part in self.hits.get(candidates.clone()).unwrap_or_default().chunks(HITS_IN_A_LINE) {
                    black_box(part[0].line);
                }
                last_of_step(self.starts, candidates, address)?
            }
        };
        // In a damaged file the arrays may have other lengths.
        self.hits.get(found)?.found()
    }
}

/// So many rules lie in a line of the processor's cache.
const HITS_IN_A_LINE: usize = 64 / size_of::<Hit>();

/// The places of what a fence stands for: starts, or finer fences.
fn below(fence: usize) -> Range<usize> {
    fence * STEP..(fence + 1) * STEP
}

/// The place of the last element that is not behind `address`. The elements are sorted.
fn last<B: Bits>(sorted: &[B], address: B) -> Option<usize> {
    sorted.partition_point(|start| *start <= address).checked_sub(1)
}

/// The same among the few elements at these places.
fn last_of_step<B: Bits>(sorted: &[B], places: Range<usize>, address: B) -> Option<usize> {
    let step = sorted.get(places.start..places.end.min(sorted.len()))?;
    let behind = step.iter().fold(0, |behind, start| behind + usize::from(*start <= address));
    (places.start + behind).checked_sub(1)
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
        fences: Vec<B>,
    }

    fn made<B: Bits>(nets: Vec<Net<B>>) -> Made<B> {
        let nets = Nets::of(nets);
        let (mut starts, mut hits) = (vec![B::zeroed(); nets.ranges()], vec![Hit::NONE; nets.ranges()]);
        let mut fences = vec![B::zeroed(); nets.fences()];
        nets.fill(&mut starts, &mut hits);
        fill_fences(&starts, &mut fences);
        Made { starts, hits, fences }
    }

    fn lookup<B: Bits>(made: &Made<B>, address: B) -> u32 {
        let view = View { starts: &made.starts, hits: &made.hits, fences: &made.fences };
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

    /// Around each length at which the fences get another element.
    #[test]
    fn any_number_of_ranges() {
        for count in (1..40).chain(100..140).chain(250..600).chain(4000..4200) {
            let ranges = made((0..count).map(|i| net(i << 8, 24, count - i)).collect());
            for i in 0..count {
                assert_eq!(lookup(&ranges, (i << 8) + 255), count - i, "{i} of {count}");
            }
            assert_eq!(lookup(&ranges, count << 8), 0, "{count}");
        }
        let behind_the_first = made((0..5000).map(|i| net((i + 9) << 8, 24, i + 1)).collect());
        assert_eq!(lookup(&behind_the_first, 0), 0);
    }

    /// Arrays of a damaged file, of any lengths.
    #[test]
    fn arrays_that_do_not_fit_each_other() {
        let whole = made((0..5000).map(|i| net(i << 8, 24, i + 1)).collect());
        for (starts, hits, fences) in
            [(300, 5000, 0), (5000, 0, 5), (5000, 9, 21), (700, 5000, 320), (0, 9, 9)]
        {
            let view = View {
                starts: &whole.starts[..starts],
                hits: &whole.hits[..hits],
                fences: &whole.fences[..fences.min(whole.fences.len())],
            };
            for i in 0..5001 {
                view.get(i << 8);
            }
        }
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
