//! `confinectl explain` says about a request exactly what the server's log says when the request is sent: the same
//! rule, the same contexts, the same refusal.

use std::fs;

use confine_tests::{
    Cell, Client, Request, Server, ServerBuilder, matrix,
    tables::{Table, asking},
    tenants::*,
};

/// A configuration in which most ways to choose a rule have their place.
fn every_section(cell: Cell) -> ServerBuilder {
    application(cell)
        .modules(["setenvif", "rewrite"])
        .config(OPTIONAL_LOGIN)
        .config("ConfineBackend landlock\nSetEnvIf X-Tenant \"(.+)\" TENANT=$1")
        .ruleset("alice", "LandlockRead \"@root@/www\" \"@root@/data/alice\"")
        .ruleset("bob", "LandlockRead \"@root@/www\" \"@root@/data/bob\"")
        .ruleset("own", "LandlockRead \"@root@/www\" \"@root@/data/%{REMOTE_USER}\"")
        .file("by-address.map", "127.0.0.2 bob\n::1 alice\n")
        .file("by-path.map", "path:@root@/www/x*/** unconfined\nhost:cat alice bob\n")
        .file("www/x1/page.txt", "1\n")
        .file("www/x1/deep/page.txt", "2\n")
        .file("www/app/special.txt", "special\n")
        .file("www/app/if-page.txt", "if\n")
        .file("www/over/page.txt", "over\n")
        .file("www/over/.htaccess", "Options +Indexes\nAddType text/plain .txt\n")
        .file("www/over/broken/page.txt", "broken\n")
        .file("www/over/broken/.htaccess", "ConfineContext unconfined\n")
        .host("first", "ConfineContext bob")
        .host("dog", DOG)
        .host("cat", CAT)
        .host("plain", "<Location \"/own\">\nConfineContext own\n</Location>")
        .config("<VirtualHost [::1]:@port@>\nServerName six\nConfineMap by-address.map\n</VirtualHost>")
}

const DOG: &str = r#"
    ServerAlias *.dog.example puppy
    ConfineMap by-address.map
    ConfineContext alice
    Alias "/elsewhere" "@root@/www/app"
    Redirect "/moved" "/app/page.txt"
    <Directory "@root@/www">
        ConfineEnv UNSET
        <Files "page.txt">
            ConfineExpr "%{HTTP:X-Context}"
        </Files>
    </Directory>
    <Directory "@root@/www/app">
        ConfineMap tenants.map
        <Files "special.txt">
            ConfineEnv TENANT
        </Files>
        <If "%{REQUEST_URI} =~ m#/if-#">
            ConfineContext bob
        </If>
    </Directory>
    <DirectoryMatch "/www/x[0-9]+$">
        ConfineMap by-path.map
    </DirectoryMatch>
    <Directory "@root@/www/over">
        AllowOverride All
    </Directory>
    <Location "/app/own">
        ConfineContext own
    </Location>
    <Location "/elsewhere">
        ConfineEnv TENANT
        <If "-n %{HTTP:X-Guest}">
            ConfineContext unconfined
        </If>
    </Location>
    # Sections are merged before anybody is asked for a password: never true.
    <If "-n %{REMOTE_USER}">
        ConfineContext unconfined
    </If>
    <LocationMatch "^/(x|y)/">
        ConfineMode report
        ConfineContext own
    </LocationMatch>
"#;

const CAT: &str = r#"
    ConfineMap tenants.map
    <Location "/allowed">
        ConfineUnmatched allow
    </Location>
    <Location "/report">
        ConfineMode report
    </Location>
    <Location "/x1">
        ConfineMap by-path.map
    </Location>
    <If "%{REQUEST_METHOD} == 'DELETE'">
        ConfineContext unconfined
    </If>
"#;

/// One request, which is sent and asked about.
#[derive(Clone, Copy, Default)]
struct Case {
    host: &'static str,
    target: &'static str,
    user: Option<&'static str>,
    /// 127.0.0.1 unless it says otherwise.
    from: Option<&'static str>,
    /// Headers and, where a module makes one of them, the environment variable.
    header: Option<&'static str>,
    env: Option<&'static str>,
    method: Option<&'static str>,
}

const fn at(host: &'static str, target: &'static str) -> Case {
    Case { host, target, user: None, from: None, header: None, env: None, method: None }
}

