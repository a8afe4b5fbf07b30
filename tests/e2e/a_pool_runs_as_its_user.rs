//! `uid:NAME` beside `<ConfineFastCGI>`: the processes of a pool are the user's, and nobody else's files are theirs.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
};

use confine_tests::{Cell, Gate, Mpm, Request, Server, ServerBuilder, matrix, pools::*, tenants::*};

const ANY: Cell = Cell { mpm: Mpm::Event, gate: Gate::Process };

/// Two users that every system has, with the ids of their groups. They belong to the system, so the tests allow it.
const ALICE: &str = "daemon";
const BOB: &str = "mail";
const OF_THE_SYSTEM: &str = "ConfineUsers min-uid=1 min-gid=1";

/// Writes a file, and reads one.
const WHO: &str = "$of = $_GET['of']; $data = dirname($_SERVER['DOCUMENT_ROOT']) . '/data'; \
                   echo @file_put_contents(\"$data/$of/written\", 'x') ? 'wrote' : 'kept-out', ' ', \
                   @file_get_contents(\"$data/$of/secret\") ?: 'closed';";

fn ids(name: &str) -> (u32, u32) {
    let passwd = fs::read_to_string("/etc/passwd").expect("/etc/passwd");
    let entry = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|entry| entry[0] == name);
    let entry = entry.unwrap_or_else(|| panic!("there is no user {name}"));
    (entry[2].parse().expect("an id"), entry[3].parse().expect("an id"))
}

/// Two tenants, each with a folder and a secret that are theirs alone.
fn tenants(cell: Cell) -> ServerBuilder {
    let mut builder = two_pools(cell, "Processes 2").config(OF_THE_SYSTEM);
    for (tenant, user) in [("alice", ALICE), ("bob", BOB)] {
        builder = builder.file(&format!("www/{tenant}/who.php"), php(WHO));
        let (uid, gid) = ids(user);
        for (path, mode) in [(format!("data/{tenant}"), 0o755), (format!("data/{tenant}/secret"), 0o600)] {
            let path = builder.path(&path);
            chown(&path, Some(uid), Some(gid)).expect("chown");
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("chmod");
        }
    }
    builder
}

fn rules(alice: &str, bob: &str) -> String {
    format!(
        "<Location \"/alice\">\nConfineContext {alice}\n</Location>\n<Location \"/bob\">\nConfineContext {bob}\n</Location>"
    )
}

fn each_is_its_user(server: &Server, contexts: [&str; 2]) {
    let client = server.client();
    for (tenant, other, user, context) in
        [("alice", "bob", ALICE, contexts[0]), ("bob", "alice", BOB, contexts[1])]
    {
        let (uid, gid) = ids(user);
        let own = client.get(&format!("/{tenant}/who.php?of={tenant}"));
        own.expect_content(&format!("wrote {tenant}'s secret"));
        let written = fs::metadata(server.path(&format!("data/{tenant}/written"))).expect("a file");
        assert_eq!((written.uid(), written.gid()), (uid, gid));
        let theirs = client.get(&format!("/{tenant}/who.php?of={other}"));
        theirs.expect_content("kept-out closed");
        server.wait_for_log(&[
            &format!("confine: confined GET /{tenant}/who.php"),
            &format!("context={context}"),
        ]);
    }
}

fn under_a_ruleset(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let (alice, bob) = (format!("uid:{ALICE} landlock:alice"), format!("uid:{BOB} landlock:bob"));
    let server = tenants(cell).config(rules(&alice, &bob)).start();
    each_is_its_user(&server, [&format!("\"{alice}\""), &format!("\"{bob}\"")]);
}

matrix!(under_a_ruleset);

fn alone(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let (alice, bob) = (format!("uid:{ALICE}"), format!("uid:{BOB}"));
    let server = tenants(cell).config(rules(&alice, &bob)).start();
    each_is_its_user(&server, [&alice, &bob]);
}

matrix!(alone for gates);

/// A thread that only passes a user's answer on is in no context, so nothing else may run in it.
#[test]
fn nothing_but_the_pool_serves_behind_a_user_alone() {
    if !can_have_pools() {
        return;
    }
    let server = tenants(ANY)
        .config(rules(&format!("uid:{ALICE}"), &format!("uid:{BOB} landlock:bob")))
        .file("www/alice/plain.txt", "a file")
        .file("www/alice/page.php", php("echo '<!--#echo var=\"REQUEST_URI\" -->';"))
        .file("www/alice/.htaccess", "AddOutputFilter INCLUDES .php\n")
        .start();
    let client = server.client();
    // A file is served by a thread.
    client.get("/alice/plain.txt").expect_status(500);
    server.wait_for_log(&[
        "refused GET /alice/plain.txt",
        "only a process of its own can be in it, and here a thread of the server serves",
    ]);
    // SSI would run as the server.
    assert!(client.get("/alice/page.php").text().contains("<!--#echo"));
}

