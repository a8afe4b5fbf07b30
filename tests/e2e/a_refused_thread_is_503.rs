//! The system makes no thread. The request gets 503, and its handler never runs. This is not simulated: no machine
//! has the address space for this stack, and prefork itself starts no threads.

use confine_tests::{Cell, Request, matrix, tenants::*};

const STACK_OF_400_TERABYTES: &str = "ThreadStackSize 400000000000000";

const HOSTS: &str = r#"
<VirtualHost 127.0.0.1:@port@>
    ServerName guarded
    ConfineContext landlock:alice
</VirtualHost>
<VirtualHost 127.0.0.1:@port@>
    ServerName plain
</VirtualHost>
"#;

fn no_thread(cell: Cell) {
    let server = application(cell)
        .config("ConfineBackend landlock")
        .ruleset("alice", "LandlockRead \"@root@/www\" \"@root@/data/alice\"")
        .config(HOSTS)
        .config(STACK_OF_400_TERABYTES)
        .writable_folder("data/shared")
        .start();
    let client = server.client();
    let ask = |host: &str, target: &str| client.send(&Request::get(target).header("Host", host));
    let trace = server.path("data/shared/trace");
    let write = leaky("write", trace.display().to_string());
    for _ in 0..2 {
        ask("guarded", &write).expect_status(503);
        assert!(!trace.exists(), "the application ran");
        ask("plain", &note_of(&server, "bob")).expect_content(NOTE_OF_BOB).expect_context("-");
    }
    let line =
        server.wait_for_log(&["confine: refused GET /app/leaky.lua user=- addr=127.0.0.1 vhost=guarded "]);
    assert!(line.contains("no thread for the request (E") && line.contains("ThreadStackSize"), "{line}");
    ask("plain", &write).expect_content("written");
}

matrix!(no_thread for prefork);