impl Case {
    const fn user(mut self, user: &'static str) -> Self {
        self.user = Some(user);
        self
    }

    const fn from(mut self, address: &'static str) -> Self {
        self.from = Some(address);
        self
    }

    const fn tenant(mut self, header: &'static str, env: &'static str) -> Self {
        (self.header, self.env) = (Some(header), Some(env));
        self
    }

    const fn header(mut self, header: &'static str) -> Self {
        self.header = Some(header);
        self
    }

    const fn method(mut self, method: &'static str) -> Self {
        self.method = Some(method);
        self
    }

    /// What `explain` says.
    #[track_caller]
    fn explained(&self, server: &Server) -> Option<String> {
        let to = match self.from {
            Some("::1") => format!("[::1]:{}", server.port()),
            _ => format!("127.0.0.1:{}", server.port()),
        };
        let mut args = vec!["--host", self.host, "--uri", self.target, "--to", &to];
        args.extend(["--ip", self.from.unwrap_or("127.0.0.1")]);
        let options = [
            ("--user", self.user),
            ("--header", self.header),
            ("--env", self.env),
            ("--method", self.method),
        ];
        for (option, value) in options {
            args.extend(value.into_iter().flat_map(|value| [option, value]));
        }
        let run = server.confinectl("explain", &args);
        assert_eq!(run.err, "", "{run}");
        assert!([0, 1].contains(&run.status), "{run}");
        run.decision().map(str::to_owned)
    }

    /// What the server's log says, once the request is sent.
    #[track_caller]
    fn logged(&self, server: &Server, before: usize) -> Vec<String> {
        let request = match self.method {
            Some(method) if method != "GET" => Request::upload(method, self.target, Vec::new()),
            _ => Request::get(self.target),
        };
        let mut request = request.header("Host", self.host);
        if let Some((name, value)) = self.header.and_then(|h| h.split_once(": ")) {
            request = request.header(name, value);
        }
        if let Some(user) = self.user {
            request = request.user(user);
        }
        client(server, self.from).send(&request);
        decisions(server).split_off(before)
    }
}

fn client(server: &Server, from: Option<&str>) -> Client {
    match from {
        Some("::1") => server.client_v6(),
        Some(address) => server.client().from_address(address),
        None => server.client(),
    }
}

/// The decisions in the log, without what httpd writes before them.
fn decisions(server: &Server) -> Vec<String> {
    let lines = server.log_lines("confine: ");
    let text = |line: &String| line.split_once("confine: ").map(|(_, text)| text.to_owned());
    lines.iter().filter_map(text).filter(|text| text.contains(" vhost=")).collect()
}

const CASES: [Case; 33] = [
    at("first", "/app/page.txt"),
    // An unknown name is the first virtual host's.
    at("stranger.example", "/app/page.txt").user("alice"),
    at("dog", "/nothing.txt"),
    at("dog", "/nothing.txt").from("127.0.0.2"),
    at("DOG", "/nothing.txt").user("bob"),
    at("young.dog.example", "/app/leaky.lua").user("alice"),
    at("puppy:80", "/app/leaky.lua").user("bob"),
    at("dog", "/app/page.txt"),
    at("dog", "/app/page.txt").header("X-Context: bob"),
    at("dog", "/app/page.txt").header("X-Context: nobody"),
    at("dog", "/app/page.txt").header("X-Context: unconfined"),
    at("dog", "/app/special.txt").user("alice"),
    at("dog", "/app/special.txt").user("alice").tenant("X-Tenant: bob", "TENANT=bob"),
    at("dog", "/app/special.txt").user("alice").tenant("X-Tenant: no one", "TENANT=no one"),
    at("dog", "/app/if-page.txt").user("alice"),
    at("dog", "/app/own/x").user("alice"),
    at("dog", "/app/own/x"),
    at("dog", "/x1/page.txt"),
    at("dog", "/x1/deep/page.txt"),
    at("dog", "//x1/./deep/../page.txt?q=1"),
    at("dog", "/%78%31/page%2etxt"),
    at("dog", "/over/page.txt"),
    at("dog", "/elsewhere/special.txt").user("bob"),
    at("dog", "/elsewhere/special.txt").user("bob").header("X-Guest: yes"),
    at("dog", "/x/y").user("bob"),
    at("dog", "/x/y"),
    at("cat", "/app/page.txt").user("alice"),
    at("cat", "/app/page.txt"),
    at("cat", "/allowed/x"),
    at("cat", "/report/x"),
    at("cat", "/x1/page.txt").user("bob"),
    at("plain", "/own/x").user("bob"),
    at("six", "/app/page.txt").from("::1"),
];

