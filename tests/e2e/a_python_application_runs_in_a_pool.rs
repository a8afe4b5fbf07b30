//! Whatever speaks FastCGI on its descriptor 0 runs in a pool: Python by uWSGI, as distributions ship it. (Perl's own
//! FCGI is in the tests of what programs do.)

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use confine_tests::{Cell, Request, matrix, pools::*};

/// The program, and the folder of its plugins, on Debian and on Fedora.
const PROGRAMS: [(&str, &str); 2] =
    [("/usr/bin/uwsgi-core", "/usr/lib/uwsgi/plugins"), ("/usr/sbin/uwsgi", "/usr/lib64/uwsgi")];

const APPLICATION: &str = r#"
import os, time, urllib.parse
def application(environ, start_response):
    query = dict(urllib.parse.parse_qsl(environ['QUERY_STRING']))
    body = environ['wsgi.input'].read(int(environ.get('CONTENT_LENGTH') or 0))
    if 'sleep' in query:
        time.sleep(float(query['sleep']))
    try:
        said = open(os.path.join(environ['DOCUMENT_ROOT'], '../data', query['of'], 'secret')).read()
    except (PermissionError, KeyError):
        said = 'closed'
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [f"{environ['CONFINE_CONTEXT']} {os.getpid()} {len(body)} {said}".encode()]
"#;

fn a_wsgi_application(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let found = PROGRAMS.into_iter().find(|(program, _)| Path::new(program).exists());
    let (program, plugins) = found.expect("uWSGI (Debian: apt-get install uwsgi-plugin-python3)");
    let section = format!(
        "Program {program}\nProcesses 3\nIdle 2\n\
         Arguments --plugins-dir {plugins} --plugin python3 --fastcgi-socket fd://0 --disable-logging\n\
         Arguments --wsgi-file \"@root@/app/application.py\" --die-on-term"
    );
    let may = format!("python cgi\nLandlockExecute {program}\nLandlockRead {plugins} \"@root@/app\"");
    let server = pools_of(cell, &section, &may)
        .workers(6)
        .file("app/application.py", APPLICATION)
        .file("www/alice/it.php", "source")
        .file("www/bob/it.php", "source")
        .start();
    let client = server.client();
    let upload = Request::upload("POST", "/alice/it.php?of=alice", vec![b'x'; 100_000]);
    let answer = client.send(&upload).expect_status(200).text();
    assert!(answer.starts_with("landlock:alice ") && answer.ends_with(" 100000 alice's secret"), "{answer}");
    let answer = client.get("/bob/it.php?of=alice").expect_status(200).text();
    assert!(answer.starts_with("landlock:bob ") && answer.ends_with(" 0 closed"), "{answer}");
    // One process serves one request, so the pool grows.
    let start = Instant::now();
    let mut pids = thread::scope(|scope| {
        let ask = || server.client().get("/alice/it.php?sleep=1").expect_status(200).text();
        let asked: Vec<_> = (0..3).map(|_| scope.spawn(ask)).collect();
        let texts = asked.into_iter().map(|it| it.join().unwrap_or_else(|_| panic!("a client's thread")));
        texts.filter_map(|text| text.split(' ').nth(1).map(str::to_owned)).collect::<Vec<_>>()
    });
    pids.sort();
    pids.dedup();
    assert_eq!(pids.len(), 3, "{pids:?}");
    assert!(start.elapsed() < Duration::from_millis(2900), "three at once: {:?}", start.elapsed());
    until("idle pools end", || server.processes_of(program).is_empty());
    server.wait_for_log(&[
        "confine: pool ended",
        "context=landlock:alice: it had no request for as long as Idle says",
    ]);
    client.get("/alice/it.php?of=alice").expect_status(200);
}

matrix!(a_wsgi_application for gates);
