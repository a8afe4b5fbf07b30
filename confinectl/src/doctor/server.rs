//! Looks at the server: its program, its configuration as it reads it, and the server that runs.

use std::{collections::BTreeMap, ffi::OsStr, fs, path::Path, process::Output};

use confine::php;

use crate::{check::refusals, httpd};

use super::{
    facts::{Config, Running, Seen, Server, Unseen},
    gather::is_root,
    pools,
};

/// The places of mod_info, which makes the server print its directives: on Debian and on Fedora.
const INFO: [&str; 3] = [
    "/usr/lib/apache2/modules/mod_info.so",
    "/usr/lib64/httpd/modules/mod_info.so",
    "/usr/lib/httpd/modules/mod_info.so",
];

/// The server's program, and what it says.
pub fn look(program: Option<&Path>, config: Option<&Path>) -> Seen<Server> {
    let program = httpd::find(program).map_err(|(why, remedy)| Unseen::new(why, remedy))?;
    let version = run(&program, &["-v".as_ref()]).and_then(|output| version(&text(&output.stdout)));
    let (config, refuses) = match read_config(&program, config) {
        Ok(config) => (Ok(config), false),
        Err(NotRead { unseen, refused }) => (Err(unseen), refused && is_root()),
    };
    Ok(Server { version, config, refuses, program: program.display().to_string() })
}

