//! Whose rulesets are: the server's, or those of a virtual host, which are found first by the rules of that host.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use apache_sys as sys;
use confine::{backends::Backends, lsm::landlock::RulesetSpec};

use crate::{config::Generation, httpd::server::Server};

/// The rulesets of a reading of the configuration, each with the name of its virtual host.
pub fn specs(main: &Server<'_>, generation: &Generation) -> Vec<RulesetSpec> {
    let names = names(main, generation);
    let named = |written: &crate::config::WrittenRuleset| RulesetSpec {
        host: names.get(&written.host).map(|name| name.as_str().into()),
        ..written.spec.clone()
    };
    generation.rulesets.iter().map(named).collect()
}

/// The backends as the virtual hosts see them that have rulesets of their own.
pub fn of_hosts(
    main: &Server<'_>,
    generation: &Generation,
    backends: &Backends,
) -> HashMap<*mut sys::server_rec, Arc<Backends>> {
    let names = names(main, generation);
    names.into_iter().map(|(host, name)| (host, Arc::new(backends.of_host(&name)))).collect()
}

/// A name for each virtual host with rulesets, by which people know it and no other is called: kept workers are told
/// apart by the names of contexts.
fn names(main: &Server<'_>, generation: &Generation) -> HashMap<*mut sys::server_rec, String> {
    let has_some =
        |host: &Server<'_>| generation.rulesets.iter().any(|written| written.host == host.as_ptr());
    let mut taken = BTreeSet::new();
    let mut names = HashMap::new();
    for host in main.with_hosts().into_iter().skip(1).filter(has_some) {
        let name = host.name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let port = host.addresses().first().and_then(|a| a.rsplit_once(':').map(|(_, port)| port.to_owned()));
        let with_port = format!("{name}:{}", port.unwrap_or_default());
        let numbered = (2..).map(|number| format!("{with_port}:{number}"));
        let mut all = [name, with_port.clone()].into_iter().chain(numbered).map(|name| plain(&name));
        if let Some(free) = all.find(|name| taken.insert(name.clone())) {
            names.insert(host.as_ptr(), free);
        }
    }
    names
}

/// A name without what separates contexts, or could not stand in a log.
fn plain(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
    name.chars().map(|c| if fits(c) { c } else { '_' }).collect()
}
