//! Finds rules that can never match, because one earlier rule matches all their requests. It is for tools.

use std::{collections::HashMap, net::IpAddr};

use ipnet::IpNet;

use super::{syntax::subject::MapSubject, table::Hit};

/// The rules so far, by their subjects.
#[derive(Default)]
pub struct Cover {
    /// Users, virtual hosts in lower case, and patterns, each in the form of a map.
    words: HashMap<String, Hit>,
    /// The first addresses of the networks, for each prefix length that is in use.
    nets: HashMap<(bool, u8), HashMap<IpAddr, Hit>>,
    any: Option<Hit>,
}

impl Cover {
    /// Adds the next rule. Gives the first earlier rule that alone matches all requests of this rule, with its subject.
    /// That subject is the same one, or `*`, or a network that holds the address.
    pub fn add<'a>(&mut self, subject: MapSubject<'a>, hit: Hit) -> Option<(MapSubject<'a>, Hit)> {
        let any = self.any.map(|hit| (MapSubject::Any, hit));
        let found = match subject {
            MapSubject::Any => None,
            MapSubject::Net(net) => self.holding(net).map(|(net, hit)| (MapSubject::Net(net), hit)),
            named => self.words.get(&key(named)).map(|hit| (subject, *hit)),
        };
        match subject {
            MapSubject::Any => {
                self.any.get_or_insert(hit);
            }
            MapSubject::Net(net) => {
                let nets = self.nets.entry((net.addr().is_ipv4(), net.prefix_len())).or_default();
                nets.entry(net.addr()).or_insert(hit);
            }
            named => {
                self.words.entry(key(named)).or_insert(hit);
            }
        }
        [any, found].into_iter().flatten().min_by_key(|(_, hit)| hit.line)
    }

    /// The first network that holds `net`.
    fn holding(&self, net: IpNet) -> Option<(IpNet, Hit)> {
        let wider = (0..=net.prefix_len()).filter_map(|prefix| {
            let nets = self.nets.get(&(net.addr().is_ipv4(), prefix))?;
            let outer = IpNet::new(net.addr(), prefix).ok()?.trunc();
            nets.get(&outer.addr()).map(|hit| (outer, *hit))
        });
        wider.min_by_key(|(_, hit)| hit.line)
    }
}

/// A text that is the same for equal subjects, and only for them.
fn key(subject: MapSubject<'_>) -> String {
    match subject {
        MapSubject::Host(name) => MapSubject::Host(&name.to_ascii_lowercase()).to_string(),
        MapSubject::UserInAnyCase(name) => MapSubject::UserInAnyCase(&name.to_ascii_lowercase()).to_string(),
        other => other.to_string(),
    }
}
