//! `ConfineServerContext`: the server moves at startup. So even a request without any rule is confined to what the
//! server needs. Requests with rules are confined further.

use confine_tests::{Cell, Request, ServerBuilder, matrix, tenants::*};

const SERVER: &str = r#"
ConfineBackend landlock
ConfineServerContext landlock:server
<ConfineLandlock server>
    LandlockExecute /usr
    LandlockRead "@root@/www" "@root@/data/alice" /etc /dev /proc "@root@/httpd.conf" "@root@/mime.types"
    LandlockWrite /dev/null /dev/zero /dev/shm /tmp "@root@/logs" "@root@/run"
    LandlockRead "@root@/logs" "@root@/run" "@root@/tenants.map"
    LandlockBind any
    LandlockConnect any
</ConfineLandlock>
<ConfineLandlock pages>
    LandlockRead "@root@/www"
</ConfineLandlock>
<VirtualHost 127.0.0.1:@port@>
    ServerName plain
</VirtualHost>
<VirtualHost 127.0.0.1:@port@>
    ServerName guarded
    ConfineContext landlock:pages
</VirtualHost>
"#;

fn confined_server(cell: Cell) -> ServerBuilder {
    application(cell).config(SERVER)
}

fn what_no_rule_applies_to_is_confined_too(cell: Cell) {
    let server = confined_server(cell).start();
    let client = server.client();
    let ask =
        |host: &str, owner: &str| client.send(&Request::get(note_of(&server, owner)).header("Host", host));
    ask("plain", "alice").expect_content(NOTE_OF_ALICE).expect_context("-");
    ask("plain", "bob").expect_denied_by_kernel();
    ask("guarded", "alice").expect_denied_by_kernel().expect_context("landlock:pages");
    client
        .send(&Request::get("/app/page.txt").header("Host", "guarded"))
        .expect_content("a page for everybody\n");
    server.wait_for_log(&["the server moved to landlock:server"]);
}

matrix!(what_no_rule_applies_to_is_confined_too);

fn it_stays_there_over_a_graceful_restart(cell: Cell) {
    let server = confined_server(cell).start();
    let ask = |owner: &str| {
        let request = Request::get(note_of(&server, owner)).header("Host", "plain");
        server.client().send(&request)
    };
    ask("bob").expect_denied_by_kernel();
    server.restart_gracefully();
    ask("alice").expect_content(NOTE_OF_ALICE);
    ask("bob").expect_denied_by_kernel();
}

matrix!(it_stays_there_over_a_graceful_restart for process_gate);
