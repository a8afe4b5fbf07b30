//! `ConfineWorkers per-context`: a worker in a context serves further requests of exactly that context, and nothing
//! else. It ends when it is old or idle, when there is one too many, or when something went wrong.

use std::{collections::BTreeSet, fs, thread, time::Duration};

use confine_tests::{Cell, Gate, Mpm, Request, Server, ServerBuilder, matrix, tenants::*};

/// Says which thread it runs in.
const TELL: &str = "function handle(r)
    local file = io.open('/proc/thread-self/stat')
    r:puts(file:read('n'))
    file:close()
    return apache2.OK
end
";

/// One child, so that all requests meet the same workers.
fn telling(cell: Cell) -> ServerBuilder {
    leaky_app_with(cell, "LandlockRead /proc")
        .workers(if cell.mpm == Mpm::Prefork { 1 } else { 4 })
        .file("www/app/tell.lua", TELL)
        .host("alice", "ConfineContext landlock:alice")
        .host("bob", "ConfineContext landlock:bob")
        .host("alice-too", "ConfineContext landlock:alice")
}

fn thread_for(server: &Server, host: &str) -> String {
    server.client().send(&Request::get("/app/tell.lua").header("Host", host)).expect_status(200).text()
}

fn threads_for(server: &Server, host: &str, requests: usize) -> BTreeSet<String> {
    (0..requests).map(|_| thread_for(server, host)).collect()
}

fn one_context_one_thread(cell: Cell) {
    let server = telling(cell).start();
    let alice = threads_for(&server, "alice", 6);
    let bob = threads_for(&server, "bob", 6);
    assert_eq!(alice.len(), 1, "alice was served by {alice:?}");
    assert_eq!(bob.len(), 1, "bob was served by {bob:?}");
    assert!(alice.is_disjoint(&bob), "one thread for both: {alice:?}");
    assert_eq!(threads_for(&server, "alice", 3), alice, "the thread is still there");
    assert!(alice.is_disjoint(&threads_for(&server, "alice-too", 1)), "another virtual host, another worker");
    for _ in 0..3 {
        let ask = |host: &str, of: &str| {
            server.client().send(&Request::get(note_of(&server, of)).header("Host", host))
        };
        ask("alice", "alice").expect_content(NOTE_OF_ALICE);
        ask("alice", "bob").expect_denied_by_kernel();
        ask("bob", "bob").expect_content(NOTE_OF_BOB);
        ask("bob", "alice").expect_denied_by_kernel();
    }
}

matrix!(one_context_one_thread for kept);

/// Hosts without any directive of this module share the main server's configuration.
fn hosts_that_share_a_configuration_share_no_thread(cell: Cell) {
    let server = leaky_app_with(cell, "LandlockRead /proc")
        .workers(if cell.mpm == Mpm::Prefork { 1 } else { 4 })
        .file("www/app/tell.lua", TELL)
        .location("/app", "ConfineContext landlock:alice")
        .host("one", "")
        .host("two", "")
        .start();
    let one = threads_for(&server, "one", 4);
    let two = threads_for(&server, "two", 4);
    assert_eq!((one.len(), two.len()), (1, 1), "{one:?} {two:?}");
    assert!(one.is_disjoint(&two), "one thread for two virtual hosts: {one:?}");
    assert_eq!(threads_for(&server, "one", 2), one);
}

matrix!(hosts_that_share_a_configuration_share_no_thread for kept);

fn without_it_each_request_has_a_thread(cell: Cell) {
    let server = telling(cell).start();
    let threads = threads_for(&server, "alice", 6);
    assert_eq!(threads.len(), 6, "six requests in {threads:?}");
}

matrix!(without_it_each_request_has_a_thread for handler_gate);

