//! Two people and one leaky application, which most tests use.
//!
//! `data/alice/note` and `data/bob/note` each belong to one of them. `www/app/leaky.lua` is an application inside the
//! server's process that does whatever its query says. The rulesets `alice` and `bob` allow the application and the
//! data of one person. Without Lua (`CONFINE_WITHOUT_LUA`), the same URLs lead to a program that does the same.

use std::{thread, time::Duration};

use crate::{Cell, Response, Server, ServerBuilder, platform};

/// What `data/alice/note` says.
pub const NOTE_OF_ALICE: &str = "alice wrote this for herself\n";

/// What `data/bob/note` says.
pub const NOTE_OF_BOB: &str = "bob wrote this for himself\n";

/// The rulesets of both, and Landlock as the backend of contexts that name none. `@more@` is a place for further
/// lines of both rulesets.
const RULESETS: &str = r#"
ConfineBackend landlock
<ConfineLandlock alice>
    LandlockRead "@root@/www" "@root@/data/alice"
    @more@
</ConfineLandlock>
<ConfineLandlock bob>
    LandlockRead "@root@/www" "@root@/data/bob"
    @more@
</ConfineLandlock>
"#;

/// The lines that a ruleset needs to run the system's programs and the scripts in `cgi-bin`.
pub const RUN_PROGRAMS: &str = r#"
    LandlockExecute /usr "@root@/cgi-bin"
    LandlockRead /etc /dev
    LandlockWrite /dev/null
"#;

/// Asks everybody for a password.
pub const LOGIN: &str = r#"
<Location "/">
    AuthType Basic
    AuthName "tests"
    AuthBasicProvider file
    AuthUserFile "@root@/passwords"
    Require valid-user
</Location>
"#;

/// Checks a password if one is sent. Requests without one pass.
pub const OPTIONAL_LOGIN: &str = r#"
<Location "/">
    AuthType Basic
    AuthName "tests"
    AuthBasicProvider file
    AuthUserFile "@root@/passwords"
    <RequireAny>
        Require valid-user
        Require expr "-z req('Authorization')"
    </RequireAny>
</Location>
"#;

/// A second path to the application, without confinement and without a password. It shows that the application could
/// read what the kernel refused on the first path.
const OPEN_DOOR: &str = r#"
Alias "/open" "@root@/www/app"
<Location "/open">
    ConfineContext unconfined
</Location>
"#;

/// For use after [`LOGIN`], which asks everywhere.
const OPEN_TO_ALL: &str = "<Location \"/open\">\nRequire all granted\n</Location>";

/// The files of both under `/data/`, for handlers that serve files.
pub const DATA_URLS: &str = r#"
Alias "/data" "@root@/data"
<Directory "@root@/data">
    Require all granted
</Directory>
"#;

/// Scripts in `cgi-bin` under `/cgi-bin/`. This loads no module.
pub const CGI_BIN: &str = r#"
ScriptAlias "/cgi-bin" "@root@/cgi-bin"
<Directory "@root@/cgi-bin">
    Require all granted
</Directory>
"#;

/// Names `alice` and `bob`, passwords `alice-pw` and `bob-pw`.
const PASSWORDS: &str = "alice:{SHA}g2YDYHBhl9R/ddqtGep+ipAO4aU=\nbob:{SHA}bOWgjgJew8XNjPXTyFghAc+ha1M=\n";

/// The part of `name`'s line in a password file after the name, for databases that keep the name themselves.
pub fn password_hash(name: &str) -> &'static str {
    let mut lines = PASSWORDS.lines().filter_map(|line| line.split_once(':'));
    let found = lines.find(|(user, _)| *user == name);
    found.unwrap_or_else(|| panic!("{name} has no password")).1
}

/// Each user's ruleset.
pub const MAP: &str = "alice landlock:alice\nbob landlock:bob\n";

/// The application: `?read=PATH`, `?write=PATH`, `?remove=PATH`, `?run=COMMAND`, `?body=1`.
const LEAKY: &str = include_str!("leaky.lua");

/// The same without Lua.
const LEAKY_PROGRAM: &str = include_str!("leaky.sh");

const RUN_LEAKY_PROGRAM: &str = r#"
AddHandler cgi-script .lua
<Directory "@root@/www">
    Options +ExecCGI
</Directory>
"#;

/// The application and the data alone. A server without the module can use them, too.
pub fn application(cell: Cell) -> ServerBuilder {
    let builder = cell.server().modules(["auth_basic", "authn_file", "authz_user"]);
    let builder = if platform::without_lua() {
        builder.modules(["cgi"]).runs_programs().program(LEAKY_FILE, LEAKY_PROGRAM).config(RUN_LEAKY_PROGRAM)
    } else {
        builder.modules(["lua"]).file(LEAKY_FILE, LEAKY).config("AddHandler lua-script .lua")
    };
    builder
        .file("www/app/page.txt", "a page for everybody\n")
        .file("data/alice/note", NOTE_OF_ALICE)
        .file("data/bob/note", NOTE_OF_BOB)
        .file("passwords", PASSWORDS)
        .file("tenants.map", MAP)
}

