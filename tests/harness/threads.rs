//! The threads of a server's children, and whether the kernel confines one of them.

use std::{
    fs,
    thread::sleep,
    time::{Duration, Instant},
};

use crate::Server;

/// What the kernel says about one thread: its LSM label, and whether it gave up new privileges, as every thread under
/// Landlock did (proc(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    label: String,
    no_new_privs: String,
}

impl Held {
    fn of(task: &str) -> Option<Self> {
        let status = fs::read_to_string(format!("{task}/status")).ok()?;
        let no_new_privs = status.lines().find(|line| line.starts_with("NoNewPrivs:"))?.to_owned();
        // If no LSM gives labels, there is nothing to read.
        let label = fs::read_to_string(format!("{task}/attr/current")).unwrap_or_default();
        Some(Self { label, no_new_privs })
    }
}

/// The children of a process, and their children.
pub(crate) fn descendants(pid: i32) -> Vec<i32> {
    let listed = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children: Vec<i32> = listed.split_whitespace().filter_map(|id| id.parse().ok()).collect();
    children.iter().flat_map(|child| [vec![*child], descendants(*child)].concat()).collect()
}

/// Whether a process is one that is in a context for good: a pool's.
fn is_of_a_pool(pid: i32) -> bool {
    let variables = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    String::from_utf8_lossy(&variables).contains("/run/confine-tmp/")
}

impl Server {
    /// The threads of the server's children that are confined in a way in which the server's first process is not,
    /// each with its confinement. Resting kept workers are among them.
    pub fn threads_in_a_context(&self) -> Vec<String> {
        let Some(server) = Held::of(&format!("/proc/{}", self.pid())) else { return Vec::new() };
        let mut found = Vec::new();
        for child in descendants(self.pid()).into_iter().filter(|child| !is_of_a_pool(*child)) {
            for task in fs::read_dir(format!("/proc/{child}/task")).into_iter().flatten().flatten() {
                let task = task.path().display().to_string();
                if let Some(held) = Held::of(&task).filter(|held| *held != server) {
                    found.push(format!("{task}: {held:?}"));
                }
            }
        }
        found
    }

    /// Fails the test unless, after a short time, no thread of a child is in a context.
    #[track_caller]
    pub(crate) fn expect_no_thread_in_a_context(&self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        let mut found = self.threads_in_a_context();
        while !found.is_empty() && Instant::now() < deadline {
            sleep(Duration::from_millis(20));
            found = self.threads_in_a_context();
        }
        assert!(found.is_empty(), "threads that stay in a context: {found:#?}\n{}", self.log());
    }
}
