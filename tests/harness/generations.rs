//! Children from before a restart, and whether they still accept connections.
//!
//! httpd says that it goes on when it has read its configuration again and has told its children to end. A child that
//! the machine keeps waiting has not heard of that yet, and answers one more request with the old configuration.

use std::{fs, path::Path};

use crate::{Server, threads::descendants};

/// The children of a generation.
pub(crate) struct Generation(Vec<i32>);

impl Server {
    /// The children that there are now.
    pub(crate) fn generation(&self) -> Generation {
        Generation(descendants(self.pid()))
    }

    /// Whether one of these children can accept a connection to the server's port. Where nobody may look at what a
    /// child has open, a child can as long as it lives.
    pub(crate) fn is_served_by(&self, generation: &Generation) -> bool {
        let sockets = listening(self.port());
        generation.0.iter().any(|child| match fs::read_dir(format!("/proc/{child}/fd")) {
            Ok(open) => open
                .flatten()
                .filter_map(|descriptor| fs::read_link(descriptor.path()).ok())
                .any(|target| sockets.iter().any(|socket| target == Path::new(socket))),
            Err(_) => is_alive(*child),
        })
    }
}

/// The sockets that listen on this port, as links in /proc name them (proc_pid_fd(5), proc_pid_net(5)).
fn listening(port: u16) -> Vec<String> {
    const LISTENS: &str = "0A";
    let tables =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let ends = format!(":{port:04X}");
    let socket = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let listens = words.get(1)?.ends_with(&ends) && *words.get(3)? == LISTENS;
        listens.then(|| Some(format!("socket:[{}]", words.get(9)?))).flatten()
    };
    tables.iter().flat_map(|table| table.lines().filter_map(socket)).collect()
}

fn is_alive(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A child that ended waits for its parent to notice.
    status.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}
