//! Whether a server with this configuration is running while this process reads the configuration.
//!
//! `-t` and `-k graceful` read it to reload a running server. They must not fail for a fault that the running server
//! survives.

use std::fs;

use crate::httpd::{config_tree, server::Server};

/// Whether the process that PidFile names is the same program as this one.
pub fn server_runs(main: &Server<'_>) -> bool {
    let written = || {
        let line = config_tree::lines(main, c"PidFile").pop()?;
        let file = config_tree::below_server_root(main, line.words.first()?)?;
        fs::read_to_string(file).ok()?.trim().parse::<u32>().ok()
    };
    let program = |process: String| fs::read_link(format!("/proc/{process}/exe")).ok();
    written()
        .is_some_and(|pid| program(pid.to_string()).is_some_and(|it| Some(it) == program("self".to_owned())))
}
