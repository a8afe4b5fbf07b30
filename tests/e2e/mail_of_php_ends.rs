//! A set-ID program that PHP's `mail()` starts has no privileges under a Landlock ruleset. If it waits for something
//! that it cannot get, as Postfix's postdrop does, it is ended, and the log says why.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    time::{Duration, Instant},
};

use confine_tests::{Cell, Request, Server, ServerBuilder, matrix, platform, tenants::RUN_PROGRAMS};

/// What the mail's program puts into the queue of its group, or waits for it without end.
const POSTDROP: &str = "until echo mail > @root@/queue/mail; do sleep 1; done";

/// No account has this group.
const GROUP: u32 = 54321;

const PAGE: &str =
    "<?php echo json_encode(mail('bob@example.com', 'subject', 'text', [], '-f alice@example.com'));";

const SETTING: &str = "<?php echo ini_get('sendmail_path');";

fn mailer(cell: Cell) -> ServerBuilder {
    let all = "DocumentRoot \"@root@/www\"\n";
    let builder = cell
        .server()
        .modules(["php"])
        .workers(1)
        .file("php/php.ini", "sendmail_path=@root@/cgi-bin/sendmail -t -i\n")
        .program(
            "cgi-bin/sendmail",
            &format!("#!/bin/sh\ncat > /dev/null\nexec @root@/cgi-bin/postdrop -p -c '{POSTDROP}'\n"),
        )
        .folder("queue")
        .file("www/mail.php", PAGE)
        .file("www/setting.php", SETTING)
        .config("PHPINIDir \"@root@/php\"\nAddHandler application/x-httpd-php .php")
        .ruleset(
            "alice",
            &format!("LandlockRead \"@root@/www\"\nLandlockWrite \"@root@/queue\"\n{RUN_PROGRAMS}"),
        )
        .ruleset("no-timeout", "LandlockRead \"@root@/www\"\nLandlockExecute /bin/sh /usr/bin/dash /usr/lib")
        .host("exempt", &format!("{all}ConfineContext unconfined"))
        .host("alice", &format!("{all}ConfineContext landlock:alice"))
        .host("no-timeout", &format!("{all}ConfineContext landlock:no-timeout"))
        .host(
            "set",
            &format!("{all}ConfineContext landlock:alice\nphp_admin_value sendmail_path \"/bin/false -t\""),
        );
    let (program, queue) = (builder.path("cgi-bin/postdrop"), builder.path("queue"));
    fs::copy("/bin/sh", &program).unwrap_or_else(|e| panic!("copying sh: {e}"));
    let group = |path, mode| {
        chown(path, None, Some(GROUP)).unwrap_or_else(|e| panic!("chgrp: {e}"));
        let set = fs::set_permissions(path, fs::Permissions::from_mode(mode));
        set.unwrap_or_else(|e| panic!("chmod: {e}"));
    };
    if platform::is_root() {
        group(&program, 0o2755);
        group(&queue, 0o770);
    }
    builder
}

fn ask(server: &Server, host: &str, target: &str) -> String {
    server.client().send(&Request::get(target).header("Host", host)).expect_status(200).text()
}

fn what_waits_is_ended(cell: Cell) {
    if !platform::is_root() {
        // Only root can give a program to a group that its user is not in.
        return;
    }
    let server = mailer(cell).start();
    let begin = Instant::now();
    assert_eq!(ask(&server, "exempt", "/mail.php"), "true", "where set-ID counts, the mail is queued");
    assert!(server.path("queue/mail").exists());
    assert!(begin.elapsed() < Duration::from_secs(5));
    fs::remove_file(server.path("queue/mail")).unwrap_or_else(|e| panic!("the mail: {e}"));
    assert_eq!(ask(&server, "alice", "/mail.php"), "false");
    assert!(!server.path("queue/mail").exists(), "under a ruleset set-ID does not count");
    let waited = begin.elapsed();
    assert!((30..45).contains(&waited.as_secs()), "{waited:?}");
    server.wait_for_log(&[
        "confine: mail() gave up: ",
        "cgi-bin/sendmail took more than 30 s",
        "no_new_privs",
    ]);
}

matrix!(what_waits_is_ended once on prefork);

fn only_where_it_can_happen(cell: Cell) {
    let server = mailer(cell).start();
    let plain = format!("{} -t -i", server.path("cgi-bin/sendmail").display());
    assert_eq!(ask(&server, "exempt", "/setting.php"), plain);
    let bounded = ask(&server, "alice", "/setting.php");
    assert!(bounded.contains("timeout -k 5 30 ") && bounded.ends_with(&format!("; c {plain}")), "{bounded}");
    // The server's own configuration counts.
    assert_eq!(ask(&server, "set", "/setting.php"), "/bin/false -t");
    assert_eq!(ask(&server, "set", "/mail.php"), "false");
    // A context that cannot run timeout(1) has no mail, and it is said why.
    assert_eq!(ask(&server, "no-timeout", "/mail.php"), "false");
    server.wait_for_log(&["confine: mail() failed: ", "timeout"]);
}

matrix!(only_where_it_can_happen for prefork);
