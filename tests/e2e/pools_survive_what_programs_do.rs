//! A program that is gone, hangs, floods, forks away or takes all memory harms its own request, and the next is served.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use confine_tests::{Cell, Request, ServerBuilder, Wire, matrix, pools::*, tenants::Expectations};

const HELLO: &str = "echo 'hello';";

fn php_pool(cell: Cell, section: &str, script: &str) -> ServerBuilder {
    two_pools(cell, section)
        .file("www/alice/it.php", php(script))
        .file("www/alice/hello.php", php(HELLO))
        .file("www/bob/hello.php", php(HELLO))
}

/// Programs in Perl, with what they may run and read.
fn program(cell: Cell, section: &str, code: &str) -> ServerBuilder {
    pools_of(cell, &format!("Program \"@root@/bin/app\"\n{section}"), "perl cgi")
        .program("bin/app", code)
        .file("www/alice/it.php", "source")
        .file("www/bob/it.php", "source")
}

const PERL: &str = r#"#!/usr/bin/perl
use strict; use FCGI;
my $request = FCGI::Request();
while ($request->Accept() >= 0) {
    read(STDIN, my $body, $ENV{CONTENT_LENGTH} || 0);
    sleep 1 if ($ENV{QUERY_STRING} // '') eq 'slow';
    sleep 1000 if ($ENV{QUERY_STRING} // '') eq 'hang';
    print "Content-Type: text/plain\r\n\r\n$ENV{CONFINE_CONTEXT} $$ $ENV{REQUEST_METHOD} $body";
}
"#;

fn perl_serves_and_grows(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = program(cell, "Processes 3", PERL).workers(8).start();
    let upload = Request::upload("POST", "/alice/it.php", vec![b'x'; 100]);
    let answer = server.client().send(&upload).expect_status(200).text();
    assert!(
        answer.starts_with("landlock:alice ") && answer.ends_with(&format!(" POST {}", "x".repeat(100))),
        "{answer}"
    );
    let start = Instant::now();
    let pids = thread::scope(|scope| {
        let asked: Vec<_> = (0..6)
            .map(|_| scope.spawn(|| server.client().get("/alice/it.php?slow").expect_status(200).text()))
            .collect();
        let texts = asked.into_iter().map(|it| it.join().unwrap_or_else(|_| panic!("a client's thread")));
        let mut pids: Vec<_> = texts.filter_map(|text| text.split(' ').nth(1).map(str::to_owned)).collect();
        pids.sort();
        pids.dedup();
        pids
    });
    assert_eq!(pids.len(), 3, "{pids:?}");
    assert!(start.elapsed() < Duration::from_secs(4), "two rounds of three: {:?}", start.elapsed());
}

matrix!(perl_serves_and_grows once);

fn a_process_that_hangs_is_not_waited_for(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = program(cell, "Processes 3", PERL).config("ProxyTimeout 1").start();
    for _ in 0..2 {
        assert!(server.client().get("/alice/it.php?hang").status >= 500);
        let start = Instant::now();
        server.client().get("/alice/it.php").expect_status(200);
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    }
}

matrix!(a_process_that_hangs_is_not_waited_for once);

fn a_program_that_is_gone_or_not_executable(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = program(cell, "Idle 1", PERL).start();
    let path = server.path("bin/app");
    let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
    mode(0o644);
    let answer = server.client().get("/alice/it.php");
    assert!(answer.status >= 500 && !answer.text().contains("source"), "{answer:?}");
    server.wait_for_log(&["pool", "context=landlock:alice", "Permission denied"]);
    mode(0o755);
    until("it runs again", || server.client().get("/alice/it.php").status == 200);
    until("it is idle", || server.processes_of("bin/app").is_empty());
    fs::rename(&path, server.path("bin/away")).expect("rename");
    let answer = server.client().get("/alice/it.php");
    assert!(answer.status >= 500 && !answer.text().contains("source"), "{answer:?}");
    server.wait_for_log(&["context=landlock:alice", "No such file or directory"]);
    fs::rename(server.path("bin/away"), &path).expect("rename");
    until("it runs again", || server.client().get("/alice/it.php").status == 200);
}

matrix!(a_program_that_is_gone_or_not_executable once);

fn a_script_that_hangs(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let script = "sleep(1000);";
    let server = php_pool(cell, "Processes 3", script).config("ProxyTimeout 1").start();
    let start = Instant::now();
    let before = server.client().get("/alice/it.php");
    assert!(matches!(before.status, 500..=504), "{before:?}");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    server.client().get("/alice/hello.php").expect_content("hello");
    server.client().get("/bob/hello.php").expect_content("hello");
}

matrix!(a_script_that_hangs once);

/// By descriptor 2, and by the error stream of FastCGI, which mod_proxy_fcgi writes to the log line by line.
fn a_script_that_floods_the_log(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let script = "$to = fopen('php://stderr', 'w');
        for ($i = 0; $i < 4000; $i++) {
            $_GET['by'] === 'stderr' ? fwrite($to, \"flood $i\\n\") : error_log(\"flood $i\");
            if ($i % 100 === 99) flush();
        }
        echo 'done';";
    let server = php_pool(cell, "Processes 2", script).start();
    for by in ["stderr", "fastcgi"] {
        let before = server.log_lines("flood ").len();
        for _ in 0..3 {
            server.client().get(&format!("/alice/it.php?by={by}")).expect_content("done");
        }
        server.client().get("/alice/hello.php").expect_content("hello");
        let kept = server.log_lines("flood ").len() - before;
        assert!((20..=120).contains(&kept), "{by}: {kept} lines");
    }
    server.wait_for_log(&["more are not kept"]);
    // Bob's words are his own.
    server.client().get("/bob/hello.php").expect_content("hello");
    let other = php_pool(cell, "Processes 1", "error_log('a word of ' . $_GET['n']); echo 'said';").start();
    for n in 0..3 {
        other.client().get(&format!("/alice/it.php?n={n}")).expect_content("said");
        other.wait_for_log(&[&format!("a word of {n}")]);
    }
}

matrix!(a_script_that_floods_the_log once);

/// The bound is the pool's, however many processes it has after each other.
fn processes_that_flood_the_log_one_after_the_other(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let code = "#!/usr/bin/perl\nuse strict; use FCGI; use POSIX;\nmy $request = FCGI::Request();\n$request->Accept();\n\
                POSIX::write(2, \"flood $_\\n\", 9) for 10..54;\nprint \"Content-Type: text/plain\\r\\n\\r\\nhello\";\n\
                $request->Finish();\n";
    let server = program(cell, "Processes 1", code).start();
    for _ in 0..5 {
        server.client().get("/alice/it.php").expect_content("hello");
    }
    server.wait_for_log(&["pool says", "more are not kept"]);
    let kept = server.log_lines("flood ").len();
    assert!((45..=55).contains(&kept), "{kept} lines");
    until("the log tells how many", || !server.log_lines("lines that were not kept: ").is_empty());
}

matrix!(processes_that_flood_the_log_one_after_the_other once);

/// Leaves its group and its parent, and says who it is then.
const AWAY: &str = r#"#!/usr/bin/perl
use POSIX;
if (fork) { select undef, undef, undef, 0.3; exit 0 }
POSIX::setsid();
exit 0 if fork;
open my $out, '>>', $ARGV[0] or die "$ARGV[0]: $!"; print $out "$$\n"; close $out;
sleep 1000;
"#;

fn a_program_that_forks_away(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let section = "Processes 2\nArguments \"@root@/data/alice/away\"";
    let server = program(cell, section, AWAY).config("ProxyTimeout 2").start();
    for _ in 0..8 {
        let answer = server.client().get("/alice/it.php");
        assert!(answer.status >= 500, "{answer:?}");
    }
    let away = fs::read_to_string(server.path("data/alice/away")).expect("it went away");
    assert!(away.lines().count() > 0, "it went away");
    let is_left = |pid: &str| Path::new("/proc").join(pid).exists();
    until("nothing is left of it", || !away.lines().any(is_left));
    assert!(server.processes_of("bin/app").is_empty());
}

matrix!(a_program_that_forks_away once);

const DAEMON: &str = r#"#!/usr/bin/perl
use POSIX;
my ($folder, $secret) = @ARGV;
open my $first, '>>', "$folder/seen" or die "$folder: $!"; close $first;
if (fork) { exit 0 } POSIX::setsid();
open STDOUT, '>', '/dev/null'; open STDERR, '>', '/dev/null'; open STDIN, '<', '/dev/null';
while (1) {
    my $seen = open(my $in, '<', $secret) ? <$in> : 'closed';
    open my $out, '>>', "$folder/seen"; print $out "$seen\n"; close $out;
    select undef, undef, undef, 0.05;
}
"#;

fn what_a_script_leaves_running(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let start =
        "exec(dirname($_SERVER['DOCUMENT_ROOT']) . '/bin/daemon ' . escapeshellarg($_GET['to']) . ' ' .
        escapeshellarg($_GET['read']) . ' 2>&1', $said, $code); echo $code === 0 ? 'left' : implode(' ', $said);";
    let server = pools_of(cell, &format!("Program {PHP_CGI}\nProcesses 1\nIdle 2"), "php-cgi perl cgi")
        .program("bin/daemon", DAEMON)
        .file("www/alice/it.php", php(start))
        .start();
    let (folder, secret) = (server.path("data/alice"), server.path("data/bob/secret"));
    let target = format!("/alice/it.php?to={}&read={}", folder.display(), secret.display());
    server.client().get(&target).expect_content("left");
    let seen = || fs::read_to_string(folder.join("seen")).unwrap_or_default();
    until("it lives on", || seen().lines().count() > 5);
    assert!(seen().lines().all(|line| line == "closed"), "{}", seen());
    until("it ends with its pool", || server.processes_of("bin/daemon").is_empty());
    assert!(server.processes_of("php-cgi").is_empty());
}

matrix!(what_a_script_leaves_running once);

fn a_script_that_takes_all_memory(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    // An error that is shown is no error to PHP: it answers 200.
    let script = "ini_set('display_errors', '0'); echo strlen(str_repeat('x', 150 << 20));";
    let section = "Processes 1\nArguments -d memory_limit=-1";
    let with = php_pool(cell, &format!("{section}\nMemory 100M"), script).start();
    for _ in 0..2 {
        // PHP ends where it gets no memory.
        assert!(matches!(with.client().get("/alice/it.php").status, 500 | 503));
        with.client().get("/alice/hello.php").expect_content("hello");
    }
    let without = php_pool(cell, section, script).start();
    without.client().get("/alice/it.php").expect_content(&(150 << 20).to_string());
}

matrix!(a_script_that_takes_all_memory once);

fn a_client_that_goes(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let script = "ignore_user_abort(true); ob_implicit_flush(); ini_set('output_buffering', '0');
        for ($i = 0; $i < 2000 && !connection_aborted(); $i++) { echo str_repeat('x', 100000); flush(); usleep(2000); }
        file_put_contents(dirname($_SERVER['DOCUMENT_ROOT']) . '/data/alice/end', connection_aborted() ? 'told' : 'not told');";
    let server = php_pool(cell, "Processes 1", script).start();
    let mut connection = server.connect();
    connection.send_get("/alice/it.php", "");
    assert_eq!(connection.head_only().status, 200);
    drop(connection);
    let end = || fs::read_to_string(server.path("data/alice/end")).unwrap_or_default();
    until("the script is told", || !end().is_empty());
    assert_eq!(end(), "told");
    server.client().get("/alice/hello.php").expect_content("hello");
}

matrix!(a_client_that_goes for gates);

fn streams_of_http_2(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = php_pool(cell, "Processes 6", "sleep(1); echo $_GET['n'];").workers(8).tls().start();
    server.client().get("/alice/hello.php").expect_content("hello");
    let requests: Vec<_> = (0..6).map(|n| Request::get(format!("/alice/it.php?n={n}"))).collect();
    let start = Instant::now();
    for (n, answer) in server.client_over(Wire::H2).send_together(&requests).into_iter().enumerate() {
        answer.expect_content(&n.to_string());
    }
    assert!(start.elapsed() < Duration::from_millis(3500), "six at once: {:?}", start.elapsed());
}

matrix!(streams_of_http_2 once);

fn one_request_a_process(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let script = "$c = FFI::cdef('int optind;'); echo getmypid(), ' ', $c->optind; $c->optind = 4711;";
    let server =
        php_pool(cell, "Processes 2\nRequests 1\nArguments -d ffi.enable=1", script).workers(6).start();
    let texts: Vec<String> = thread::scope(|scope| {
        let ask = || (0..10).map(|_| server.client().get("/alice/it.php").expect_status(200).text());
        let asked: Vec<_> = (0..3).map(|_| scope.spawn(move || ask().collect::<Vec<_>>())).collect();
        asked.into_iter().flat_map(|it| it.join().unwrap_or_else(|_| panic!("a client's thread"))).collect()
    });
    let mut pids: Vec<_> = texts.iter().filter_map(|text| text.strip_suffix(" 1")).collect();
    assert_eq!(pids.len(), 30, "nothing of the request before: {texts:?}");
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), 30, "{texts:?}");
}

matrix!(one_request_a_process once);