fn run(program: &Path, arguments: &[&OsStr]) -> Seen<Output> {
    let output = httpd::command(program).args(arguments).output();
    output.map_err(|e| {
        Unseen::new(format!("{} cannot be run: {e}", program.display()), "name another with --httpd")
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `Server version: Apache/2.4.66 (Debian)`.
fn version(printed: &str) -> Seen<String> {
    let line = printed.lines().find_map(|l| l.strip_prefix("Server version:"));
    line.map(|v| v.trim().to_owned())
        .ok_or_else(|| Unseen::new("-v printed no version", "name the server's program with --httpd"))
}

/// Why there is no configuration.
struct NotRead {
    unseen: Unseen,
    /// The server ended as it does where a configuration is wrong.
    refused: bool,
}

/// Makes the server read its configuration and print the result.
fn read_config(program: &Path, config: Option<&Path>) -> Result<Config, NotRead> {
    let info = INFO.iter().find(|path| Path::new(path).is_file());
    let load = info.map(|path| format!("LoadModule info_module {path}"));
    let mut arguments: Vec<&OsStr> = ["-t", "-D", "DUMP_MODULES", "-D", "DUMP_CONFIG"].map(OsStr::new).into();
    // With this, the file of each module is named on standard error (AH01575).
    arguments.extend(["-e", "debug"].map(OsStr::new));
    if let Some(load) = &load {
        arguments.extend([OsStr::new("-C"), load.as_ref()]);
    }
    if let Some(config) = config {
        arguments.extend([OsStr::new("-f"), config.as_os_str()]);
    }
    let output = run(program, &arguments).map_err(|unseen| NotRead { unseen, refused: false })?;
    let complaints = text(&output.stderr);
    let modules = modules(&text(&output.stdout), &complaints);
    if !output.status.success() || modules.is_empty() {
        let why = why_refused(&complaints);
        let remedy = "correct the configuration (apachectl configtest), run this as root, or name another file \
                      with --config";
        let refused = output.status.code() == Some(1) && why.is_some();
        let why = why.unwrap_or_else(|| "the server printed no modules".to_owned());
        return Err(NotRead { unseen: Unseen::new(why, remedy), refused });
    }
    let directives = match info {
        Some(_) => Ok(directives(&text(&output.stdout))),
        None => Err(Unseen::new(
            format!("mod_info, which prints them, is not at {}", INFO.join(" or ")),
            "install it beside the server's other modules",
        )),
    };
    let php_threads = ["php_module", "php7_module"].iter().find_map(|m| modules.get(*m)).map(php_threads);
    let mail_fails = php::mail_fails(php::MAILER);
    let pools = pools::look(directives.as_deref().unwrap_or_default());
    Ok(Config { modules, directives, php_threads, pools, mail_fails })
}

/// What the server said last, with its place where it names one. That the check failed is said by everything else.
fn why_refused(complaints: &str) -> Option<String> {
    let lines = complaints.lines().map(str::trim);
    let said = lines.filter(|l| !l.is_empty() && !l.contains(":debug]") && !l.starts_with("AH00014: "));
    let said: Vec<_> = said.map(str::to_owned).collect();
    refusals(&said).last().map(ToString::to_string)
}

/// Reads ` event_module (shared)`. The log has the file of each module.
fn modules(printed: &str, log: &str) -> BTreeMap<String, Option<String>> {
    let file = |name: &str| {
        let said = format!(" loaded module {name} from ");
        log.lines().find_map(|line| line.split_once(&said)).map(|(_, file)| file.trim().to_owned())
    };
    let name = |line: &str| {
        let name = line.trim().strip_suffix(" (shared)").or_else(|| line.trim().strip_suffix(" (static)"))?;
        name.ends_with("_module").then(|| name.to_owned())
    };
    printed.lines().filter_map(name).map(|name| (name.clone(), file(&name))).collect()
}

/// Reads what mod_info prints: comments with files and lines, and the directives.
fn directives(printed: &str) -> Vec<(String, String)> {
    printed
        .lines()
        .map(str::trim)
        .take_while(|line| *line != "Loaded Modules:")
        .filter(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with("</"))
        .map(|line| line.split_once(char::is_whitespace).unwrap_or((line, "")))
        .map(|(name, arguments)| (name.to_owned(), arguments.trim().to_owned()))
        .collect()
}

/// Whether PHP's module was built for threads. Only such a module contains this function (PHP: TSRM/TSRM.c).
fn php_threads(file: &Option<String>) -> Seen<bool> {
    let unknown = |why: String| Unseen::new(why, "ask it: phpinfo() has a row Thread Safety");
    let file = file.as_ref().ok_or_else(|| unknown("the server did not say where the module is".into()))?;
    let bytes = fs::read(file).map_err(|e| unknown(format!("{file} cannot be read: {e}")))?;
    Ok(bytes.windows(SYMBOL.len()).any(|w| w == SYMBOL))
}

/// See [`php_threads`].
const SYMBOL: &[u8] = b"tsrm_get_ls_cache";

/// The running server: of all processes of this program, the one whose parent is not one of them.
pub fn running(proc: &Path, program: &str) -> Option<Running> {
    let name = Path::new(program).file_name()?.to_str()?;
    let mut parents = BTreeMap::new();
    for entry in fs::read_dir(proc).ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        if let Some((comm, parent)) = comm_and_parent(&stat) {
            if comm == name {
                parents.insert(pid, parent);
            }
        }
    }
    let pid = *parents.iter().find(|(_, parent)| !parents.contains_key(parent))?.0;
    let label = fs::read(proc.join(pid.to_string()).join("attr/current")).ok();
    let label = label.map(|l| text(&l).trim_end_matches(['\0', '\n']).to_owned()).filter(|l| !l.is_empty());
    Some(Running { pid, label })
}

/// Reads `PID (comm) state ppid ...`. The name can contain any character (man page proc_pid_stat(5)).
fn comm_and_parent(stat: &str) -> Option<(&str, u32)> {
    let (before, after) = stat.rsplit_once(')')?;
    let comm = before.split_once('(')?.1;
    Some((comm, after.split_whitespace().nth(1)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_servers_own() {
        let printed = "Server version: Apache/2.4.66 (Debian)\nServer built:   2026-01-01\n";
        assert_eq!(version(printed).as_deref(), Ok("Apache/2.4.66 (Debian)"));
        assert!(version("busybox").is_err());
    }

    #[test]
    fn modules_come_with_their_files() {
        let printed =
            "# In file: x\nLoaded Modules:\n core_module (static)\n php_module (shared)\nSyntax OK\n";
        let log = "[so:debug] mod_so.c(266): AH01575: loaded module php_module from /m/libphp8.2.so\n";
        let modules = modules(printed, log);
        assert_eq!(modules.len(), 2);
        assert_eq!(modules["core_module"], None);
        assert_eq!(modules["php_module"].as_deref(), Some("/m/libphp8.2.so"));
    }

    #[test]
    fn directives_are_read_without_comments_and_ends_of_sections() {
        let printed = "# In file: /x\n#   2:\nServerName localhost\n<Directory \"/srv\">\n  #  16:\n  ConfineContext \
                       landlock:x\n</Directory>\n\nLoaded Modules:\n core_module (static)\n";
        let expected =
            [("ServerName", "localhost"), ("<Directory", "\"/srv\">"), ("ConfineContext", "landlock:x")];
        assert_eq!(directives(printed), expected.map(|(n, a)| (n.to_owned(), a.to_owned())));
    }

    #[test]
    fn php_for_threads_is_told_by_its_symbol() {
        let d = tempfile::tempdir().expect("a directory");
        let file = d.path().join("libphp.so").display().to_string();
        for (bytes, threads) in [(&b"\0\0tsrm_get_ls_cache\0"[..], true), (b"\0php_execute\0", false)] {
            fs::write(&file, bytes).expect("a file");
            assert_eq!(php_threads(&Some(file.clone())), Ok(threads));
        }
        assert!(php_threads(&None).is_err());
        assert!(php_threads(&Some("/nonexistent".to_owned())).is_err());
    }

    #[test]
    fn the_running_server_is_the_parent_of_its_children() {
        let d = tempfile::tempdir().expect("a directory");
        for (pid, stat) in [
            ("9", "9 (apache2) S 12 1"),
            ("12", "12 (apache2) S 1 1"),
            ("13", "13 (x) (apache2) S 1 1"),
            ("self", "no"),
        ] {
            fs::create_dir_all(d.path().join(pid).join("attr")).expect("a directory");
            fs::write(d.path().join(pid).join("stat"), stat).expect("a file");
        }
        fs::write(d.path().join("12/attr/current"), "u:r:httpd_t:s0\0").expect("a file");
        let found = running(d.path(), "/usr/sbin/apache2").expect("a server");
        assert_eq!((found.pid, found.label.as_deref()), (12, Some("u:r:httpd_t:s0")));
        assert!(running(d.path(), "/usr/sbin/httpd").is_none());
    }
}
