//! The processes of one context are out of reach for everybody else: their sockets, whoever names them, and they
//! themselves.

use std::{fs, os::unix::fs::symlink, path::PathBuf};

use confine_tests::{Cell, Server, matrix, pools::*, tenants::Expectations};

const WHO: &str = "echo $_SERVER['CONFINE_CONTEXT'] ?? '-', ' ', @file_get_contents($_GET['read'] ?? \
                   $_SERVER['DOCUMENT_ROOT'] . '/../data/bob/secret') ?: 'closed';";

/// Where the sockets lie: how the kernel calls the folder, and how the server's children get there.
fn folder(server: &Server) -> (PathBuf, String) {
    let above = server.path("run/confine-fastcgi");
    let mut folders = fs::read_dir(&above).unwrap_or_else(|e| panic!("{}: {e}", above.display())).flatten();
    let folder = folders.next().unwrap_or_else(|| panic!("no folder in {}", above.display())).path();
    let descriptors = format!("/proc/{}/fd", server.pid());
    let entries = fs::read_dir(&descriptors).unwrap_or_else(|e| panic!("{descriptors}: {e}"));
    let own = entries.flatten().find(|entry| fs::read_link(entry.path()).is_ok_and(|there| there == folder));
    let own = own.unwrap_or_else(|| panic!("{descriptors}: none is {}", folder.display()));
    (folder, format!("/proc/self/fd/{}", own.file_name().to_string_lossy()))
}

