//! The contexts of a map, and which backends can check them.

use std::{collections::BTreeMap, sync::Arc};

use confine::{
    Context, ContextList,
    backends::Backends,
    context::BackendName,
    lsm::{Backend, PrepareError, apparmor::AppArmor, landlock, selinux::Selinux, tomoyo::Tomoyo},
    map::Map,
};

use super::Assumed;

/// Each context once, with the first line that gives it, in the order of the lines.
pub fn distinct_contexts(map: &Map) -> Vec<(Context, u32)> {
    let mut first = BTreeMap::new();
    for list in map.lists() {
        if let ContextList::Contexts(contexts) = &list.contexts {
            for context in contexts {
                first.entry(context.to_string()).or_insert((context.clone(), list.first_line));
            }
        }
    }
    let mut contexts: Vec<_> = first.into_values().collect();
    contexts.sort_by_key(|(_, line)| *line);
    contexts
}

/// What checks the contexts of a backend here, and how; or why nothing does.
pub fn checker(name: BackendName, assumed: &Assumed) -> Result<(Arc<dyn Backend>, String), String> {
    let Assumed { server_context: server, server_domain: domain, .. } = assumed;
    if name == BackendName::SELINUX {
        // This process is not the server, so its own context and its own moves prove nothing.
        let backend = Selinux::assuming(server.clone());
        backend.active().map_err(|inactive| inactive.to_string())?;
        return Ok((Arc::new(backend), format!("against the loaded policy, for a server in {server}")));
    }
    if name == BackendName::APPARMOR {
        let backend = AppArmor::of_another_process();
        backend.active().map_err(|inactive| inactive.to_string())?;
        return Ok((
            Arc::new(backend),
            "against the loaded profiles, not whether the server may go there".to_owned(),
        ));
    }
    if name == BackendName::TOMOYO {
        let backend = Tomoyo::assuming(domain.clone());
        backend.active().map_err(|inactive| inactive.to_string())?;
        let how = format!("against the loaded policy, for a server in {domain}");
        return Ok((Arc::new(backend), how));
    }
    if name == BackendName::LANDLOCK {
        return Err("what they name is in the server's configuration, not in the map; check that with confinectl check \
                    and no map"
            .to_owned());
    }
    let backends = Backends::new(Vec::new()).ok().and_then(|backends| backends.into_one(name));
    let backend = backends.ok_or_else(|| format!("this build has no backend {name}"))?;
    backend.active().map_err(|inactive| inactive.to_string())?;
    Ok((backend, "as this process sees them".to_owned()))
}

/// Whether `text` has the form of contexts of this backend. This needs no kernel.
pub fn form(name: BackendName, text: &str, assumed: &Assumed) -> Result<(), PrepareError> {
    match name {
        BackendName::SELINUX => Selinux::assuming(assumed.server_context.clone()).resolve(text).map(drop),
        BackendName::APPARMOR => AppArmor::check_form(text),
        BackendName::TOMOYO => Tomoyo::assuming(assumed.server_domain.clone()).resolve(text).map(drop),
        BackendName::LANDLOCK => landlock::check_name(text),
        _ => Ok(()),
    }
}
