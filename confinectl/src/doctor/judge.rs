//! Makes findings from facts. It changes nothing.
//!
//! A fault of an LSM is an error if the configuration uses that LSM. It is a warning if the configuration does not
//! use it or could not be read.

mod backends;
mod pools;
mod server;

use super::{Diagnosis, facts::Facts};
use backends::Used;

/// All findings.
pub fn judge(facts: &Facts) -> Diagnosis {
    let mut d = Diagnosis::default();
    let config = facts.server.as_ref().ok().and_then(|s| s.config.as_ref().ok());
    if let Some(release) = d.seen("kernel", "its release", &facts.kernel) {
        d.ok("kernel", format!("Linux {release}"));
    }
    if let Some(modules) = d.seen("kernel", "the active security modules", &facts.modules) {
        d.ok("kernel", format!("active security modules: {}", modules.join(",")));
    }
    backends::backends(&mut d, facts, &Used::of(config));
    server::server(&mut d, &facts.server, facts.running.as_ref());
    if let Some(config) = config {
        server::config(&mut d, config);
        pools::pools(&mut d, config);
    }
    server::limits(&mut d, &facts.limits, config);
    d
}

#[cfg(test)]
mod tests;
