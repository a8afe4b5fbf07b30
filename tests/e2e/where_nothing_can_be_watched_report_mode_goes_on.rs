//! Another program can have put a filter with a listener on the server. The kernel then accepts no second one. The
//! log says so once, and report mode and enforcement go on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use confine::watch::{Act, Hub, Observer, Remark};
use confine_tests::{Cell, matrix, tenants::*};

/// Lets every call go on, as the supervisor of a container does.
struct Supervisor;

impl Observer for Supervisor {
    fn saw(&self, _: &Act) {}
    fn missed(&self, _: Remark) {}
}

fn under_a_supervisor(cell: Cell) {
    let hub = Hub::new().unwrap_or_else(|e| panic!("a hub: {e}"));
    let over = AtomicBool::new(false);
    let is_over = || over.load(Ordering::Relaxed);
    thread::scope(|s| {
        s.spawn(|| hub.answer(is_over));
        s.spawn(|| hub.judge(is_over, |tell| tell()));
        let served = s.spawn(|| {
            // The server inherits it.
            let watched = hub.watch_this_thread(Arc::new(Supervisor));
            assert!(watched.is_ok(), "this test needs a kernel that takes filters: {:?}", watched.err());
            serve(cell);
        });
        let served = served.join();
        over.store(true, Ordering::Relaxed);
        served.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

fn serve(cell: Cell) {
    let server = leaky_app(cell)
        .config("ConfineMode report\nConfineExplain on\nAlias /held \"@root@/www/app\"\nAlias /learned \"@root@/www/app\"")
        .location("/app", "ConfineContext landlock:alice")
        .location("/held", "ConfineContext landlock:alice\nConfineMode enforce")
        .location("/learned", "ConfineContext landlock:alice\nConfineMode learn")
        .start();
    for _ in 0..5 {
        server.client().get(&note_of(&server, "bob")).expect_content(NOTE_OF_BOB).expect_context("-");
        let path = note_path(&server, "bob");
        server.client().get(&leaky_at("/held/leaky.lua", "read", path)).expect_denied_by_kernel();
        let path = note_path(&server, "bob");
        server.client().get(&leaky_at("/learned/leaky.lua", "read", path)).expect_content(NOTE_OF_BOB);
    }
    server.wait_for_log(&["confine: would confine GET /learned/leaky.lua "]);
    assert!(!server.log().contains("confine: learning"), "nothing is learned");
    server.wait_for_log(&["confine: would confine GET /app/leaky.lua "]);
    server.wait_for_log(&[
        "confine: what rulesets refuse is not told: the kernel takes no filter on a request's thread (EBUSY); ",
        "start it outside of the container",
        "report mode and ConfineExplain go on without, and ConfineMode learn learns nothing",
    ]);
    assert_eq!(server.log_lines("is not told").len(), 1, "once");
    assert_eq!(server.log_lines("deny read").len(), 0);
}

matrix!(under_a_supervisor for process_gate);
