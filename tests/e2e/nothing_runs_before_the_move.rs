//! A request that only leads to another resource (a rewriting in a directory, or a type map of root's) runs this one
//! handler and no other. Any other handler for the same URL runs in the context or not at all.

use confine_tests::{Cell, Server, ServerBuilder, hostile::*, matrix, platform};

/// An application that answers for URLs, whatever handler is named for them, and notes what it can read.
fn with_a_map_handler(cell: Cell) -> ServerBuilder {
    two_tenants(cell)
        .modules(["rewrite", "negotiation"])
        .file(
            "www/alice/map.lua",
            format!("{PEEK}function go(r) note(r, 'map handler') return apache2.DECLINED end"),
        )
        .file("www/alice/.htaccess", "RewriteEngine On\nRewriteRule ^app/.*$ /alice/page.txt [L]\n")
        .file("www/alice/page.txt", "the page")
        .file("www/alice/item.var", "URI: page.txt\nContent-Type: text/plain\n")
        .config("AddHandler type-map .var")
        .directory("www/alice", "AllowOverride FileInfo\nConfineContext landlock:alice")
}

fn notes_are_of_the_context(server: &Server) {
    let notes = server.notes();
    assert!(!notes.is_empty() && notes.iter().all(|note| note.is_confined()), "{notes:#?}\n{}", server.log());
}

fn where_a_directory_is_rewritten(cell: Cell) {
    let server =
        with_a_map_handler(cell).config("LuaMapHandler ^/alice/ @root@/www/alice/map.lua go").start();
    let client = server.client();
    assert_eq!(client.get("/alice/app/x").expect_status(200).text(), "the page");
    // Once for the page itself, and not for what led there.
    assert_eq!(server.notes().len(), 1, "{:#?}", server.notes());
    client.get("/alice/page.txt").expect_status(200);
    assert_eq!(server.notes().len(), 2);
    notes_are_of_the_context(&server);
}

matrix!(where_a_directory_is_rewritten);

fn where_a_type_map_is_asked(cell: Cell) {
    let server =
        with_a_map_handler(cell).config("LuaMapHandler ^/alice/ @root@/www/alice/map.lua go").start();
    assert_eq!(server.client().get("/alice/item.var").expect_status(200).text(), "the page");
    notes_are_of_the_context(&server);
    if platform::is_root() {
        assert_eq!(server.notes().len(), 1, "{:#?}", server.notes());
    }
}

matrix!(where_a_type_map_is_asked);

/// A handler that answers for a rewriting is content like any other. Here it would come first and last.
fn where_the_rewriting_is_answered_for(cell: Cell) {
    let server = with_a_map_handler(cell)
        .file(
            "www/alice/answer.lua",
            format!("{PEEK}function go(r) note(r, 'answer') r:puts('answered') return apache2.OK end"),
        )
        .config("LuaMapHandler ^/alice/ @root@/www/alice/answer.lua go")
        .start();
    assert_eq!(server.client().get("/alice/app/x").expect_status(200).text(), "answered");
    notes_are_of_the_context(&server);
}

matrix!(where_the_rewriting_is_answered_for);

/// The name of mod_rewrite's handler alone does not lead on. Such a request is decided like any other.
fn where_only_the_handlers_name_is_set(cell: Cell) {
    let server = with_a_map_handler(cell)
        .file("www/alice/named/.htaccess", "SetHandler redirect-handler\n")
        .file("www/alice/named/x", "the file")
        .config("LuaMapHandler ^/alice/named/ @root@/www/alice/map.lua go")
        .start();
    server.client().get("/alice/named/x");
    notes_are_of_the_context(&server);
}

matrix!(where_only_the_handlers_name_is_set);

/// httpd's quick handlers answer before any rule is read: mod_lua's never do where rules are, also where the cache
/// may.
fn where_a_quick_handler_answers(cell: Cell) {
    for cache in ["", "ConfineAllowCache on"] {
        let server = two_tenants(cell)
            .file(
                "www/alice/quick.lua",
                format!("{PEEK}function go(r) note(r, 'quick') return apache2.DECLINED end"),
            )
            .file("www/alice/page.txt", "the page")
            .config(format!(
                "LuaQuickHandler @root@/www/alice/quick.lua go\nConfineContext landlock:alice\n{cache}"
            ))
            .start();
        assert_eq!(server.client().get("/alice/page.txt").expect_status(200).text(), "the page");
        assert!(server.notes().is_empty(), "{:#?}", server.notes());
    }
}

matrix!(where_a_quick_handler_answers);