fn the_decision(cell: Cell) {
    let server = every_section(cell).start();
    for case in CASES {
        let explained = case.explained(&server);
        let logged = case.logged(&server, decisions(&server).len());
        let what = format!("{} {} {:?} {:?}", case.host, case.target, case.user, case.header);
        assert_eq!(explained.as_slice(), logged, "{what}");
        assert!(explained.is_some(), "{what}");
    }
}

matrix!(the_decision for gates);

fn the_method(cell: Cell) {
    let server = every_section(cell).start();
    for method in ["GET", "DELETE"] {
        let case = at("cat", "/app/page.txt").user("alice").method(method);
        assert_eq!(case.explained(&server).as_slice(), case.logged(&server, decisions(&server).len()));
    }
}

matrix!(the_method once);

/// If no rule is asked, the log has no line, and explain says what happens.
fn what_is_not_decided(cell: Cell) {
    let server = every_section(cell).start();
    for (host, target, words) in [
        ("plain", "/app/page.txt", "no rule applies here: the request runs with the server's privileges"),
        ("dog", "/moved", "httpd answers 302 before any rule is asked"),
        ("dog", "/over/broken/page.txt", "httpd answers 500 before any rule is asked"),
        ("d/og", "/app/page.txt", "httpd answers 400 before any rule is asked"),
        ("dog", "/app/%2fx", "httpd answers 404 before any rule is asked"),
    ] {
        let case = at(host, target);
        let run = server.confinectl("explain", &["--host", host, "--uri", target, "--ip", "127.0.0.1"]);
        run.expect_status(1).says(&[words]);
        assert_eq!(case.explained(&server), None, "{target}");
        assert_eq!(case.logged(&server, decisions(&server).len()), Vec::<String>::new(), "{target}");
    }
    let broken = server.confinectl("explain", &["--host", "dog", "--uri", "/over/broken/page.txt"]);
    assert!(broken.out.contains("ConfineContext not allowed here"), "{broken}");
}

matrix!(what_is_not_decided once);

fn a_stranger_under_strict_host_check(cell: Cell) {
    let server = every_section(cell).config("StrictHostCheck On").start();
    let run =
        server.confinectl("explain", &["--host", "stranger", "--uri", "/app/page.txt"]).expect_status(1);
    let case = at("stranger", "/app/page.txt");
    let logged = case.logged(&server, 0);
    let answer = server.client().send(&Request::get("/app/page.txt").header("Host", "stranger"));
    run.says(&[&format!("httpd answers {} before any rule is asked", answer.status)]);
    assert_eq!((answer.status / 100, logged), (4, Vec::new()), "{answer:?}");
    let case = at("dog", "/app/page.txt");
    assert_eq!(case.explained(&server).as_slice(), case.logged(&server, 0));
}

matrix!(a_stranger_under_strict_host_check once);

fn the_early_move(cell: Cell) {
    let server =
        every_section(cell).host("early", "ConfineEarly expr=%{HTTP:X-Early}\nConfineContext alice").start();
    for early in ["landlock:bob", "nonsense", ""] {
        let header = format!("X-Early: {early}");
        let to = format!("127.0.0.1:{}", server.port());
        let mut args = vec!["--host", "early", "--uri", "/app/page.txt", "--ip", "127.0.0.1", "--to", &to];
        if !early.is_empty() {
            args.extend(["--header", &header]);
        }
        let run = server.confinectl("explain", &args);
        let before = decisions(&server).len();
        let mut request = Request::get("/app/page.txt").header("Host", "early");
        if !early.is_empty() {
            request = request.header("X-Early", early);
        }
        server.client().send(&request);
        // The last line is that of the end: the move, or the early move's refusal.
        assert_eq!(run.decision(), decisions(&server)[before..].last().map(String::as_str), "{run}");
        assert!(run.out.contains("\nearly: "), "{run}");
    }
}

matrix!(the_early_move once);

