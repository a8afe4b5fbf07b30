//! The status page in a real browser. It needs no script, is light or dark as the reader prefers, and is as wide as
//! the window.
//!
//! With `CONFINE_PICTURES` set to a folder, the pictures stay there.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use confine_tests::{Cell, Request, Server, ServerBuilder, matrix, pools, tenants::*};

const LIMIT: Duration = Duration::from_secs(60);

/// The page, as it was saved, on a telephone's screen: no window of the browser is that narrow, and the page itself lets
/// nobody frame it. The title says how wide the page has become.
const FRAME: &str = "<!DOCTYPE html>
<html lang=\"en\"><head><meta name=\"color-scheme\" content=\"light dark\"><title>not measured</title>
<style>body { margin: 0 } iframe { border: 0; width: 400px; height: 6000px }</style></head>
<body><iframe src=\"/saved.html\" onload=\"document.title = 'width ' + this.contentDocument.documentElement.scrollWidth\">
</iframe></body></html>
";

/// Two pools of processes: one that runs, and one whose ruleset does not let its program start, which lies where no
/// ruleset of these tests grants anything.
fn with_pools(server: ServerBuilder) -> ServerBuilder {
    let parts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf/landlock");
    let handler =
        |section| format!("<FilesMatch \"\\.php$\">\nSetHandler confine-fastcgi:{section}\n</FilesMatch>");
    server
        .modules(["proxy", "proxy_fcgi"])
        .config(format!("LandlockIncludeDir \"{}\"", parts.display()))
        .config(format!("<ConfineFastCGI php>\nProgram {}\n</ConfineFastCGI>", pools::PHP_CGI))
        .config("<ConfineFastCGI outside>\nProgram @root@/outside/program\n</ConfineFastCGI>")
        .program("outside/program", "#!/bin/sh\nexec sleep 60\n")
        .config("<ConfineLandlock runs>\nLandlockInclude php-cgi\nLandlockRead \"@root@/www\"\n</ConfineLandlock>")
        .config("<ConfineLandlock shut>\nLandlockRead \"@root@/www\"\n</ConfineLandlock>")
        .file("www/hello.php", pools::php("echo 'hello';"))
        .host("runs.example.com", &format!("ConfineContext landlock:runs\n{}", handler("php")))
        .host("shut.example.com", &format!("ConfineContext landlock:shut\n{}", handler("outside")))
}

/// A server that has something to show: hosts, contexts, refusals, a stale map, pools of processes.
fn busy(cell: Cell) -> Server {
    let server = leaky_app(cell);
    let server = if pools::can_have_pools() { with_pools(server) } else { server };
    let server = server
        .modules(["headers"])
        .file("www/frame.html", FRAME)
        .file("tenants.map", "host:shop.example.com landlock:alice\nhost:blog.example.com landlock:bob\n")
        .file("stale.map", "* landlock:alice\n")
        .host(
            "status.example.com",
            "ConfineContext unconfined\n<Location /status>\nSetHandler confine-status\n</Location>",
        )
        .host("shop.example.com", "ConfineMap \"@root@/tenants.map\"")
        .host("blog.example.com", "ConfineMap \"@root@/tenants.map\"")
        .host("wiki.example.com", "ConfineMap \"@root@/stale.map\"\nConfineMode report")
        .host("tenant.example.com", "ConfineExpr \"%{HTTP:X-Tenant}\"")
        .host("nobody.example.com", "ConfineMap \"@root@/tenants.map\"")
        .start();
    let client = server.client();
    let ask = |host: &str, path: &str, tenant: &str| {
        client.send(&Request::get(path).header("Host", host).header("X-Tenant", tenant))
    };
    for (host, number) in [("shop.example.com", 60), ("blog.example.com", 25), ("wiki.example.com", 12)] {
        (0..number).for_each(|_| drop(ask(host, "/app/page.txt", "").expect_status(200)));
    }
    for tenant in ["alice", "bob", "nobody", "<b>&\"'", "unconfined", "selinux:x_t:s0"] {
        ask("tenant.example.com", "/app/page.txt", tenant);
    }
    if pools::can_have_pools() {
        (0..4).for_each(|_| drop(ask("runs.example.com", "/hello.php", "").expect_status(200)));
        ask("shut.example.com", "/hello.php", "").expect_status(500);
    }
    ask("nobody.example.com", "/app/page.txt", "").expect_status(403);
    ask("nobody.example.com", "/app/%3Cscript%3Ealert(1)%3C/script%3E?x", "").expect_status(403);
    fs::write(server.path("stale.map"), "* landlock:alice\nbob\n").expect("a map");
    server.wait_for_log(&["stale.map:2:4: no context given", "the rules from before stay"]);
    let page = ask("status.example.com", "/status?format=html", "").expect_status(200).text();
    fs::write(server.path("www/saved.html"), page).expect("a page");
    server
}

