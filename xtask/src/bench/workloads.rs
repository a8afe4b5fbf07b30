//! What the servers of a benchmark are asked for, and how.

use std::fs;

use confine_tests::{Cell, Gate, Mpm, ServerBuilder, platform};

/// How a server is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// wrk, over this many connections that stay open.
    KeepAlive(u32),
    /// wrk, over this many connections at a time, a new one for each request.
    Close(u32),
    /// wrk, over this many connections that stay open; each request names one of so many tenants at random.
    AtRandom(u32, u32),
    /// h2load: HTTP/2 without TLS, this many connections of sixteen streams.
    Http2(u32),
}

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// A file of 1 kB.
    Small,
    /// A file of 100 kB.
    Large,
    /// A script in mod_lua that says hello.
    Lua,
    /// A PHP page that says hello.
    PhpHello,
    /// A PHP page that reads a file of 1 kB.
    PhpFile,
    /// A PHP page that computes for about two milliseconds.
    PhpWork,
    /// A PHP page of a small CMS: thirty includes, and a database of SQLite.
    PhpCms,
    /// A shell script in mod_cgi.
    Cgi,
}

/// One table of the benchmark.
pub struct Workload {
    pub name: &'static str,
    pub mpm: Mpm,
    pub content: Content,
    pub client: Client,
}

use Client::{AtRandom, Close, Http2, KeepAlive};
use Content::{Cgi, Large, Lua, PhpCms, PhpFile, PhpHello, PhpWork, Small};
use Mpm::{Event, Prefork};

pub const WORKLOADS: [Workload; 13] = [
    Workload { name: "1 kB file, 48 connections", mpm: Event, content: Small, client: KeepAlive(48) },
    Workload { name: "1 kB file, 8 connections", mpm: Event, content: Small, client: KeepAlive(8) },
    Workload { name: "1 kB file, 1 connection", mpm: Event, content: Small, client: KeepAlive(1) },
    Workload { name: "1 kB file, a connection a request", mpm: Event, content: Small, client: Close(48) },
    Workload { name: "1 kB file, HTTP/2", mpm: Event, content: Small, client: Http2(8) },
    Workload { name: "100 kB file", mpm: Event, content: Large, client: KeepAlive(48) },
    Workload { name: "mod_lua, hello", mpm: Event, content: Lua, client: KeepAlive(48) },
    Workload { name: "1 kB file, prefork", mpm: Prefork, content: Small, client: KeepAlive(48) },
    Workload { name: "PHP, hello, prefork", mpm: Prefork, content: PhpHello, client: KeepAlive(48) },
    Workload {
        name: "PHP, hello, prefork, 1 connection",
        mpm: Prefork,
        content: PhpHello,
        client: KeepAlive(1),
    },
    Workload { name: "PHP, a file, prefork", mpm: Prefork, content: PhpFile, client: KeepAlive(48) },
    Workload { name: "PHP, a page of 2 ms, prefork", mpm: Prefork, content: PhpWork, client: KeepAlive(8) },
    Workload { name: "CGI, prefork", mpm: Prefork, content: Cgi, client: KeepAlive(8) },
];

/// A page does a fixed amount of work, and not work for a fixed time, so that a slow server is not asked for less. It
/// takes about two milliseconds of one processor of the virtual machine from which the published figures are.
const PHP_WORK: &str = "<?php for ($i = 0, $x = ''; $i < 12000; $i++) { $x = md5($x . $i); } echo $x;\n";

impl Workload {
    /// The path of the URL.
    pub fn path(&self) -> &'static str {
        match self.content {
            Small => "/small.txt",
            Large => "/large.bin",
            Lua => "/hello.lua",
            PhpHello => "/hello.php",
            PhpFile => "/file.php",
            PhpWork => "/work.php",
            PhpCms => "/cms/index.php",
            Cgi => "/cgi-bin/hello",
        }
    }

    /// What this machine lacks for it, and where it can be found.
    pub fn missing(&self) -> Option<&'static str> {
        let needs_php = matches!(self.content, PhpHello | PhpFile | PhpWork | PhpCms);
        (needs_php && php().is_none()).then_some("there is no mod_php here (Debian: libapache2-mod-php)")
    }

    /// A server with all content, but without the module's configuration.
    pub fn server(&self, gate: Gate) -> ServerBuilder {
        let builder = self.without_modules(gate);
        match self.content {
            Lua => builder.modules(["lua"]).config("AddHandler lua-script .lua"),
            Cgi => builder.modules(["cgi"]).config(
                "ScriptAlias /cgi-bin \"@root@/cgi-bin\"\n<Directory \"@root@/cgi-bin\">\nRequire all granted\n</Directory>",
            ),
            PhpHello | PhpFile | PhpWork | PhpCms => with_mod_php(builder),
            Small | Large => builder,
        }
    }

    /// The same without what makes the content.
    pub fn without_modules(&self, gate: Gate) -> ServerBuilder {
        let builder = Cell { mpm: self.mpm, gate }.server().log_level("warn").workers(64);
        let builder = builder
            .file("www/small.txt", "x".repeat(1024))
            .file("www/large.bin", "x".repeat(100 << 10))
            .file("data/localhost/note", "")
            .file("www/hello.lua", "function handle(r)\n r:puts('hello')\n return apache2.OK\nend\n")
            .file("www/hello.php", "<?php echo 'hello';\n")
            .file("www/file.php", "<?php echo strlen(file_get_contents(__DIR__ . '/small.txt'));\n")
            .file("www/work.php", PHP_WORK)
            .program("cgi-bin/hello", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nhello'\n");
        match self.client {
            Http2(_) => builder.modules(["http2"]).config("Protocols h2c http/1.1"),
            KeepAlive(_) | Close(_) => builder,
            AtRandom(_, contexts) => builder.file(AT_RANDOM, script(contexts)),
        }
    }
}

/// PHP in the server's own processes.
pub fn with_mod_php(builder: ServerBuilder) -> ServerBuilder {
    let Some(file) = php() else { return builder };
    builder.config(format!(
        "LoadModule php_module {}\nAddHandler application/x-httpd-php .php",
        platform::module_folder().join(file).display()
    ))
}

/// The file in the server's folder in which wrk finds what to ask for.
pub const AT_RANDOM: &str = "at-random.lua";

/// For wrk: each request has a tenant's number.
fn script(tenants: u32) -> String {
    format!(
        "request = function()\n  wrk.headers['X-Tenant'] = math.random(0, {})\n  return wrk.format()\nend\n",
        tenants - 1
    )
}

/// mod_php of this machine, which has a version in its name.
pub fn php() -> Option<String> {
    let entries = fs::read_dir(platform::module_folder()).ok()?;
    let names = entries.filter_map(|e| e.ok()?.file_name().into_string().ok());
    names.filter(|n| n.starts_with("libphp") && n.ends_with(".so")).max()
}
