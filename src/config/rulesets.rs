//! Who a ruleset belongs to: the server, or one virtual host. The rules of a virtual host find its own rulesets first.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use confine::{backends::Backends, lsm::landlock::RulesetSpec};

use super::{Written, WrittenRuleset};
use crate::httpd::server::{Server, ServerId};

/// The rulesets of a reading of the configuration, each with the name of its virtual host.
pub fn specs(main: &Server<'_>, written: &Written) -> Vec<RulesetSpec> {
    let names = names(main, written);
    let named = |ruleset: &WrittenRuleset| RulesetSpec {
        host: ruleset.host.and_then(|host| names.get(&host)).map(|name| name.as_str().into()),
        ..ruleset.spec.clone()
    };
    written.rulesets.iter().map(named).collect()
}

/// The backends as each virtual host with rulesets of its own sees them.
pub fn of_hosts(
    main: &Server<'_>,
    written: &Written,
    backends: &Backends,
) -> HashMap<ServerId, Arc<Backends>> {
    let names = names(main, written);
    names.into_iter().map(|(host, name)| (host, Arc::new(backends.of_host(&name)))).collect()
}

/// A name for each virtual host with rulesets. People know the host by it, and no other host has the same, because
/// workers of a context are told apart by the names of contexts.
fn names(main: &Server<'_>, written: &Written) -> HashMap<ServerId, String> {
    let has_some = |host: &Server<'_>| written.rulesets.iter().any(|ruleset| ruleset.host == Some(host.id()));
    let mut taken = BTreeSet::new();
    let mut names = HashMap::new();
    for host in main.with_hosts().into_iter().skip(1).filter(has_some) {
        let name = host.name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let port = host.addresses().first().and_then(|a| a.rsplit_once(':').map(|(_, port)| port.to_owned()));
        let with_port = format!("{name}:{}", port.unwrap_or_default());
        let numbered = (2..).map(|number| format!("{with_port}:{number}"));
        let mut all = [name, with_port.clone()].into_iter().chain(numbered).map(|name| plain(&name));
        if let Some(free) = all.find(|name| taken.insert(name.clone())) {
            names.insert(host.id(), free);
        }
    }
    names
}

/// The name without characters that separate contexts or cannot stand in a log.
fn plain(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
    name.chars().map(|c| if fits(c) { c } else { '_' }).collect()
}
