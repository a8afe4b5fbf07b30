//! All rules of a map at once: which is the first that matches?
//!
//! A map of a million lines has few ways to match one request: its user's name, its address under each
//! prefix length that the map uses, its virtual host, and the two words for everybody. Each is one
//! probe of a hash table; the lowest line wins.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    net::IpAddr,
    ops::BitAnd,
};

use ipnet::IpNet;

use super::{
    Hit, glob,
    subject::{MAX_HOST, MapSubject},
};
use crate::Subject;

/// The rules of a map by what they match. Of several for the same subject it holds the first.
#[derive(Default)]
pub(super) struct Index {
    users: HashMap<Box<[u8]>, Hit>,
    /// Names in lower case.
    hosts: HashMap<Box<[u8]>, Hit>,
    v4: Nets<u32>,
    v6: Nets<u128>,
    /// In the order of their lines.
    paths: Vec<(Box<str>, Hit)>,
    anonymous: Option<Hit>,
    any: Option<Hit>,
}

impl Index {
    /// Adds a rule. Rules come in the order of their lines. If an earlier one has the same subject,
    /// that one stays and is returned.
    pub fn insert(&mut self, subject: MapSubject<'_>, hit: Hit) -> Option<Hit> {
        match subject {
            MapSubject::User(name) => first(self.users.entry(name.into()), hit),
            MapSubject::Host(name) => first(self.hosts.entry(name.to_ascii_lowercase().into()), hit),
            MapSubject::Net(net) => match net.addr() {
                IpAddr::V4(a) => self.v4.insert(a.into(), net.prefix_len(), hit),
                IpAddr::V6(a) => self.v6.insert(a.into(), net.prefix_len(), hit),
            },
            MapSubject::Path(pattern) => {
                let earlier = self.paths.iter().find(|(p, _)| &**p == pattern).map(|(_, hit)| *hit);
                if earlier.is_none() {
                    self.paths.push((pattern.into(), hit));
                }
                earlier
            }
            MapSubject::Anonymous => first_of_one(&mut self.anonymous, hit),
            MapSubject::Any => first_of_one(&mut self.any, hit),
        }
    }

    /// The rule of the lowest line that matches. Allocates nothing.
    pub fn lookup(&self, subject: &Subject<'_>) -> Option<Hit> {
        let who = match subject.user {
            Some(name) => self.users.get(name).copied(),
            None => self.anonymous,
        };
        let best = lower(lower(self.any, who), subject.host.and_then(|name| self.host(name)));
        let best = match subject.addr.map(|a| a.to_canonical()) {
            Some(IpAddr::V4(a)) => self.v4.lookup(a.into(), 32, best),
            Some(IpAddr::V6(a)) => self.v6.lookup(a.into(), 128, best),
            None => best,
        };
        lower(best, subject.path.and_then(|path| self.path(path, best)))
    }

    /// The first pattern that matches `path`, if it comes before `best`.
    fn path(&self, path: &[u8], best: Option<Hit>) -> Option<Hit> {
        let before = |hit: &Hit| best.is_none_or(|b| hit.line < b.line);
        let mut candidates = self.paths.iter().take_while(|(_, hit)| before(hit));
        candidates.find(|(pattern, _)| glob::matches(pattern, path)).map(|(_, hit)| *hit)
    }

    /// The rule of the lowest line that matches all that a rule for `subject` matches; the rule for
    /// `subject` itself may be the one.
    pub fn covering(&self, subject: MapSubject<'_>) -> Option<Hit> {
        match subject {
            MapSubject::User(name) => lower(self.any, self.users.get(name).copied()),
            MapSubject::Host(name) => lower(self.any, self.host(name)),
            MapSubject::Net(net) => match net.addr() {
                IpAddr::V4(a) => self.v4.lookup(a.into(), net.prefix_len(), self.any),
                IpAddr::V6(a) => self.v6.lookup(a.into(), net.prefix_len(), self.any),
            },
            MapSubject::Path(pattern) => {
                lower(self.any, self.paths.iter().find(|(p, _)| &**p == pattern).map(|(_, hit)| *hit))
            }
            MapSubject::Anonymous => lower(self.any, self.anonymous),
            MapSubject::Any => self.any,
        }
    }

