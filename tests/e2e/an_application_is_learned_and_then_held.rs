//! `ConfineMode learn`, the application used once, `confinectl suggest`, `ConfineMode enforce`: what was done then works,
//! without a line written by hand, and what was not is refused. What a tenant's content did to others is not granted by
//! having done it.

use std::{fs, net::TcpListener, path::Path, thread::sleep, time::Duration};

use confine_tests::{Cell, Request, Response, Server, ServerBuilder, matrix};

/// Two virtual hosts, each with a document root, a folder of its own to write, and a secret.
fn two_tenants(builder: ServerBuilder, lines: impl Fn(&str) -> String) -> ServerBuilder {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf/landlock");
    let builder = builder
        .config(format!("LandlockIncludeDir \"{}\"\nConfineLearnFolder run/learned", shipped.display()))
        .config("IncludeOptional \"@root@/rulesets/*.conf\"");
    ["dog", "cat"].into_iter().fold(builder, |builder, name| {
        let folders = ["data", "sessions", "tmp", "uploads"];
        let builder = folders
            .into_iter()
            .fold(builder, |builder, folder| builder.writable_folder(&format!("{name}/var/{folder}")));
        let more = lines(name);
        builder
            .file(&format!("{name}/secret"), format!("the secret of {name}"))
            .directory(&format!("{name}/htdocs"), "Require all granted\nOptions +ExecCGI")
            .host(
                &format!("{name}.example"),
                &format!(
                    "DocumentRoot \"@root@/{name}/htdocs\"\nConfineMode learn\nConfineContext landlock:{name}\n{more}"
                ),
            )
    })
}

fn ask(server: &Server, name: &str, query: &str) -> Response {
    let request = Request::get(format!("/index.app?{query}"));
    server.client().send(&request.header("Host", &format!("{name}.example")))
}

#[track_caller]
fn says(server: &Server, name: &str, query: &str, text: &str) {
    let answer = ask(server, name, query);
    assert_eq!(
        (answer.status, answer.text().trim()),
        (200, text),
        "{name}: {query}: {answer:?}\n{}",
        server.log()
    );
}

/// Takes what was learned of each as its ruleset, and nothing else.
fn held(server: &Server, names: &[&str]) -> Vec<String> {
    // What was done last is written down a moment later.
    sleep(Duration::from_millis(300));
    let folder = server.path("rulesets");
    fs::create_dir_all(&folder).unwrap_or_else(|e| panic!("{e}"));
    let mut sections = Vec::new();
    for name in names {
        let suggested = server.confinectl("suggest", &[name]).expect_status(0);
        fs::write(folder.join(format!("{name}.conf")), &suggested.out).unwrap_or_else(|e| panic!("{e}"));
        sections.push(suggested.out);
    }
    let config = server.path("httpd.conf");
    let text = fs::read_to_string(&config).unwrap_or_else(|e| panic!("{e}"));
    fs::write(&config, text.replace("ConfineMode learn", "ConfineMode enforce"))
        .unwrap_or_else(|e| panic!("{e}"));
    server.restart_gracefully();
    sections
}

const PHP: &str = "<?php
require __DIR__ . '/lib/util.php';
switch ($_GET['do']) {
    case 'time':
        $time = new DateTime('@1700000000');
        say($time->setTimezone(new DateTimeZone('Asia/Tokyo'))->format('H:i'));
        break;
    case 'session':
        session_id('f00d' . $_GET['what']);
        session_start();
        $_SESSION['n'] = 1 + ($_SESSION['n'] ?? 0);
        say('n=' . $_SESSION['n']);
        break;
    case 'upload':
        $to = __DIR__ . '/../var/uploads/' . bin2hex(random_bytes(8));
        say(move_uploaded_file($_FILES['file']['tmp_name'], $to) ? file_get_contents($to) : 'lost');
        break;
    case 'keep':
        say(file_put_contents(__DIR__ . '/../var/data/notes', 'x', FILE_APPEND | LOCK_EX) ? 'kept' : 'lost');
        break;
    case 'run': say(shell_exec($_GET['what'] . ' 2>&1') ?? 'closed'); break;
    case 'connect': say(@fsockopen('127.0.0.1', (int) $_GET['what'], $no, $text, 2) ? 'connected' : 'closed'); break;
    case 'read': say(@file_get_contents($_GET['what']) ?: 'closed'); break;
}
";

const PHP_SETTINGS: &str = "AddHandler application/x-httpd-php .app
php_admin_value session.save_path @root@/NAME/var/sessions
php_admin_value session.use_cookies 0
php_admin_value upload_tmp_dir @root@/NAME/var/tmp";

fn upload(server: &Server, name: &str) -> Response {
    let body =
        "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\ncontent\r\n--x--\r\n";
    let request = Request::upload("POST", "/index.app?do=upload", body.into())
        .header("Content-Type", "multipart/form-data; boundary=x")
        .header("Host", &format!("{name}.example"));
    server.client().send(&request)
}

/// What somebody who tries the application does, and what it must answer.
fn walk(server: &Server, name: &str, port: u16, session: &str) {
    says(server, name, "do=time", "23:13 07:13".split(' ').nth(1).unwrap_or_default());
    says(server, name, &format!("do=session&what={session}"), "n=1");
    says(server, name, "do=keep", "kept");
    says(server, name, "do=run&what=echo+it+ran;+dirname+/a/b", "it ran\n/a");
    says(server, name, &format!("do=connect&what={port}"), "connected");
    let uploaded = upload(server, name);
    assert_eq!(
        (uploaded.status, uploaded.text().as_str()),
        (200, "content"),
        "{uploaded:?}\n{}",
        server.log()
    );
}

