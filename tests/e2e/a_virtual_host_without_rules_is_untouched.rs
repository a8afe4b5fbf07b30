//! Where no rule applies, nothing happens: no worker, no log line, no variable.

use confine_tests::{Cell, Gate, Mpm, Request, Wire, matrix, need_lua, tenants::*};

const HOSTS: &str = r#"
ConfineBackend landlock
<ConfineLandlock alice>
    LandlockRead "@root@/www" "@root@/data/alice" /proc
</ConfineLandlock>
<VirtualHost 127.0.0.1:@port@>
    ServerName plain
</VirtualHost>
<VirtualHost 127.0.0.1:@port@>
    ServerName guarded
    ConfineContext landlock:alice
</VirtualHost>
"#;

fn no_worker_no_line_no_variable(cell: Cell) {
    // The threads are counted from within the process that serves.
    need_lua();
    let server = application(cell).config(HOSTS).start();
    let client = server.client_over(Wire::Http11);
    let ask = |host: &str, target: String| client.send(&Request::get(target).header("Host", host));
    ask("plain", note_of(&server, "bob")).expect_content(NOTE_OF_BOB).expect_context("-");
    assert_eq!(
        server.log_lines("confine: ").len(),
        server.log_lines("confine: ready").len(),
        "{}",
        server.log()
    );
    let threads = |host: &str| number_of_threads(&ask(host, leaky("read", "/proc/self/status")).text());
    let (plain, guarded) = (threads("plain"), threads("guarded"));
    if cell.mpm == Mpm::Prefork {
        // Where workers are kept, a thread of each child ends those that rest for too long.
        let own = if cell.gate == Gate::Kept { 2 } else { 1 };
        assert_eq!((plain, guarded), (own, own + 1), "the child's own, and the worker where a rule applies");
    }
    ask("guarded", note_of(&server, "bob")).expect_denied_by_kernel();
    server.wait_for_log(&["confine: confined", " vhost=guarded "]);
}

/// From proc_pid_status(5).
fn number_of_threads(status: &str) -> u32 {
    let line = status.lines().find_map(|line| line.strip_prefix("Threads:"));
    line.and_then(|n| n.trim().parse().ok()).unwrap_or_else(|| panic!("no number of threads in {status}"))
}

matrix!(no_worker_no_line_no_variable);
