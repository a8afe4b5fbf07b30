//! Two tenants whose PHP runs in processes of their own: `/alice/...` and `/bob/...`.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::{Cell, Server, ServerBuilder, platform};

/// PHP's program that speaks FastCGI.
pub const PHP_CGI: &str = "/usr/bin/php-cgi";

/// What `data/alice/secret` and `data/bob/secret` say.
pub const SECRET_OF_ALICE: &str = "alice's secret";
/// See [`SECRET_OF_ALICE`].
pub const SECRET_OF_BOB: &str = "bob's secret";

/// Whether tests of pools can run: they need a server that root starts.
pub fn can_have_pools() -> bool {
    if platform::is_root() {
        return true;
    }
    println!("not run: pools of processes need a server that root starts");
    false
}

/// Waits until this is so; a busy machine is given half a minute.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(30), "not within 30 s: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// A server with a pool of PHP for each tenant. `section` stands in `<ConfineFastCGI php>`.
pub fn two_pools(cell: Cell, section: &str) -> ServerBuilder {
    pools_of(cell, &format!("Program {PHP_CGI}\n{section}"), "php-cgi")
}

/// The same with any program, which serves files that end with `.php` too.
pub fn pools_of(cell: Cell, section: &str, include: &str) -> ServerBuilder {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf/landlock");
    let mut builder = cell
        .server()
        .modules(["proxy", "proxy_fcgi", "rewrite", "setenvif", "include", "dir"])
        .config(format!("ConfineBackend landlock\nLandlockIncludeDir \"{}\"", shipped.display()))
        .config(format!("<ConfineFastCGI php>\n{section}\n</ConfineFastCGI>"))
        .config("<FilesMatch \"\\.php$\">\nSetHandler confine-fastcgi:php\n</FilesMatch>");
    for (tenant, secret) in [("alice", SECRET_OF_ALICE), ("bob", SECRET_OF_BOB)] {
        builder = builder
            .ruleset(
                tenant,
                &format!(
                    "LandlockInclude {include}\nLandlockRead \"@root@/www/{tenant}\" \"@root@/data/{tenant}\"\n\
                     LandlockWrite \"@root@/data/{tenant}\"\nLandlockExecute \"@root@/bin\""
                ),
            )
            .folder("bin")
            .writable_folder(&format!("data/{tenant}"))
            .file(&format!("data/{tenant}/secret"), secret)
            .folder(&format!("www/{tenant}"))
            .location(&format!("/{tenant}"), &format!("ConfineContext landlock:{tenant}"))
            .directory(&format!("www/{tenant}"), "AllowOverride All\nOptions +Includes");
    }
    builder
}

/// A script that runs `code`, and says what failed.
pub fn php(code: &str) -> String {
    format!(
        "<?php header('Content-Type: text/plain'); error_reporting(E_ALL); ini_set('display_errors', '1');\n{code}\n"
    )
}

impl Server {
    /// The process that starts programs: the one child of the server that has another name.
    #[track_caller]
    pub fn manager_of_pools(&self) -> i32 {
        let list = format!("/proc/{0}/task/{0}/children", self.pid());
        let children = std::fs::read_to_string(&list).unwrap_or_else(|e| panic!("{list}: {e}"));
        let name = |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let mut pids = children.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok());
        pids.find(|pid| name(pid) == "confine-pools\n").unwrap_or_else(|| panic!("no manager: {children}"))
    }

    /// The processes of a pool's program that run now: each one's id and the folder of its temporary files.
    pub fn processes_of(&self, program: &str) -> Vec<(i32, String)> {
        let root = self.path("").display().to_string();
        let entries = std::fs::read_dir("/proc").unwrap_or_else(|e| panic!("/proc: {e}"));
        let mut found = Vec::new();
        for entry in entries.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            let read = |file: &str| std::fs::read(entry.path().join(file)).unwrap_or_default();
            let (line, variables) = (read("cmdline"), read("environ"));
            let variables = String::from_utf8_lossy(&variables).into_owned();
            let temporary = variables.split('\0').find_map(|variable| variable.strip_prefix("TMPDIR="));
            if let Some(temporary) = temporary.filter(|temporary| temporary.starts_with(&root)) {
                if String::from_utf8_lossy(&line).contains(program) {
                    found.push((pid, temporary.to_owned()));
                }
            }
        }
        found
    }
}