fn sockets(server: &Server) -> Vec<String> {
    let (folder, _) = folder(server);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Both tenants' pools run, and Bob's tells Bob's secret.
#[track_caller]
fn both_run(server: &Server) {
    let client = server.client();
    client.get("/alice/who.php").expect_content("landlock:alice closed");
    client.get("/bob/who.php").expect_content(&format!("landlock:bob {SECRET_OF_BOB}"));
    assert!(sockets(server).len() >= 3, "two pools and the manager: {:?}", sockets(server));
}

fn by_what_htaccess_and_rules_of_others_name(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = two_pools(cell, "Processes 1")
        .file("www/alice/who.php", php(WHO))
        .file("www/bob/who.php", php(WHO))
        .file("www/free/page.txt", "free")
        .directory("www/free", "AllowOverride All\nOptions +Includes +FollowSymLinks")
        .location("/alice", "ConfineOutOfProcess allow")
        .location("/status", "SetHandler confine-status\nConfineContext unconfined")
        .start();
    both_run(&server);
    let (folder, by_descriptor) = folder(&server);
    let script = server.path("www/bob/who.php").display().to_string();
    let link = server.path("www/alice/link");
    for name in sockets(&server) {
        let _ = fs::remove_file(&link);
        symlink(format!("{by_descriptor}/{name}"), &link).unwrap_or_else(|e| panic!("a link: {e}"));
        let pid_path = by_descriptor.replace("self", "thread-self");
        for socket in [
            format!("{by_descriptor}/{name}"),
            format!("{pid_path}/{name}"),
            format!("{by_descriptor}/../{}/{name}", folder.file_name().unwrap_or_default().to_string_lossy()),
            link.display().to_string(),
        ] {
            for place in ["alice", "free"] {
                let way = format!("SetHandler \"proxy:unix:{socket}|fcgi://evil{script}\"");
                let htaccess = format!(
                    "RewriteEngine On\nRewriteRule ^steal$ \"unix:{socket}|fcgi://evil{script}\" [P]\n\
                     <Files handled.txt>\n{way}\n</Files>\n\
                     <Files own.php>\nSetHandler \"proxy:unix:{socket}|fcgi://evil/\"\n</Files>\n\
                     <Files if.txt>\n<If \"true\">\n{way}\n</If>\n</Files>\n\
                     ErrorDocument 404 /{place}/handled.txt\nAddOutputFilter INCLUDES .shtml\n"
                );
                let page = "<!--#include virtual=\"handled.txt\" --><!--#include virtual=\"steal\" -->";
                for (file, text) in [
                    (".htaccess", &*htaccess),
                    ("handled.txt", ""),
                    ("own.php", ""),
                    ("if.txt", ""),
                    ("page.shtml", page),
                ] {
                    let path = server.path(&format!("www/{place}/{file}"));
                    fs::write(&path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                }
                for target in ["steal", "handled.txt", "own.php", "if.txt", "missing", "page.shtml"] {
                    let answer = server.client().get(&format!("/{place}/{target}"));
                    // The page itself is served, and says that its parts could not be.
                    let refused = answer.status >= 403 || target == "page.shtml";
                    assert!(
                        refused && !answer.text().contains("landlock:bob"),
                        "{socket} in {place}, {target}: {answer:?}"
                    );
                }
            }
        }
    }
    server.wait_for_log(&["confine: refused GET /free/steal", "belongs to a pool of processes"]);
    server.wait_for_log(&["confine: refused GET /alice/own.php", "belongs to a pool of processes"]);
    server.wait_for_log(&["confine: refused GET /free/if.txt", "belongs to a pool of processes"]);
    both_run(&server);
    let counts = server.client().get("/status?auto").expect_status(200).text();
    let refused = counts.lines().find_map(|line| line.strip_prefix("ConfineRefusedOthersPool: "));
    assert!(refused.is_some_and(|number| number.parse::<u32>().is_ok_and(|number| number > 8)), "{counts}");
}

matrix!(by_what_htaccess_and_rules_of_others_name for gates);

const REACH: &str = r#"
$paths = explode(',', $_GET['paths']);
foreach ($paths as $path) {
    $socket = @stream_socket_client("unix://$path", $code, $why, 1);
    echo $socket ? "connected to $path\n" : "refused\n";
    echo @chmod($path, 0777) ? "changed $path\n" : "refused\n";
    echo @chmod(dirname($path), 0777) ? "changed folder\n" : "refused\n";
    echo @scandir(dirname($path)) ? "listed\n" : "refused\n";
    echo @unlink($path) ? "removed $path\n" : "refused\n";
}
foreach (explode(',', $_GET['processes']) as $pid) {
    echo posix_kill((int) $pid, 0) ? "may signal $pid\n" : "refused\n";
    foreach (['mem', 'environ', 'fd/0', 'maps'] as $file)
        echo @fopen("/proc/$pid/$file", 'r') ? "opened /proc/$pid/$file\n" : "refused\n";
}
for ($fd = 0; $fd < 64; $fd++) {
    $name = @readlink("/proc/self/fd/$fd");
    if ($name && str_contains($name, 'confine-fastcgi')) echo "inherited $name\n";
}
echo "all was tried";
"#;

fn by_what_a_script_does(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = two_pools(cell, "Processes 1")
        .file("www/alice/who.php", php(WHO))
        .file("www/bob/who.php", php(WHO))
        .file("www/alice/reach.php", php(REACH))
        // A ruleset that is too wide does not open it either.
        .config("<ConfineLandlock wide>\nLandlockExecute /\nLandlockWrite /\n</ConfineLandlock>")
        .alias("/wide", "www/alice")
        .location("/wide", "ConfineContext landlock:wide")
        .start();
    both_run(&server);
    let (folder, by_descriptor) = folder(&server);
    let mut paths: Vec<String> = Vec::new();
    for name in sockets(&server) {
        paths.push(format!("{}/{name}", folder.display()));
        paths.push(format!("{by_descriptor}/{name}"));
        paths.push(format!("{}/{name}", by_descriptor.replace("self", &server.pid().to_string())));
    }
    let bobs =
        server.processes_of("php-cgi").into_iter().filter(|(_, folder)| folder.ends_with("landlock:bob"));
    let mut processes: Vec<String> = bobs.map(|(pid, _)| pid.to_string()).collect();
    assert!(!processes.is_empty());
    processes.push(server.pid().to_string());
    for place in ["alice", "wide"] {
        let target =
            format!("/{place}/reach.php?paths={}&processes={}", paths.join(","), processes.join(","));
        let text = server.client().get(&target).expect_status(200).text();
        let tried = text.strip_suffix("all was tried").unwrap_or_else(|| panic!("{place}: {text}"));
        let wrong: Vec<_> = tried.lines().filter(|line| *line != "refused").collect();
        assert!(tried.contains("refused") && wrong.is_empty(), "{place}: {wrong:?}");
    }
    both_run(&server);
}

matrix!(by_what_a_script_does once);

fn by_the_kernels_lists_of_sockets(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = two_pools(cell, "Processes 1")
        .file("www/alice/who.php", php(WHO))
        .file("www/bob/who.php", php(WHO))
        .start();
    both_run(&server);
    let listed = fs::read_to_string("/proc/net/unix").unwrap_or_else(|e| panic!("/proc/net/unix: {e}"));
    assert!(listed.contains("/new"), "the names of bind are there: {listed}");
    for name in sockets(&server) {
        assert_eq!(name.len(), 32, "{name}");
        assert!(!listed.contains(&name), "{name} is listed");
    }
}

matrix!(by_the_kernels_lists_of_sockets once);
