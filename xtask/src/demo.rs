//! The demo: a real httpd, two people, one application with a security hole, and what the kernel answers it.

use std::{
    io::Write,
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use clap::Args;
use confine_tests::{Cell, Client, Gate, Mpm, Request, Response, Server};

#[derive(Args)]
pub struct Options {
    /// Print the table and end. The exit status is 0 only if every row is as expected.
    #[arg(long)]
    once: bool,
}

/// An application inside the server's process. It reads every path that it is asked for.
const APPLICATION: &str = r#"function handle(r)
    r.content_type = "text/plain"
    local file, why = io.open(r:parseargs().path or "", "rb")
    if not file then
        r.status = 403
        r:puts(why, "\n")
        return apache2.OK
    end
    r:puts(file:read("a"))
    return apache2.OK
end
"#;

/// What an administrator would write.
const CONFIGURATION: &str = r#"
AddHandler lua-script .lua

# Everybody logs in.
<Location "/">
    AuthType Basic
    AuthName "demo"
    AuthUserFile "@root@/passwords"
    Require valid-user
</Location>

# The same application twice: as it is, and confined by user.
Alias "/open" "@root@/www/app"
<Location "/app">
    ConfineMap "@root@/confine.map"
</Location>

# Who may touch what. ABI 2 lets the demo run on Debian 12's own kernel, too.
ConfineBackend landlock
<ConfineLandlock alice>
    LandlockABI 2
    LandlockRead "@root@/www" "@root@/home/alice"
</ConfineLandlock>
<ConfineLandlock bob>
    LandlockABI 2
    LandlockRead "@root@/www" "@root@/home/bob"
</ConfineLandlock>
"#;

/// alice:alice, bob:bob, carol:carol
const PASSWORDS: &str = "alice:{SHA}UisnajVr3zkBPfq+os1D4UHsyeg=\n\
                         bob:{SHA}SBgazSKz7a68ikR4aKfffOYpkgo=\n\
                         carol:{SHA}KLkrVu5kuS67cthl8XLvAMcI34M=\n";

/// One question and the answer that it must get under confinement.
struct Row {
    user: &'static str,
    file: &'static str,
    confined: Expected,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// The kernel lets the application read it.
    Read,
    /// The kernel refuses the application, which says so.
    RefusedByKernel,
    /// mod_confine refuses the request: no rule names this user.
    RefusedByRules,
}

const ROWS: [Row; 6] = [
    Row { user: "alice", file: "@root@/home/alice/diary", confined: Expected::Read },
    Row { user: "alice", file: "@root@/home/bob/diary", confined: Expected::RefusedByKernel },
    Row { user: "bob", file: "@root@/home/bob/diary", confined: Expected::Read },
    Row { user: "bob", file: "@root@/home/alice/diary", confined: Expected::RefusedByKernel },
    Row { user: "bob", file: "/etc/passwd", confined: Expected::RefusedByKernel },
    Row { user: "carol", file: "@root@/home/alice/diary", confined: Expected::RefusedByRules },
];

/// Runs the demo.
pub fn run(options: &Options) -> ExitCode {
    let cell = Cell { mpm: Mpm::Event, gate: Gate::Process };
    let server = cell
        .server()
        .modules(["lua", "auth_basic", "authn_file", "authz_user"])
        .file("www/app/read.lua", APPLICATION)
        .file("home/alice/diary", "alice's diary\n")
        .file("home/bob/diary", "bob's diary\n")
        .file("passwords", PASSWORDS)
        .file("confine.map", "alice landlock:alice\nbob   landlock:bob\n")
        .config(CONFIGURATION)
        .try_start();
    let server = match server {
        Ok(server) => server,
        Err(error) => {
            eprintln!("demo: the server did not start.\n{error}");
            return ExitCode::FAILURE;
        }
    };
    let as_it_should_be = show(&server);
    if !options.once {
        keep_serving(&server);
    }
    server.stop();
    if as_it_should_be { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Asks every question twice and prints the table. The result says whether every row is as expected.
fn show(server: &Server) -> bool {
    let client = server.client();
    let root = server.path("").display().to_string();
    let root = root.trim_end_matches('/');
    println!("One server, one application that reads any path it is given, inside the server's process.\n");
    println!(
        "{:<6} {:<16} {:<20} {:<22} the kernel's answer",
        "user", "asks for", "without confinement", "with mod_confine"
    );
    let mut all = true;
    for row in &ROWS {
        let path = row.file.replace("@root@", root);
        let open = ask(&client, row.user, "open", &path);
        let confined = ask(&client, row.user, "app", &path);
        let fine = open.status == 200 && as_expected(&confined, row.confined);
        all &= fine;
        let short = row.file.trim_start_matches("@root@/home/");
        println!(
            "{:<6} {:<16} {:<20} {:<22} {}{}",
            row.user,
            short,
            verdict(&open),
            verdict(&confined),
            answer(&confined, row.confined, &path),
            if fine { "" } else { "   <-- NOT AS IT SHOULD BE" },
        );
    }
    println!("\nWhat the server wrote:");
    for line in server.log_lines("confine: ").iter().filter(|l| l.contains("/app/")).take(3) {
        println!("  {}", line.find("confine: ").map_or(line.as_str(), |at| &line[at..]));
    }
    for line in server.log_lines("confine: refused") {
        println!("  {}", line.find("confine: ").map_or(line.as_str(), |at| &line[at..]));
    }
    all
}

fn ask(client: &Client, user: &str, place: &str, path: &str) -> Response {
    client.send(&Request::get(format!("/{place}/read.lua?path={path}")).password(user, user))
}

fn as_expected(response: &Response, expected: Expected) -> bool {
    match expected {
        Expected::Read => response.status == 200,
        Expected::RefusedByKernel => response.status == 403 && response.text().contains("Permission denied"),
        Expected::RefusedByRules => response.status == 403 && !response.text().contains("diary"),
    }
}

fn verdict(response: &Response) -> String {
    match response.status {
        200 => "reads it".to_owned(),
        status => format!("refused ({status})"),
    }
}

fn answer(response: &Response, expected: Expected, path: &str) -> String {
    match expected {
        Expected::RefusedByRules => "not asked: no rule for this user".to_owned(),
        _ if response.status == 200 => "yes".to_owned(),
        _ => response.text().trim().replace(&format!("{path}: "), "EACCES: "),
    }
}

/// Set by Ctrl-C or SIGTERM.
static STOP: AtomicBool = AtomicBool::new(false);

extern "C" fn on_signal(_: libc::c_int) {
    STOP.store(true, Ordering::Relaxed);
}

/// Serves until Ctrl-C.
fn keep_serving(server: &Server) {
    let handler = on_signal as extern "C" fn(libc::c_int) as libc::sighandler_t;
    // SAFETY: the handler only stores to an atomic, which a signal handler may do.
    unsafe {
        libc::signal(libc::SIGINT, handler);
        libc::signal(libc::SIGTERM, handler);
    }
    let home = server.path("home").display().to_string();
    let base = format!("http://127.0.0.1:{}", server.port());
    println!("\nThe server goes on. Users alice, bob and carol; each one's password is the name. Try:");
    println!("  curl -u alice:alice '{base}/app/read.lua?path={home}/alice/diary'   # hers");
    println!("  curl -u alice:alice '{base}/app/read.lua?path={home}/bob/diary'     # the kernel refuses");
    println!("  curl -u alice:alice '{base}/open/read.lua?path={home}/bob/diary'    # not confined");
    println!("Its folder, with httpd.conf, confine.map and logs/: {}", server.path("").display());
    println!("Ctrl-C ends it and removes the folder.");
    let _ = std::io::stdout().flush();
    while !STOP.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(100));
    }
    println!("\nStopping.");
}
