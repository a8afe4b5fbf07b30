//! Contexts that wait for a place under Total get one in the order in which they came.

use std::{
    thread,
    time::{Duration, Instant},
};

use confine_tests::{Cell, matrix, pools::*};

fn who_came_first_is_served_first(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    // There is room for one pool at a time.
    let server = two_pools(cell, "Processes 1\nTotal 1")
        .config("<ConfineLandlock carol>\nLandlockInclude php-cgi\nLandlockRead \"@root@/www/carol\"\n</ConfineLandlock>")
        .location("/carol", "ConfineContext landlock:carol")
        .workers(6)
        .file("www/alice/wait.php", php("sleep(3); echo 'waited';"))
        .file("www/bob/hello.php", php("echo 'hello';"))
        .file("www/carol/hello.php", php("echo 'hello';"))
        .start();
    // The manager knows carol's pool before the others.
    server.client().get("/carol/hello.php").expect_status(200);
    let answered = |path: &'static str| {
        server.client().get(path).expect_status(200);
        Instant::now()
    };
    thread::scope(|scope| {
        let alice = scope.spawn(|| answered("/alice/wait.php"));
        thread::sleep(Duration::from_millis(800));
        let bob = scope.spawn(|| answered("/bob/hello.php"));
        thread::sleep(Duration::from_millis(800));
        let carol = scope.spawn(|| answered("/carol/hello.php"));
        let [alice, bob, carol] =
            [alice, bob, carol].map(|it| it.join().unwrap_or_else(|_| panic!("a client's thread")));
        assert!(alice < bob, "bob waited for no place");
        assert!(bob < carol, "carol overtook bob by {:?}", bob - carol);
    });
}

matrix!(who_came_first_is_served_first once);
