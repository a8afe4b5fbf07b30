//! Who a ruleset belongs to: the server, or one virtual host. The rules of a virtual host find its own rulesets first.
//! Where `ConfineMode learn` stands, a rule may name a ruleset that is still to be made.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::PathBuf,
    sync::Arc,
};

use confine::{
    ContextList,
    backends::Backends,
    context::BackendName,
    lsm::landlock::{RulesetSpec, check_name},
};

use super::{Servers, Written, WrittenRule, WrittenRuleset, WrittenSource};
use crate::httpd::{
    config_tree,
    server::{Server, ServerId},
};

/// The rulesets of a reading of the configuration, each with the name of its virtual host, and those that are still to
/// be made, which grant nothing.
pub fn specs(main: &Server<'_>, written: &Written) -> Vec<RulesetSpec> {
    let mut all = defined(main, written);
    all.extend(undefined(main, written));
    all
}

/// The rulesets that rules name where `ConfineMode learn` stands, and that have no section yet.
pub fn undefined(main: &Server<'_>, written: &Written) -> Vec<RulesetSpec> {
    let mut found = BTreeMap::new();
    if written.learning.is_empty() {
        return Vec::new();
    }
    let servers = Servers::of(main);
    for rule in written.rules.iter().filter(|rule| learns(main, written, rule.server)) {
        for name in named(rule, &servers) {
            let is_there = written.rulesets.iter().any(|ruleset| {
                *ruleset.spec.name == *name && ruleset.host.is_none_or(|host| host == rule.server)
            });
            if !is_there && check_name(&name).is_ok() {
                found.entry(name).or_insert_with(|| rule.origin.clone());
            }
        }
    }
    found.into_iter().map(|(name, origin)| RulesetSpec::new(&name, origin)).collect()
}

/// The full names of the rulesets that requests may be learned for: those of virtual hosts in which `ConfineMode learn`
/// stands, or whose rules can name them.
pub fn learned(main: &Server<'_>, written: &Written) -> BTreeSet<String> {
    let servers = Servers::of(main);
    let names = names(main, written);
    let hosts: BTreeSet<_> = names
        .iter()
        .filter(|(host, _)| learns(main, written, **host))
        .map(|(_, name)| name.as_str())
        .collect();
    let rules = || written.rules.iter().filter(|rule| learns(main, written, rule.server));
    let any = rules().any(|rule| !matches!(rule.source, WrittenSource::Constant(_)));
    let named: BTreeSet<_> = rules().flat_map(|rule| named(rule, &servers)).collect();
    let wanted = |spec: &RulesetSpec| match &spec.host {
        Some(host) => hosts.contains(&**host),
        None => any || named.contains(&*spec.name),
    };
    specs(main, written).iter().filter(|spec| wanted(spec)).map(RulesetSpec::full_name).collect()
}

/// Whether `ConfineMode learn` stands in this server section, or in the main one, from which others inherit.
fn learns(main: &Server<'_>, written: &Written, server: ServerId) -> bool {
    [server, main.id()].iter().any(|server| written.learning.contains(server))
}

/// The rulesets that the words of a rule name.
fn named(rule: &WrittenRule, servers: &Servers<'_>) -> Vec<String> {
    let WrittenSource::Constant(words) = &rule.source else { return Vec::new() };
    // A fault of the words is told where the rule is made.
    match ContextList::parse(words.iter().map(String::as_str), rule.backend(servers)) {
        Ok(ContextList::Contexts(contexts)) => contexts
            .iter()
            .filter(|context| context.backend == BackendName::LANDLOCK)
            .map(|context| context.text.to_string())
            .collect(),
        Ok(ContextList::Unconfined) | Err(_) => Vec::new(),
    }
}

/// The folder of the files of learned rulesets: below `DefaultRuntimeDir`, unless `ConfineLearnFolder` says otherwise.
pub fn learn_folder(main: &Server<'_>, written: &Written) -> PathBuf {
    let own = || config_tree::below_runtime_folder(main, c"confine-learned").unwrap_or_default();
    written.learn_folder.clone().unwrap_or_else(own)
}

fn defined(main: &Server<'_>, written: &Written) -> Vec<RulesetSpec> {
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