    /// Every subject with its first rule, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (MapSubject<'_>, Hit)> {
        let users = self.users.iter().map(|(name, hit)| (MapSubject::User(name), *hit));
        let hosts = self.hosts.iter().map(|(name, hit)| (MapSubject::Host(name), *hit));
        let v4 = self.v4.iter().map(|(bits, prefix, hit)| (IpAddr::V4(bits.into()), prefix, hit));
        let v6 = self.v6.iter().map(|(bits, prefix, hit)| (IpAddr::V6(bits.into()), prefix, hit));
        let nets = v4.chain(v6).filter_map(|(address, prefix, hit)| {
            Some((MapSubject::Net(IpNet::new(address, prefix).ok()?), hit))
        });
        let anonymous = self.anonymous.map(|hit| (MapSubject::Anonymous, hit));
        let any = self.any.map(|hit| (MapSubject::Any, hit));
        let paths = self.paths.iter().map(|(pattern, hit)| (MapSubject::Path(pattern), *hit));
        users.chain(hosts).chain(nets).chain(paths).chain(anonymous).chain(any)
    }

    /// The rule for a virtual host, in any case, with or without the dot at its end.
    fn host(&self, name: &[u8]) -> Option<Hit> {
        if self.hosts.is_empty() {
            return None;
        }
        let name = name.strip_suffix(b".").unwrap_or(name);
        let mut buffer = [0; MAX_HOST];
        // A longer name is in no map.
        let lower = buffer.get_mut(..name.len())?;
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        self.hosts.get(&*lower).copied()
    }
}

/// Fills a vacant entry; of an occupied one says what is there.
fn first<K>(entry: Entry<'_, K, Hit>, hit: Hit) -> Option<Hit> {
    match entry {
        Entry::Occupied(earlier) => Some(*earlier.get()),
        Entry::Vacant(vacant) => {
            vacant.insert(hit);
            None
        }
    }
}

/// The same for a subject of which there is only one.
fn first_of_one(slot: &mut Option<Hit>, hit: Hit) -> Option<Hit> {
    if slot.is_none() {
        *slot = Some(hit);
        return None;
    }
    *slot
}

/// The one on the lower line.
fn lower(a: Option<Hit>, b: Option<Hit>) -> Option<Hit> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.line < a.line { b } else { a }),
        (a, b) => a.or(b),
    }
}

/// The bits of an address.
trait Bits: Copy + Eq + Hash + BitAnd<Output = Self> {
    /// The first `prefix` bits set.
    fn mask(prefix: u8) -> Self;
}

impl Bits for u32 {
    fn mask(prefix: u8) -> Self {
        Self::MAX.checked_shl(32_u32.saturating_sub(prefix.into())).unwrap_or(0)
    }
}

impl Bits for u128 {
    fn mask(prefix: u8) -> Self {
        Self::MAX.checked_shl(128_u32.saturating_sub(prefix.into())).unwrap_or(0)
    }
}

/// The networks of one family: a table for each prefix length that occurs, in the order of their
/// first lines.
struct Nets<B> {
    tables: Vec<Table<B>>,
}

/// The networks of one prefix length.
struct Table<B> {
    prefix: u8,
    mask: B,
    /// The lowest line in this table.
    first: u32,
    nets: HashMap<B, Hit>,
}

impl<B> Default for Nets<B> {
    fn default() -> Self {
        Self { tables: Vec::new() }
    }
}

impl<B: Bits> Nets<B> {
    fn insert(&mut self, bits: B, prefix: u8, hit: Hit) -> Option<Hit> {
        if let Some(table) = self.tables.iter_mut().find(|t| t.prefix == prefix) {
            return first(table.nets.entry(bits), hit);
        }
        let nets = HashMap::from([(bits, hit)]);
        self.tables.push(Table { prefix, mask: B::mask(prefix), first: hit.line, nets });
        None
    }

    /// The lowest of `best` and the networks of at most `longest` bits that hold `bits`.
    fn lookup(&self, bits: B, longest: u8, mut best: Option<Hit>) -> Option<Hit> {
        for table in &self.tables {
            if best.is_some_and(|b| b.line < table.first) {
                break;
            }
            if table.prefix <= longest {
                best = lower(best, table.nets.get(&(bits & table.mask)).copied());
            }
        }
        best
    }

    fn iter(&self) -> impl Iterator<Item = (B, u8, Hit)> {
        self.tables.iter().flat_map(|t| t.nets.iter().map(|(bits, hit)| (*bits, t.prefix, *hit)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_at_both_ends() {
        assert_eq!((u32::mask(0), u32::mask(8), u32::mask(32)), (0, 0xFF00_0000, u32::MAX));
        assert_eq!((u128::mask(0), u128::mask(1), u128::mask(128)), (0, 1 << 127, u128::MAX));
    }
}
