//! What applications often fail at, for `confinectl check`.

use confine::hints;

use super::pools;
use crate::{
    config::{Policy, ServerConfig, Workers, Written, rulesets},
    httpd::{config_tree, hooks, server::Server},
};

/// All hints. A hint about one directive begins with its file and line.
pub fn of(main: &Server<'_>, written: &Written, policy: &Policy) -> Vec<String> {
    let mut all = Vec::new();
    if policy.php.is_some() {
        for spec in rulesets::specs(main, written) {
            all.extend(hints::of_php(&spec).into_iter().map(|(origin, text)| format!("{origin}: {text}")));
        }
        all.extend(config_tree::lines(main, c"ThreadStackSize").iter().filter_map(|line| {
            let bytes = line.words.first()?.to_str().ok()?.parse().ok()?;
            let (text, remedy) = hints::php_stack(bytes)?;
            Some(format!("{}: {text}; {remedy}", line.origin))
        }));
    }
    let one_time = |server: &Server<'_>| {
        ServerConfig::of(server).is_some_and(|c| c.has_rules && c.workers() == Workers::OneTime)
    };
    all.extend(pools::notes(main, written, policy));
    if hooks::module_loaded(c"mod_wsgi.c") && main.with_hosts().iter().any(one_time) {
        all.push(format!("{}; {}", hints::WSGI_ONE_TIME, hints::WSGI_REMEDY));
    }
    all
}