fn php(cell: Cell) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|e| panic!("a port: {e}"));
    let other = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|e| panic!("a port: {e}"));
    let port = |listener: &TcpListener| listener.local_addr().map_or(0, |address| address.port());
    let builder = two_tenants(cell.server().modules(["php"]), |name| PHP_SETTINGS.replace("NAME", name));
    let server = ["dog", "cat"]
        .into_iter()
        .fold(builder, |builder, name| {
            builder
                .file(&format!("{name}/htdocs/index.app"), PHP)
                .file(&format!("{name}/htdocs/lib/util.php"), "<?php function say($text) { echo $text; }")
        })
        .start();
    for name in ["dog", "cat"] {
        // Both children get their turn.
        for session in ["1", "2"] {
            walk(&server, name, port(&listener), session);
        }
    }
    server.wait_for_log(&["confine: learning GET /index.app ", "vhost=dog.example", "context=landlock:dog"]);
    let cats = server.path("cat/secret").display().to_string();
    // The dog's content tries to have it learned.
    says(&server, "dog", &format!("do=read&what={cats}"), "the secret of cat");
    assert!(ask(&server, "dog", "do=read&what=/etc/passwd").text().contains("root:"));
    let sections = held(&server, &["dog", "cat"]);
    let dogs = &sections[0];
    for granted in [
        "LandlockInclude php".to_owned(),
        format!("LandlockRead \"{}\"", server.path("dog/htdocs").display()),
        format!("LandlockWrite \"{}\"", server.path("dog/var/sessions").display()),
        format!("LandlockConnect {}", port(&listener)),
        "# LandlockRead \"/etc/passwd\"".to_owned(),
        format!("# LandlockRead \"{cats}\""),
    ] {
        assert!(dogs.lines().any(|line| line.trim() == granted), "no {granted:?} in:\n{dogs}");
    }
    for name in ["dog", "cat"] {
        walk(&server, name, port(&listener), "3");
    }
    let log = server.wait_for_log(&[
        "confine: confined GET /index.app ",
        "vhost=dog.example",
        "context=landlock:dog",
    ]);
    assert!(!log.is_empty());
    for name in ["dog", "cat"] {
        let neighbour = if name == "dog" { "cat" } else { "dog" };
        let secret = server.path(&format!("{neighbour}/secret")).display().to_string();
        says(&server, name, &format!("do=read&what={secret}"), "closed");
        says(&server, name, "do=read&what=/etc/passwd", "closed");
        says(&server, name, &format!("do=connect&what={}", port(&other)), "closed");
        let ran = ask(&server, name, "do=run&what=basename+/a/b").text();
        assert!(ran.contains("Permission denied"), "{ran}");
    }
}

matrix!(php once on prefork);

const PYTHON: &str = r#"#!/usr/bin/python3
import os, socket, sqlite3, subprocess, sys, urllib.parse, zoneinfo, datetime
query = urllib.parse.parse_qs(os.environ['QUERY_STRING'])
do, what = query['do'][0], query.get('what', [''])[0]
print('Content-Type: text/plain\n')
try:
    if do == 'time':
        print(datetime.datetime.fromtimestamp(1700000000, zoneinfo.ZoneInfo('Asia/Tokyo')).strftime('%H:%M'))
    elif do == 'keep':
        with sqlite3.connect(os.path.dirname(__file__) + '/../var/data/app.db') as db:
            db.execute('create table if not exists t (x)')
            db.execute('insert into t values (1)')
        print('kept')
    elif do == 'run':
        print(subprocess.run([what, '/a/b'], capture_output=True, check=True).stdout.decode().strip())
    elif do == 'connect':
        socket.create_connection(('127.0.0.1', int(what)), 2)
        print('connected')
    elif do == 'read':
        print(open(what).read())
except (OSError, sqlite3.Error) as error:
    print('closed')
"#;

fn python(cell: Cell) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|e| panic!("a port: {e}"));
    let port = listener.local_addr().map_or(0, |address| address.port());
    let builder = two_tenants(cell.server().modules(["cgi"]), |_| "AddHandler cgi-script .app".to_owned());
    let server = ["dog", "cat"]
        .into_iter()
        .fold(builder, |builder, name| builder.program(&format!("{name}/htdocs/index.app"), PYTHON))
        .start();
    let walk = |name: &str| {
        says(&server, name, "do=time", "07:13");
        says(&server, name, "do=keep", "kept");
        says(&server, name, "do=run&what=/usr/bin/dirname", "/a");
        says(&server, name, &format!("do=connect&what={port}"), "connected");
    };
    walk("dog");
    walk("cat");
    let cats = server.path("cat/secret").display().to_string();
    says(&server, "dog", &format!("do=read&what={cats}"), "the secret of cat");
    held(&server, &["dog", "cat"]);
    walk("dog");
    walk("cat");
    says(&server, "dog", &format!("do=read&what={cats}"), "closed");
    says(&server, "dog", "do=read&what=/etc/passwd", "closed");
    says(&server, "dog", "do=run&what=/usr/bin/basename", "closed");
    says(&server, "dog", &format!("do=connect&what={}", port ^ 1), "closed");
}

matrix!(python for gates);
