//! Whether a server of this configuration runs while this process reads the configuration.
//!
//! `-t` and `-k graceful` read it to reload a running server. They must not fail for something that the running server
//! would outlive.

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
