//! A worker takes its confinement with it when it ends: the thread that waited for it, and the whole
//! process, go on as before. Nothing is left for the next request, whoever asks.

use confine_tests::{Cell, Gate, Mpm, Request, matrix, tenants::*};

fn the_next_request_on_the_same_connection(cell: Cell) {
    let server = two_people(cell).workers(1).start();
    let client = server.client();
    let mut ports = Vec::new();
    for _ in 0..5 {
        let alice = client.get_as("alice", &note_of(&server, "alice"));
        let server_itself = client.get(&open_note_of(&server, "bob"));
        let bob = client.get_as("bob", &note_of(&server, "bob"));
        alice.expect_content(NOTE_OF_ALICE);
        server_itself.expect_content(NOTE_OF_BOB).expect_context("-");
        bob.expect_content(NOTE_OF_BOB);
        ports.extend([alice.local_port, server_itself.local_port, bob.local_port]);
    }
    // Event closes connections that could be kept while none of its threads is idle.
    let is_one = ports.iter().all(|port| *port == ports[0]);
    assert!(is_one || cell.mpm == Mpm::Event, "one connection: {ports:?}");
}

matrix!(the_next_request_on_the_same_connection);

fn a_virtual_host_without_rules_on_the_same_process(cell: Cell) {
    let hosts = r#"
    <VirtualHost 127.0.0.1:@port@>
        ServerName plain
    </VirtualHost>
    <VirtualHost 127.0.0.1:@port@>
        ServerName guarded
        ConfineContext landlock:alice
    </VirtualHost>
    "#;
    let server =
        application(cell).workers(1).config("ConfineBackend landlock").config(hosts).config(ALICE).start();
    let client = server.client();
    let ask = |host: &str| client.send(&Request::get(note_of(&server, "bob")).header("Host", host));
    for _ in 0..3 {
        ask("guarded").expect_denied_by_kernel();
        ask("plain").expect_content(NOTE_OF_BOB).expect_context("-");
    }
}

const ALICE: &str =
    "<ConfineLandlock alice>\nLandlockRead \"@root@/www\" \"@root@/data/alice\"\n</ConfineLandlock>";

matrix!(a_virtual_host_without_rules_on_the_same_process);

/// With `LuaScope thread`, mod_lua keeps its state with the thread that the connection names: the
/// worker's while it runs, the server's own again afterwards.
fn what_is_kept_with_a_thread(cell: Cell) {
    let counter = "function handle(r)
    calls = (calls or 0) + 1
    r:puts(calls)
    return apache2.OK
end
";
    let server = application(cell)
        .workers(1)
        .file("www/app/count.lua", counter)
        .config("ConfineBackend landlock")
        .config(ALICE)
        .config("LuaScope thread")
        .host("plain", "")
        .host("guarded", "ConfineContext landlock:alice")
        .start();
    let client = server.client();
    let ask = |host: &str| {
        client.send(&Request::get("/app/count.lua").header("Host", host)).expect_status(200).text()
    };
    let mut plain = Vec::new();
    for _ in 0..5 {
        assert_eq!(ask("guarded"), "1", "a worker is new, and so is what is kept with it");
        plain.push(ask("plain"));
    }
    if cell.mpm != Mpm::Event {
        assert_eq!(plain, ["1", "2", "3", "4", "5"], "the server's thread is the same all the time");
    }
}

matrix!(what_is_kept_with_a_thread);

/// With `LuaScope thread`, the application's finalizers run when the worker's Lua state ends: still in
/// the worker, and in its context.
fn what_a_thread_leaves_ends_in_its_context(cell: Cell) {
    let script = r#"
function handle(r)
    log = io.open("@root@/out/" .. r.args, "a")
    setmetatable({}, { __gc = function()
        local note, why = io.open("@root@/data/bob/note")
        log:write(note and "read" or why, "\n")
        log:flush()
    end })
    r:puts("done")
    return apache2.OK
end
"#;
    let alice = ALICE.replace("</Confine", "LandlockWrite \"@root@/out\"\n</Confine");
    let server = application(cell)
        .writable_folder("out")
        .file("www/app/finalizer.lua", script)
        .config("ConfineBackend landlock")
        .config(alice)
        .config("LuaScope thread")
        .host("guarded", "ConfineContext landlock:alice")
        .host("exempt", "ConfineContext unconfined")
        .start();
    let client = server.client();
    let ask = |host: &str| {
        let request = Request::get(format!("/app/finalizer.lua?{host}")).header("Host", host);
        client.send(&request).expect_status(200);
        // The worker has ended before the response's last byte goes out, or soon after.
        (0..500).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            std::fs::read_to_string(server.path("out").join(host)).ok().filter(|text| !text.is_empty())
        })
    };
    if cell.gate == Gate::Process {
        assert_eq!(ask("exempt").as_deref(), Some("read\n"), "without a context nothing stands in its way");
    }
    let guarded = ask("guarded").unwrap_or_default();
    assert!(guarded.contains("Permission denied"), "the finalizer said {guarded:?}");
}

matrix!(what_a_thread_leaves_ends_in_its_context);
