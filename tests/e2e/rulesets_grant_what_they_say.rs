//! Each directive of a ruleset grants its own right and no other: reading, writing, executing, connecting, binding,
//! signals.

use confine_tests::{Cell, Response, Server, matrix, need_lua, ports, tenants::*};

/// A server in which `/NAME/` is confined by a ruleset of these lines, for each `(NAME, lines)`.
fn with_rulesets(cell: Cell, rulesets: &[(&str, String)]) -> Server {
    rulesets
        .iter()
        .fold(leaky_app(cell).writable_folder("data/shared"), |builder, (name, lines)| {
            builder.file("data/shared/note", "shared\n").file(&format!("data/shared/old-{name}"), "").config(
                format!(
                    "Alias /{name} \"@root@/www/app\"\n\
                 <ConfineLandlock {name}>\nLandlockRead \"@root@/www\"\n{lines}\n</ConfineLandlock>\n\
                 <Location \"/{name}\">\nConfineContext landlock:{name}\n</Location>"
                ),
            )
        })
        .start()
}

fn act(server: &Server, ruleset: &str, action: &str, argument: &str) -> Response {
    server.client().get(&leaky_at(&format!("/{ruleset}/leaky.lua"), action, argument)).expect_status(200)
}

fn reading_and_writing(cell: Cell) {
    let data = "\"@root@/data/shared\"";
    let server = with_rulesets(
        cell,
        &[
            ("none", String::new()),
            ("read", format!("LandlockRead {data}")),
            ("write", format!("LandlockWrite {data}")),
            ("both", format!("LandlockRead {data}\nLandlockWrite {data}")),
        ],
    );
    let note = server.path("data/shared/note").display().to_string();
    let new = server.path("data/shared/new").display().to_string();
    for (ruleset, may_read, may_write) in
        [("none", false, false), ("read", true, false), ("write", false, true), ("both", true, true)]
    {
        let expect = |action: &str, path: &str, allowed: bool, content: &str| match allowed {
            true => drop(act(&server, ruleset, action, path).expect_content(content)),
            false => drop(act(&server, ruleset, action, path).expect_denied_by_kernel()),
        };
        expect("read", &note, may_read, "shared\n");
        expect("write", &new, may_write, "written");
        let old = server.path(&format!("data/shared/old-{ruleset}")).display().to_string();
        expect("remove", &old, may_write, "removed");
        assert_eq!(std::fs::exists(&old).ok(), Some(!may_write), "{ruleset}");
    }
}

matrix!(reading_and_writing for gates);

fn executing(cell: Cell) {
    // An application that is a program has to be executed itself.
    need_lua();
    let server = with_rulesets(
        cell,
        &[
            ("read", "LandlockRead /usr /etc /dev".to_owned()),
            ("execute", "LandlockExecute /usr\nLandlockRead /etc /dev".to_owned()),
        ],
    );
    let refused = act(&server, "read", "run", "echo it ran").text();
    assert!(!refused.contains("it ran"), "{refused}");
    let ran = act(&server, "execute", "run", "echo it ran").text();
    assert!(ran.contains("it ran\nstatus=0"), "{ran}");
}

matrix!(executing for gates);

/// The lines that a shell and the commands below need.
const PROGRAMS: &str = "LandlockExecute /usr\nLandlockRead /etc /dev\nLandlockWrite /dev/null\n";

fn connecting(cell: Cell) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap_or_else(|e| panic!("a port: {e}"));
    let port = listener.local_addr().unwrap_or_else(|e| panic!("a port: {e}")).port();
    let server = with_rulesets(
        cell,
        &[
            ("none", PROGRAMS.to_owned()),
            ("other", format!("{PROGRAMS}LandlockConnect {}", port ^ 1)),
            ("port", format!("{PROGRAMS}LandlockConnect 1 {port}")),
            ("any", format!("{PROGRAMS}LandlockConnect any")),
        ],
    );
    let command = format!("bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port} && echo connected'");
    for (ruleset, allowed) in [("none", false), ("other", false), ("port", true), ("any", true)] {
        let text = act(&server, ruleset, "run", &command).text();
        assert_eq!(text.contains("connected\nstatus=0"), allowed, "{ruleset}: {text}");
        assert_eq!(text.contains("Permission denied"), !allowed, "{ruleset}: {text}");
    }
}

matrix!(connecting for gates);

fn binding(cell: Cell) {
    let port = ports::free();
    let server = with_rulesets(
        cell,
        &[
            ("none", PROGRAMS.to_owned()),
            ("port", format!("{PROGRAMS}LandlockBind {port}")),
            ("any", format!("{PROGRAMS}LandlockBind any")),
        ],
    );
    let command = format!(
        "timeout 1 openssl s_server -nocert -cipher aNULL -naccept 1 -accept 127.0.0.1:{port} </dev/null"
    );
    for (ruleset, allowed) in [("none", false), ("port", true), ("any", true)] {
        let text = act(&server, ruleset, "run", &command).text();
        assert_eq!(text.contains("ACCEPT"), allowed, "{ruleset}: {text}");
        assert_eq!(text.contains("Permission denied"), !allowed, "{ruleset}: {text}");
    }
}

matrix!(binding for gates);

fn sending_signals(cell: Cell) {
    // The parent of an application that is a program is in its context, too.
    need_lua();
    let server = with_rulesets(
        cell,
        &[
            ("default", PROGRAMS.to_owned()),
            ("none", format!("{PROGRAMS}LandlockScope none")),
            ("signals", format!("{PROGRAMS}LandlockScope signals")),
        ],
    );
    // The shell's parent is the server's child, of the same user and outside of the ruleset.
    for (ruleset, allowed) in [("default", false), ("none", true), ("signals", false)] {
        let text = act(&server, ruleset, "run", "kill -0 $PPID").text();
        assert_eq!(text.contains("status=0"), allowed, "{ruleset}: {text}");
    }
}

matrix!(sending_signals for gates);
