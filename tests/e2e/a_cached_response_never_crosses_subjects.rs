//! httpd's cache does not know subjects. So a response under a rule is neither stored in it nor served from it,
//! unless `ConfineAllowCache on` is set.

use confine_tests::{Cell, Response, Server, ServerBuilder, matrix, need_lua, tenants::*};

const DISK: (&[&str], &str) = (&["cache", "cache_disk"], "CacheRoot \"@root@/cache\"\nCacheEnable disk /");

const MEMORY: (&[&str], &str) = (
    &["cache", "cache_socache", "socache_shmcb"],
    "CacheSocache shmcb:@root@/run/cache\nCacheEnable socache /",
);

/// 127.0.0.1 is alice, 127.0.0.2 is bob.
const BY_ADDRESS: &str = "127.0.0.1 landlock:alice\n127.0.0.2 landlock:bob\n";

fn with_cache(cell: Cell, (modules, store): (&[&str], &str), quick: &str) -> ServerBuilder {
    application(cell)
        .modules(modules.iter().copied())
        .modules(["headers"])
        .writable_folder("cache")
        .file("by-address.map", BY_ADDRESS)
        .config(store)
        .config(format!(
            "CacheQuickHandler {quick}\nCacheHeader on\nHeader set Cache-Control \"public, max-age=600\""
        ))
}

fn confined(builder: ServerBuilder) -> ServerBuilder {
    builder.config(RULESETS_OF_BOTH).config("ConfineMap by-address.map")
}

const RULESETS_OF_BOTH: &str = r#"
<ConfineLandlock alice>
    LandlockRead "@root@/www" "@root@/data/alice" "@root@/cache"
    LandlockWrite "@root@/cache"
</ConfineLandlock>
<ConfineLandlock bob>
    LandlockRead "@root@/www" "@root@/data/bob" "@root@/cache"
    LandlockWrite "@root@/cache"
</ConfineLandlock>
"#;

fn ask(server: &Server, address: &str) -> Response {
    server.client().from_address(address).get(&note_of(server, "alice"))
}

fn is_hit(response: &Response) -> bool {
    response.header("x-cache").is_some_and(|value| value.starts_with("HIT"))
}

/// Each kind of store, with the cache before everything else and among the content handlers.
fn every_cache() -> impl Iterator<Item = ((&'static [&'static str], &'static str), &'static str)> {
    [DISK, MEMORY].into_iter().flat_map(|store| ["on", "off"].map(|quick| (store, quick)))
}

fn the_stock_server_mixes_subjects(cell: Cell) {
    // What a program sends has no length, and such a response is not stored.
    need_lua();
    for (store, quick) in every_cache() {
        let server = with_cache(cell, store, quick).stock().start();
        ask(&server, "127.0.0.1").expect_content(NOTE_OF_ALICE);
        let second = ask(&server, "127.0.0.2");
        assert!(is_hit(&second), "{}, quick handler {quick}: {second:?}", store.1);
    }
}

matrix!(the_stock_server_mixes_subjects for process_gate);

fn confined_responses_are_not_cached(cell: Cell) {
    for (store, quick) in every_cache() {
        let server = confined(with_cache(cell, store, quick)).config("ConfineBackend landlock").start();
        for _ in 0..3 {
            let alice = ask(&server, "127.0.0.1");
            alice.expect_content(NOTE_OF_ALICE).expect_context("landlock:alice");
            let bob = ask(&server, "127.0.0.2");
            bob.expect_denied_by_kernel().expect_context("landlock:bob");
            assert!(!is_hit(&alice) && !is_hit(&bob), "quick handler {quick}: {alice:?} {bob:?}");
        }
        assert_eq!(server.log_lines("confine: confined GET").len(), 6, "every request was decided on");
    }
}

matrix!(confined_responses_are_not_cached);

fn what_was_cached_for_the_unconfined_is_not_served_to_the_confined(cell: Cell) {
    for (store, quick) in every_cache() {
        let server = confined(with_cache(cell, store, quick))
            .config("ConfineBackend landlock")
            .file("by-address.map", "127.0.0.1 unconfined\n127.0.0.2 landlock:bob\n")
            .start();
        for _ in 0..2 {
            ask(&server, "127.0.0.1").expect_content(NOTE_OF_ALICE).expect_context("-");
            ask(&server, "127.0.0.2").expect_denied_by_kernel().expect_context("landlock:bob");
        }
    }
}

matrix!(what_was_cached_for_the_unconfined_is_not_served_to_the_confined);

fn allowed_on_request(cell: Cell) {
    // What a program sends has no length, and such a response is not stored.
    need_lua();
    for (store, quick) in every_cache() {
        let server = confined(with_cache(cell, store, quick))
            .config("ConfineBackend landlock\nConfineAllowCache on")
            .start();
        ask(&server, "127.0.0.1").expect_content(NOTE_OF_ALICE);
        let second = ask(&server, "127.0.0.2");
        assert!(is_hit(&second), "{}, quick handler {quick}: {second:?}", store.1);
        second.expect_content(NOTE_OF_ALICE);
    }
}

matrix!(allowed_on_request);