fn after_so_many_requests_it_ends(cell: Cell) {
    let server = telling(cell).config("ConfineWorkers per-context requests=3").start();
    let threads: Vec<_> = (0..7).map(|_| thread_for(&server, "alice")).collect();
    let distinct: BTreeSet<_> = threads.iter().collect();
    assert_eq!(distinct.len(), 3, "seven requests, three at most for each: {threads:?}");
    assert_eq!(threads[0], threads[2], "{threads:?}");
    assert_ne!(threads[2], threads[3], "{threads:?}");
}

matrix!(after_so_many_requests_it_ends for kept);

fn there_are_no_more_than_allowed(cell: Cell) {
    let server = telling(cell).config("ConfineWorkers per-context max=1").start();
    let first = thread_for(&server, "alice");
    assert_eq!(thread_for(&server, "alice"), first);
    let once = thread_for(&server, "bob");
    assert_eq!(thread_for(&server, "alice"), first, "who comes once takes nobody's place");
    assert_ne!(thread_for(&server, "bob"), once, "and is not kept");
    let bob = thread_for(&server, "bob");
    assert_eq!(thread_for(&server, "bob"), bob, "bob's worker took the place of alice's");
    assert_ne!(thread_for(&server, "alice"), first, "alice's worker had to go");
}

matrix!(there_are_no_more_than_allowed for kept);

/// Only those that rest are counted. The worker of a request that takes long is no resting one.
fn a_tenant_that_hangs_takes_no_place(cell: Cell) {
    const SLOW: &str = "function handle(r) r.usleep(4000000) r:puts('done') return apache2.OK end";
    let server = telling(Cell { gate: Gate::Kept, ..cell })
        .config("ConfineWorkers per-context max=1")
        .file("www/app/slow.lua", SLOW)
        .start();
    thread::scope(|scope| {
        let alice = scope.spawn(|| {
            let request = Request::get("/app/slow.lua").header("Host", "alice");
            server.client().send(&request).expect_status(200);
        });
        thread::sleep(Duration::from_millis(500));
        let bob = threads_for(&server, "bob", 4);
        assert!(!alice.is_finished(), "alice's request takes longer than those of bob");
        assert_eq!(bob.len(), 1, "bob has no kept worker while alice hangs: {bob:?}");
    });
}

matrix!(a_tenant_that_hangs_takes_no_place once);

fn without_work_it_ends(cell: Cell) {
    let server = telling(cell).config("ConfineWorkers per-context idle=1").start();
    let worker = thread_for(&server, "alice");
    let children =
        fs::read_to_string(format!("/proc/{0}/task/{0}/children", server.pid())).unwrap_or_default();
    let alive = || {
        children.split_whitespace().any(|c| fs::exists(format!("/proc/{c}/task/{worker}")).unwrap_or(false))
    };
    assert!(alive(), "thread {worker} rests in one of the children {children}");
    let gone = (0..100).any(|_| {
        thread::sleep(Duration::from_millis(100));
        !alive()
    });
    assert!(gone, "thread {worker} rests for ten seconds already");
    assert_ne!(thread_for(&server, "alice"), worker);
}

matrix!(without_work_it_ends for kept);

fn a_value_in_the_path_keeps_no_thread(cell: Cell) {
    let own = "LandlockRead \"@root@/www\" /proc \"@root@/data/%{HTTP:X-Owner}\"";
    let server = telling(cell).ruleset("own", own).host("own", "ConfineContext landlock:own").start();
    let ask = |owner: &str, path: &str| {
        server.client().send(&Request::get(path).header("Host", "own").header("X-Owner", owner))
    };
    let threads: BTreeSet<_> =
        (0..4).map(|_| ask("alice", "/app/tell.lua").expect_status(200).text()).collect();
    assert_eq!(threads.len(), 4, "each request has a ruleset of its own: {threads:?}");
    ask("alice", &note_of(&server, "alice")).expect_content(NOTE_OF_ALICE);
    ask("bob", &note_of(&server, "alice")).expect_denied_by_kernel();
}

matrix!(a_value_in_the_path_keeps_no_thread for kept);

