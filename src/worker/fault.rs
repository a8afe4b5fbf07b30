//! Panics on demand, for tests. Without the feature this does nothing.

use crate::httpd::request::Request;

#[cfg(feature = "fault-injection")]
fn at(r: &Request<'_>, here: crate::config::Fault) {
    let set = crate::config::DirectoryConfig::of(r).and_then(|d| d.settings.fault);
    assert!(set != Some(here), "ConfineFault says so");
}

/// `ConfineFault panic-in-gate`.
pub fn at_gate(_r: &Request<'_>) {
    #[cfg(feature = "fault-injection")]
    at(_r, crate::config::Fault::Gate);
}

/// `ConfineFault panic-in-worker` and `ConfineFault no-memory-in-worker`.
pub fn at_worker(_r: &Request<'_>) {
    #[cfg(feature = "fault-injection")]
    {
        at(_r, crate::config::Fault::Worker);
        let set = crate::config::DirectoryConfig::of(_r).and_then(|d| d.settings.fault);
        if set == Some(crate::config::Fault::Memory) {
            crate::thread::apr_thread::ask_for_too_much(_r);
        }
    }
}

/// `ConfineFault panic-in-move`.
pub fn at_move(_r: &Request<'_>) {
    #[cfg(feature = "fault-injection")]
    at(_r, crate::config::Fault::Move);
}