/// A login called `postgres` is nobody's process. Here the logins are called as users of the system.
#[test]
fn a_request_names_members_of_a_group_alone() {
    if !can_have_pools() {
        return;
    }
    let line = "ConfineExpr \"uid:%{REMOTE_USER}\"";
    let by_login = |users: &str| {
        let passwords: String =
            [ALICE, BOB, "root"].map(|user| format!("{user}:{}\n", password_hash("alice"))).concat();
        tenants(ANY)
            .modules(["auth_basic", "authn_file", "authz_user"])
            .config(LOGIN)
            .config(format!("ConfineUsers {users}"))
            .file("passwords", passwords)
            .location("/alice", line)
    };
    by_login("keep-groups=users").refused().points_at(line).says(&["write ConfineUsers members-of=GROUP"]);
    let server = by_login(&format!("members-of={ALICE}")).start();
    let refused = |user: &str, why: &str| {
        let request = Request::get("/alice/who.php?of=alice").password(user, "alice-pw");
        server.client().send(&request).expect_status(500);
        server.wait_for_log(&["refused GET /alice/who.php", &format!("user={user} "), why]);
    };
    refused("root", "the user root is root");
    refused(BOB, &format!("the user {BOB} is not in the group {ALICE}, whose members a request may name"));
    // A member, whose home is root's.
    refused(ALICE, "belongs to the user with id 0");
}

/// A user of the system whose home is its own, as those of tenants are.
const WITH_A_HOME: &str = "postgres";

/// What `uid:%{...}` is for, and what it is not: the same login is a process of its user where the configuration names a
/// group that the user is in, and nobody's where it names another.
#[test]
fn a_member_of_the_group_is_served_as_itself() {
    if !can_have_pools() {
        return;
    }
    let by_login = |group: &str| {
        let users = [WITH_A_HOME, ALICE].map(|user| format!("{user}:{}\n", password_hash("alice")));
        let server = tenants(ANY)
            .modules(["auth_basic", "authn_file", "authz_user"])
            .config(LOGIN)
            .config(format!("ConfineUsers members-of={group}"))
            .file("passwords", users.concat())
            .location("/alice", "ConfineExpr \"uid:%{REMOTE_USER}\"");
        fs::set_permissions(server.path("data/alice"), Permissions::from_mode(0o777)).expect("chmod");
        server.start()
    };
    let request = Request::get("/alice/who.php?of=alice").password(WITH_A_HOME, "alice-pw");
    let server = by_login(WITH_A_HOME);
    server.client().send(&request).expect_content("wrote closed");
    let written = fs::metadata(server.path("data/alice/written")).expect("a file");
    assert_eq!((written.uid(), written.gid()), ids(WITH_A_HOME));
    server.wait_for_log(&[
        "confined GET /alice/who.php",
        &format!("user={WITH_A_HOME} "),
        "context=uid:postgres",
    ]);
    // Nobody else of the system, though the login is known.
    let other = Request::get("/alice/who.php?of=alice").password(ALICE, "alice-pw");
    server.client().send(&other).expect_status(500);
    server.wait_for_log(&[&format!("the user {ALICE} is not in the group {WITH_A_HOME}")]);

    let server = by_login(BOB);
    server.client().send(&request).expect_status(500);
    server.wait_for_log(&[
        "refused GET /alice/who.php",
        &format!("the user {WITH_A_HOME} is not in the group {BOB}"),
    ]);
    assert!(server.processes_of("php-cgi").is_empty());
}

#[test]
fn whom_nobody_may_become_stops_the_server() {
    if !can_have_pools() {
        return;
    }
    for (user, says) in [
        ("root", "the user root is root"),
        (ALICE, "and those below 100 belong to the system"),
        ("no-such-user", "there is no user no-such-user"),
    ] {
        let line = format!("ConfineContext uid:{user} landlock:alice");
        let refusal = two_pools(ANY, "Processes 1").config(&line).refused();
        refusal.points_at(&line).says(&[says]);
    }
}

/// A map names users, too, and a changed one new ones.
#[test]
fn a_map_names_users() {
    if !can_have_pools() {
        return;
    }
    let server = tenants(ANY)
        .file("users.map", format!("path:@root@/www/alice/** uid:{ALICE} landlock:alice\n* landlock:bob\n"))
        .config("<Location \"/alice\">\nConfineMap \"@root@/users.map\"\n</Location>")
        .start();
    let (uid, _) = ids(ALICE);
    let written_by = || {
        let _ = fs::remove_file(server.path("data/alice/written"));
        server.client().get("/alice/who.php?of=alice").expect_content("wrote closed");
        fs::metadata(server.path("data/alice/written")).expect("a file").uid()
    };
    fs::set_permissions(server.path("data/alice"), Permissions::from_mode(0o777)).expect("chmod");
    fs::remove_file(server.path("data/alice/secret")).expect("a file");
    assert_eq!(written_by(), uid);
    let (uid, _) = ids(BOB);
    let root = server.path("").display().to_string();
    let root = root.trim_end_matches('/');
    let map = format!("path:{root}/www/alice/** uid:{BOB} landlock:alice\n* landlock:bob\n");
    fs::write(server.path("users.map"), map).expect("a map");
    server.wait_for_log(&["users.map: changed"]);
    assert_eq!(written_by(), uid);
}