/// Runs the browser until `done` holds, and then ends it, because it does not always end by itself.
fn browse(profile: &Path, arguments: &[String], done: impl Fn(&str) -> bool) -> String {
    let output = profile.join("output");
    let file = fs::File::create(&output).expect("a file");
    let mut browser = Command::new("chromium")
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ])
        .args(["--disable-background-networking", "--disable-component-update", "--hide-scrollbars"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(["--force-device-scale-factor=1", "--enable-logging=stderr"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(file.try_clone().expect("a file"))
        .stderr(file)
        .spawn()
        .unwrap_or_else(|e| panic!("chromium (Debian: apt-get install chromium): {e}"));
    let deadline = Instant::now() + LIMIT;
    loop {
        let ended = browser.try_wait().expect("its state").is_some();
        let said = String::from_utf8_lossy(&fs::read(&output).unwrap_or_default()).into_owned();
        if ended || done(&said) || Instant::now() > deadline {
            let _ = browser.kill();
            let _ = browser.wait();
            assert!(done(&said), "the browser did not do it:\n{said}");
            return said;
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// A picture: width, height, and its dots in red, green and blue.
struct Picture {
    width: usize,
    height: usize,
    dots: Vec<[u8; 3]>,
}

impl Picture {
    /// `None` until the browser has written all of it.
    fn read(path: &Path) -> Option<Self> {
        let mut reader =
            png::Decoder::new(io::BufReader::new(fs::File::open(path).ok()?)).read_info().ok()?;
        let mut bytes = vec![0; reader.output_buffer_size()?];
        let info = reader.next_frame(&mut bytes).ok()?;
        let per_dot = info.color_type.samples();
        let dots = bytes[..info.buffer_size()].chunks(per_dot).map(|dot| [dot[0], dot[1], dot[2]]);
        Some(Self { width: info.width as usize, height: info.height as usize, dots: dots.collect() })
    }

    /// Its average brightness, from 0 to 255.
    fn brightness(&self) -> u64 {
        let sum: u64 = self.dots.iter().flatten().map(|part| u64::from(*part)).sum();
        sum / (self.dots.len() as u64 * 3)
    }

    /// The number of its colours. An empty page has one.
    fn colours(&self) -> usize {
        self.dots.iter().collect::<std::collections::HashSet<_>>().len()
    }
}

fn picture(server: &Server, name: &str, page: &str, (width, height): (usize, usize), dark: bool) -> Picture {
    let folder = env::var_os("CONFINE_PICTURES").map_or_else(|| server.path("pictures"), PathBuf::from);
    fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join(name);
    let _ = fs::remove_file(&file);
    let profile = server.path(&format!("browser-{name}"));
    fs::create_dir_all(&profile).expect("a folder");
    let mut arguments = vec![
        format!("--window-size={width},{height}"),
        format!("--screenshot={}", file.display()),
        // The browser names a host; the server is on this machine.
        format!("--host-resolver-rules=MAP status.example.com 127.0.0.1:{}", server.port()),
    ];
    if dark {
        arguments.push("--blink-settings=preferredColorScheme=0".to_owned());
    }
    arguments.push(format!("http://status.example.com{page}"));
    let said = browse(&profile, &arguments, |_| Picture::read(&file).is_some());
    assert!(!said.contains("CONSOLE"), "the browser complains:\n{said}");
    Picture::read(&file).expect("a picture")
}

fn it_is_light_or_dark_and_fits_its_window(cell: Cell) {
    let server = busy(cell);
    let light = picture(&server, "status-light.png", "/status", (1280, 3800), false);
    let dark = picture(&server, "status-dark.png", "/status", (1280, 3800), true);
    let narrow = picture(&server, "status-narrow.png", "/status", (500, 3800), false);
    picture(&server, "status-400.png", "/frame.html", (500, 6000), false);
    picture(&server, "status-400-dark.png", "/frame.html", (500, 6000), true);
    assert_eq!((light.width, light.height, narrow.width), (1280, 3800, 500));
    assert!(light.colours() > 100 && dark.colours() > 100, "{} {}", light.colours(), dark.colours());
    assert!(
        light.brightness() > 200 && dark.brightness() < 80,
        "{} {}",
        light.brightness(),
        dark.brightness()
    );
}

matrix!(it_is_light_or_dark_and_fits_its_window once);

/// What the browser has made of a page.
fn dom(server: &Server, page: &str) -> String {
    let profile = server.path(&format!("browser{}", page.replace('/', "-")));
    fs::create_dir_all(&profile).expect("a folder");
    let arguments = [
        "--dump-dom".to_owned(),
        format!("--host-resolver-rules=MAP status.example.com 127.0.0.1:{}", server.port()),
        format!("http://status.example.com{page}"),
    ];
    browse(&profile, &arguments, |said| said.contains("</html>"))
}

fn on_a_telephone_it_is_no_wider_than_the_screen(cell: Cell) {
    let dom = dom(&busy(cell), "/frame.html");
    assert!(dom.contains("<title>width 400</title>"), "{dom}");
}

matrix!(on_a_telephone_it_is_no_wider_than_the_screen once);

fn what_the_browser_makes_of_it_is_text(cell: Cell) {
    let dom = dom(&busy(cell), "/status");
    for mark in [
        "<caption>",
        "<th scope=\"row\" class=\"long\">shop.example.com</th>",
        "stale.map:2:4: no context given",
        "no rule matched",
        "To do:",
        "<html lang=\"en\">",
    ] {
        assert!(dom.contains(mark), "{mark} in:\n{dom}");
    }
    if pools::can_have_pools() {
        assert!(dom.contains("Pools of processes") && dom.contains(">running</span>"), "{dom}");
    }
    assert!(!dom.contains("<script") && !dom.contains("<b>") && !dom.contains("CONSOLE"), "{dom}");
}

matrix!(what_the_browser_makes_of_it_is_text once);
