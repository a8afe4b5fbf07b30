//! Panics on demand, for tests of what happens then. Without the feature nothing of this exists.

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

/// `ConfineFault panic-in-worker`.
pub fn at_worker(_r: &Request<'_>) {
    #[cfg(feature = "fault-injection")]
    at(_r, crate::config::Fault::Worker);
}

/// `ConfineFault panic-in-move`.
pub fn at_move(_r: &Request<'_>) {
    #[cfg(feature = "fault-injection")]
    at(_r, crate::config::Fault::Move);
}