fn a_refusal_or_a_panic_ends_it(cell: Cell) {
    let server = telling(cell)
        .with_faults()
        .file("www/app/panic.lua", TELL)
        .location("/app/panic.lua", "ConfineFault panic-in-worker")
        // This page belongs to the server. It is refused when its handler would run, in the worker.
        .file(
            "www/app/page.lua",
            "function handle(r) r.handler = 'confine-status' return apache2.DECLINED end",
        )
        .start();
    let first = thread_for(&server, "alice");
    let ask = |path: &str| server.client().send(&Request::get(path).header("Host", "alice"));
    ask("/app/panic.lua").expect_status(500);
    let second = thread_for(&server, "alice");
    assert_ne!(second, first, "a panic ended the first worker");
    ask("/app/page.lua").expect_status(403);
    let third = thread_for(&server, "alice");
    assert_ne!(third, second, "a refusal ended the second worker");
}

matrix!(a_refusal_or_a_panic_ends_it for kept);

/// Upgrades of the protocol are looked at earlier, in the server's thread. This request gets no upgrade, and the kept
/// worker serves it like any other.
fn an_upgrade_is_not_looked_at_in_it(cell: Cell) {
    let server = telling(cell).start();
    let kept = thread_for(&server, "alice");
    let request = Request::get("/app/tell.lua").header("Host", "alice").header("Upgrade", "websocket");
    assert_eq!(server.client().send(&request).expect_status(200).text(), kept);
}

matrix!(an_upgrade_is_not_looked_at_in_it for kept);

fn the_status_counts_the_resting(cell: Cell) {
    let page = "<Location /status>\nSetHandler confine-status\n</Location>";
    let server = telling(cell).host("plain", page).start();
    thread_for(&server, "alice");
    thread_for(&server, "bob");
    let request = Request::get("/status").header("Host", "plain");
    let page = server.client().send(&request).expect_status(200).text();
    assert!(page.contains("\nconfine_workers_resting 2\n"), "{page}");
}

matrix!(the_status_counts_the_resting for kept);

fn a_changed_map_ends_it(cell: Cell) {
    let server = telling(cell)
        .file("hosts.map", "* landlock:alice\n")
        .host("mapped", "ConfineMap \"@root@/hosts.map\"")
        .start();
    let before = thread_for(&server, "mapped");
    assert_eq!(thread_for(&server, "mapped"), before);
    fs::write(server.path("hosts.map"), "# the same, said anew\n* landlock:alice\n").expect("a map");
    let ended = (0..100).any(|_| {
        thread::sleep(Duration::from_millis(50));
        thread_for(&server, "mapped") != before
    });
    assert!(ended, "thread {before} still serves, five seconds after the change");
}

matrix!(a_changed_map_ends_it for kept);

fn it_needs_the_handler_gate(cell: Cell) {
    let lines =
        "ConfineBackend landlock\n<VirtualHost 127.0.0.1:@port@>\nConfineWorkers per-context\n</VirtualHost>";
    let refusal = Cell { gate: Gate::Process, ..cell }.server().config(lines).refused();
    refusal.says(&["per-context needs ConfineGate handler"]).points_at("ConfineWorkers per-context");
}

matrix!(it_needs_the_handler_gate once);

fn its_words_are_checked(cell: Cell) {
    for (line, why) in [
        ("ConfineWorkers", "takes one-time, or per-context"),
        ("ConfineWorkers forever", "write one-time or per-context"),
        ("ConfineWorkers one-time max=3", "one-time workers have no limits"),
        ("ConfineWorkers per-context max=0", "max takes a whole number from 1 on"),
        ("ConfineWorkers per-context idle=soon", "idle takes a whole number from 1 on"),
        ("ConfineWorkers per-context size=3", "there are: max=, idle= and requests="),
    ] {
        cell.server().config(format!("ConfineGate handler\n{line}")).refused().says(&[why]).points_at(line);
    }
}

matrix!(its_words_are_checked once);
