//! `ConfineServerContext`: the server's own process moves, once, before it makes children.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use confine::{
    backends::Backends,
    context::ContextList,
    lsm::{
        Enter, Moved, NoValues,
        selinux::{SecurityContext, Selinux},
    },
};

use crate::{
    config::{Faults, ServerConfig, Written, WrittenServerContext},
    httpd::{hooks, server::Server},
    startup::prepare,
};

/// The server's context under the reference policy. `-t` asks about it, because an administrator's shell runs `-t` in
/// a domain of its own.
const USUAL_CONTEXT: &str = "system_u:system_r:httpd_t:s0";

/// Checks the context to which the server will move. The result is the backends as the server will see them from
/// there. If no such context is configured, they are as the server sees them now.
pub fn check(main: &Server<'_>, config: &ServerConfig<'_>, written: &Written) -> Result<Backends, Faults> {
    let mut backends = prepare::backends(main, written)?;
    if let Some(usual) = SecurityContext::parse(USUAL_CONTEXT).filter(|_| hooks::only_testing()) {
        if Selinux::new().own().is_ok_and(|own| own.domain != usual.domain) {
            backends.put(Box::new(Selinux::assuming(usual)));
        }
    }
    let Some(context) = &written.server_context else { return Ok(backends) };
    let list = list(context, config)?;
    backends.server_moves(&list).map_err(|e| fault(context, &e))?;
    for moved in backends.after(&list, Moved::Server) {
        backends.put(moved);
    }
    Ok(backends)
}

/// Moves the server. A restart calls this again in the same process, so it is no error if the server is there
/// already.
pub fn enter(main: &Server<'_>, config: &ServerConfig<'_>, written: &Written) -> Result<(), Faults> {
    static THERE: Mutex<Option<Vec<String>>> = Mutex::new(None);
    let Some(context) = &written.server_context else { return Ok(()) };
    let mut there = THERE.lock().unwrap_or_else(PoisonError::into_inner);
    if there.as_ref() == Some(&context.words) {
        return Ok(());
    }
    let list = list(context, config)?;
    let backends = prepare::backends(main, written)?;
    for step in backends.server_moves(&list).map_err(|e| fault(context, &e))? {
        let ready = step.ready(&NoValues).map_err(|e| fault(context, &e))?;
        ready.enter().map_err(|e| fault(context, &e))?;
    }
    *there = Some(context.words.clone());
    Ok(())
}

fn list(context: &WrittenServerContext, config: &ServerConfig<'_>) -> Result<ContextList, Faults> {
    ContextList::parse(context.words.iter().map(String::as_str), config.backend())
        .map_err(|e| fault(context, &e))
}

fn fault(context: &WrittenServerContext, why: &dyn fmt::Display) -> Faults {
    vec![format!("{}: {}: {why}", context.origin, context.directive)]
}