/// Every rule in order, with the reasons; and the file that is named counts, not the URL's.
fn every_rule_in_order(cell: Cell) {
    let server = every_section(cell).start();
    let conf = fs::read_to_string(server.path("httpd.conf")).unwrap_or_else(|e| panic!("httpd.conf: {e}"));
    let root = server.path("");
    let root = root.display().to_string();
    let root = root.trim_end_matches('/');
    let line = |text: &str, nth: usize| {
        let found = conf.lines().enumerate().filter(|(_, l)| l.trim() == text).nth(nth);
        format!("{root}/httpd.conf:{}", found.unwrap_or_else(|| panic!("no line {text:?}")).0 + 1)
    };
    let special = format!("{root}/www/app/special.txt");
    let run = server
        .confinectl(
            "explain",
            &["--host", "dog", "--user", "bob", "--ip", "127.0.0.2", "--path", &special, "--env", "TENANT="],
        )
        .expect_status(0);
    let app = format!("<Directory \"{root}/www/app\">");
    let port = server.port();
    let begins = line(&format!("<VirtualHost 127.0.0.1:{port}>"), 1);
    run.says(&[&format!("virtual host dog ({begins}), reached at 127.0.0.1:{port}")]);
    run.says(&[
        &format!("1. {}: ConfineEnv TENANT in {app} <Files \"special.txt\"> no match: TENANT is empty", line("ConfineEnv TENANT", 0)),
        &format!(
            "2. {}: ConfineMap tenants.map in {app} -> landlock:bob from {root}/tenants.map:2 (applies: the first that \
             matches)",
            line("ConfineMap tenants.map", 0)
        ),
        &format!(
            "3. {}: ConfineEnv UNSET in <Directory \"{root}/www\"> no match: UNSET is not set",
            line("ConfineEnv UNSET", 0)
        ),
        &format!(
            "4. {}: ConfineMap by-address.map -> landlock:bob from {root}/by-address.map:1 (matches too, but 2 comes \
             first)",
            line("ConfineMap by-address.map", 0)
        ),
        &format!("5. {}: ConfineContext alice -> landlock:alice (matches too, but 2 comes first)", line("ConfineContext alice", 0)),
        &format!("file {special} (given)"),
        "URL / (assumed; name another with --uri)",
    ]);
    let deeper = server.confinectl("explain", &["--host", "dog", "--path", &format!("{special}/x/y")]);
    deeper
        .says(&[&format!("file {special} (given; the rest is not there, and is taken for the URL's: /x/y)")]);
    // Another address and no user: the map is silent, and no network matches what is not known.
    let unknown = server.confinectl("explain", &["--host", "dog", "--path", &special]).expect_status(0);
    unknown.says(&["note: the client's address is not known; name it with --ip"]);
    assert!(unknown.out.contains("by-address.map no match: no line of the map matches"), "{unknown}");
    assert!(unknown.out.contains("rule="), "{unknown}");
}

matrix!(every_rule_in_order once);

/// Only a running server asks a database. explain shows it at its rule and does not ask it.
fn a_database_is_not_asked(cell: Cell) {
    let table = Table::sqlite();
    let server = asking(
        cell,
        &table,
        "ConfineMap dbd:tenant ttl=0\nConfineContext landlock:alice\n\
         <Location /x>\nConfineContext landlock:bob\n</Location>",
    )
    .start();
    let run = server.confinectl("explain", &["--user", "alice", "--uri", "/page.txt"]).expect_status(1);
    run.says(&["undecided: the database has the first word, and is not asked here"]);
    let rule = "ConfineMap dbd:tenant ttl=0 ?: the database is not asked; a server that runs asks it (applies if it has \
                a row)";
    assert!(run.out.contains(rule), "{run}");
    assert!(
        run.out.contains("ConfineContext landlock:alice -> landlock:alice (matches too, but 1 comes first)"),
        "{run}"
    );
    // If a rule before it matches, the database is not needed.
    let run = server.confinectl("explain", &["--user", "alice", "--uri", "/x"]).expect_status(0);
    assert!(run.decision().is_some_and(|d| d.ends_with(" context=landlock:bob")), "{run}");
    let run = server.confinectl("check", &["--list"]);
    assert!(run.out.contains(": ConfineMap dbd:tenant ttl=0\n"), "{run}");
    assert!(!run.out.contains("never asked"), "{run}");
}

matrix!(a_database_is_not_asked once);