/// The application, the data and the rulesets. Nobody needs a password, and there is no rule.
pub fn leaky_app(cell: Cell) -> ServerBuilder {
    leaky_app_with(cell, "")
}

/// As [`leaky_app`], with these lines added to both rulesets.
pub fn leaky_app_with(cell: Cell, lines: &str) -> ServerBuilder {
    application(cell).folder("cgi-bin").config(RULESETS.replace("@more@", lines)).config(OPEN_DOOR)
}

/// The application, where everybody logs in and is confined to their own data.
pub fn two_people(cell: Cell) -> ServerBuilder {
    leaky_app(cell).config(LOGIN).config(OPEN_TO_ALL).config("ConfineMap \"@root@/tenants.map\"")
}

/// Adds the folder `/dav/`, where a client can store and fetch files, with any protocol.
pub fn dav_folder(builder: ServerBuilder) -> ServerBuilder {
    builder
        .modules(["dav", "dav_fs"])
        .writable_folder("www/dav")
        .writable_folder("locks")
        .config("DavLockDB \"@root@/locks/db\"\n<Location \"/dav\">\nDav On\n</Location>")
}

/// The target with which the leaky application does `action` on `argument`.
pub fn leaky(action: &str, argument: impl AsRef<str>) -> String {
    leaky_at("/app/leaky.lua", action, argument)
}

/// As [`leaky`], for an application at another place.
pub fn leaky_at(place: &str, action: &str, argument: impl AsRef<str>) -> String {
    format!("{place}?{action}={}", encode(argument.as_ref()))
}

/// What the leaky application at `place` answers when it is to read this file of the server's folder.
pub fn read_at(server: &Server, place: &str, file: &str) -> Response {
    server.client().get(&leaky_at(
        &format!("{place}/leaky.lua"),
        "read",
        server.path(file).display().to_string(),
    ))
}

/// Waits until this request is refused with 500. After a restart an old child may still serve it for a moment.
pub fn wait_until_refused(server: &Server, place: &str, file: &str) {
    let refused = (0..200).any(|_| {
        thread::sleep(Duration::from_millis(20));
        read_at(server, place, file).status == 500
    });
    assert!(refused, "{}", server.log());
}

/// The target with which the leaky application reads the note of `owner`.
pub fn note_of(server: &Server, owner: &str) -> String {
    leaky("read", note_path(server, owner))
}

/// As [`note_of`], by the path without confinement. It is the positive control.
pub fn open_note_of(server: &Server, owner: &str) -> String {
    leaky_at("/open/leaky.lua", "read", note_path(server, owner))
}

/// What the note of `owner` says.
pub fn note(owner: &str) -> &'static str {
    match owner {
        "alice" => NOTE_OF_ALICE,
        "bob" => NOTE_OF_BOB,
        _ => panic!("{owner} has no note"),
    }
}

/// The path of the note of `owner`.
pub fn note_path(server: &Server, owner: &str) -> String {
    server.path(&format!("data/{owner}/note")).display().to_string()
}

/// Where the application lies.
pub(crate) const LEAKY_FILE: &str = "www/app/leaky.lua";

/// Percent-encodes a query's value.
fn encode(text: &str) -> String {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    text.bytes()
        .map(|b| if unreserved(b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

/// What the tests of confinement expect of a response.
pub trait Expectations: Sized {
    /// The request was served, and this is the content.
    #[track_caller]
    fn expect_content(&self, content: &str) -> &Self;

    /// The application ran, and the kernel refused what it tried.
    #[track_caller]
    fn expect_denied_by_kernel(&self) -> &Self;

    /// The application ran in this context (`-`: in none).
    #[track_caller]
    fn expect_context(&self, context: &str) -> &Self;
}

impl Expectations for Response {
    fn expect_content(&self, content: &str) -> &Self {
        assert_eq!((self.status, self.text().as_str()), (200, content), "{self:?}");
        self
    }

    fn expect_denied_by_kernel(&self) -> &Self {
        assert_eq!(self.status, 200, "{self:?}");
        let text = self.text();
        assert!(text.starts_with("failed: ") && text.contains("Permission denied"), "{self:?}");
        self
    }

    fn expect_context(&self, context: &str) -> &Self {
        assert_eq!(self.header("x-context"), Some(context), "{self:?}");
        self
    }
}
