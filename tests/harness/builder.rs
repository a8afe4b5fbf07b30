//! What a test wants from its server.

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::{
    Cell, Mpm,
    matrix::need_lua,
    platform, ports,
    server::{self, Refusal, Server, StartError},
    tenants::LEAKY_FILE,
    tls,
};

/// Modules that every configuration of these tests needs.
const BASE_MODULES: [&str; 6] = ["unixd", "log_config", "authn_core", "authz_core", "mime", "alias"];

/// The build of the module that a server loads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Module {
    UnderTest,
    WithFaults,
    None,
}

impl Module {
    fn file(self) -> Option<PathBuf> {
        match self {
            Self::UnderTest => Some(platform::module_under_test()),
            Self::WithFaults => Some(platform::module_with_faults()),
            Self::None => None,
        }
    }
}

/// A server that is not started yet: a folder, modules, and the text of a configuration.
///
/// In configurations and files, `@root@` is the folder, and `@port@` and `@tls_port@` are the ports.
pub struct ServerBuilder {
    pub(crate) root: TempDir,
    pub(crate) bound_by_modes: bool,
    pub(crate) unprivileged: bool,
    pub(crate) descriptors: Option<u64>,
    pub(crate) cell: Cell,
    module: Module,
    modules: Vec<String>,
    config: String,
    log_level: &'static str,
    workers: usize,
    tls: bool,
    runs_programs: bool,
    pub(crate) traced: bool,
}

impl ServerBuilder {
    /// A server with the module under test and no rules; `www` is its document root.
    pub(crate) fn new(cell: Cell) -> Self {
        let root = tempfile::Builder::new().prefix("confine-").tempdir();
        let root = root.unwrap_or_else(|e| panic!("a temporary folder: {e}"));
        // What a test writes later is for the server's children, too, whatever the one who runs it is used to.
        // SAFETY: sets a number of this process, always to the same.
        unsafe { libc::umask(0o022) };
        set_mode(root.path(), 0o755);
        let builder = Self {
            root,
            bound_by_modes: false,
            unprivileged: false,
            descriptors: None,
            cell,
            module: Module::UnderTest,
            modules: Vec::new(),
            config: String::new(),
            log_level: "info",
            workers: 4,
            tls: false,
            runs_programs: false,
            traced: false,
        };
        builder.folder("www").folder("logs").folder("run").file("mime.types", MIME_TYPES)
    }

    /// The stock server: without the module under test.
    pub fn stock(mut self) -> Self {
        self.module = Module::None;
        self
    }

    /// The module that was built with fault injection, in place of the normal one.
    pub fn with_faults(mut self) -> Self {
        self.module = Module::WithFaults;
        self
    }

    /// Loads modules of httpd, by the name in `mod_NAME.so`.
    pub fn modules<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        for name in names {
            if name == "lua" {
                need_lua();
            }
            if !self.modules.iter().any(|have| have == name) {
                self.modules.push(name.to_owned());
            }
        }
        self
    }

    /// Adds lines to the configuration.
    pub fn config(mut self, lines: impl AsRef<str>) -> Self {
        if lines.as_ref().contains("Lua") {
            need_lua();
        }
        self.config.push_str(lines.as_ref());
        self.config.push('\n');
        self
    }

    /// Adds `<Location "path">` with these lines.
    pub fn location(self, path: &str, lines: &str) -> Self {
        self.config(format!("<Location \"{path}\">\n{lines}\n</Location>"))
    }

    /// Adds `<Directory>` for this folder of the server's, with these lines.
    pub fn directory(self, folder: &str, lines: &str) -> Self {
        self.config(format!("<Directory \"@root@/{folder}\">\n{lines}\n</Directory>"))
    }

    /// Maps this path of the URLs to this folder of the server, in addition to its own path.
    pub fn alias(self, path: &str, folder: &str) -> Self {
        self.config(format!("Alias \"{path}\" \"@root@/{folder}\""))
    }

    /// Adds a virtual host on 127.0.0.1 with this name and these lines. The first is the default.
    pub fn host(self, name: &str, lines: &str) -> Self {
        self.config(format!("<VirtualHost 127.0.0.1:@port@>\nServerName {name}\n{lines}\n</VirtualHost>"))
    }

    /// Adds a Landlock ruleset of these lines.
    pub fn ruleset(self, name: &str, lines: &str) -> Self {
        self.config(format!("<ConfineLandlock {name}>\n{lines}\n</ConfineLandlock>"))
    }

    /// Sets the module's `LogLevel`. The default is `info`, one line for each decision.
    pub fn log_level(mut self, level: &'static str) -> Self {
        self.log_level = level;
        self
    }

    /// How many requests are served at the same time: children under prefork, and otherwise threads of one child.
    pub fn workers(mut self, number: usize) -> Self {
        self.workers = number;
        self
    }

    /// Listens with TLS as well, also for HTTP/2. The virtual host there has the main server's rules.
    pub fn tls(mut self) -> Self {
        tls::make_certificate(self.root.path());
        self.tls = true;
        self.modules(["ssl", "http2"])
    }

    /// Keeps TLS sessions. The access log says which were resumed, and what mod_ssl says about the client.
    pub fn tls_sessions(self) -> Self {
        self.modules(["socache_shmcb"]).config(
            "SSLSessionCache shmcb:@root@/run/sessions(512000)\n\
             CustomLog \"@root@/logs/access.log\" \
             \"%m %U%q %>s %u %{CONFINE_CONTEXT}e tls=%{SSL_SESSION_RESUMED}x,%{SSL_CLIENT_VERIFY}x\"",
        )
    }

    /// Makes certificates for clients. `authority.pem` has signed `verified.pem`. `unverified.pem` has the same name
    /// (`/CN=alice/emailAddress=alice@example.org`), but nobody else has signed it.
    pub fn client_certificates(self) -> Self {
        tls::make_client_certificates(self.root.path());
        self
    }

    /// Takes away root's right to read files whose mode forbids it, so that modes have an effect.
    pub fn bound_by_modes(mut self) -> Self {
        self.bound_by_modes = platform::is_root();
        self
    }

    /// Limits how many files each process of the server may have open.
    pub fn few_descriptors(mut self, number: u64) -> Self {
        self.descriptors = Some(number);
        self
    }

    /// Has the server started by a user who is not root.
    pub fn unprivileged(mut self) -> Self {
        self.unprivileged = platform::is_root();
        if let Some((uid, gid)) = platform::service_account() {
            for folder in ["logs", "run"] {
                let path = self.path(folder);
                chown(&path, Some(uid), Some(gid))
                    .unwrap_or_else(|e| panic!("chown {}: {e}", path.display()));
            }
        }
        self
    }

    /// The path of `name` in the server's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes a file, and the folders above it.
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        if name.ends_with(".lua") && name != LEAKY_FILE {
            need_lua();
        }
        let path = self.path(name);
        if let Some(above) = path.parent() {
            fs::create_dir_all(above).unwrap_or_else(|e| panic!("{}: {e}", above.display()));
        }
        let content = match std::str::from_utf8(content.as_ref()) {
            Ok(text) => self.at_root(text).into_bytes(),
            Err(_) => content.as_ref().to_owned(),
        };
        fs::write(&path, content).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        self
    }

    /// Writes an executable file.
    pub fn program(self, name: &str, content: &str) -> Self {
        let builder = self.file(name, content);
        set_mode(&builder.path(name), 0o755);
        builder
    }

    /// Records which files the server opens and which threads it makes: see [`Server::trace`].
    pub fn traced(mut self) -> Self {
        self.traced = true;
        self
    }

    /// Makes the application a program: who may read its folder may also execute it there, with all that it needs to
    /// run.
    pub(crate) fn runs_programs(mut self) -> Self {
        self.runs_programs = true;
        self
    }

    /// Makes a folder.
    pub fn folder(self, name: &str) -> Self {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        self
    }

    /// Makes a folder in which the server's children may write.
    pub fn writable_folder(self, name: &str) -> Self {
        let builder = self.folder(name);
        set_mode(&builder.path(name), 0o777);
        builder
    }

    /// Makes a file unreadable for a server that is [bound by modes](Self::bound_by_modes).
    pub fn unreadable(self, name: &str) -> Self {
        let path = self.path(name);
        set_mode(&path, 0o000);
        if platform::is_root() {
            let (_, uid) = platform::child_user();
            chown(&path, Some(uid), None).unwrap_or_else(|e| panic!("chown {}: {e}", path.display()));
        }
        self
    }

    /// Starts the server and waits until it accepts connections. Fails the test if it does not.
    #[track_caller]
    pub fn start(self) -> Server {
        let cell = self.cell;
        self.try_start().unwrap_or_else(|e| panic!("httpd ({cell}) did not start: {e}"))
    }

    /// Starts the server.
    pub fn try_start(self) -> Result<Server, StartError> {
        server::start(self)
    }

    /// Expects that the server refuses this configuration, both when it checks it (`-t`) and when it starts, and
    /// returns what it said. Fails the test if the server accepts it.
    #[track_caller]
    pub fn refused(self) -> Refusal {
        server::refused(&self)
    }

    /// Lets httpd check the configuration (`-t`): whether it takes it, and what it says.
    #[track_caller]
    pub fn checked(self) -> (bool, String) {
        server::checked(&self)
    }

    /// Writes the whole configuration for one attempt to start. Returns its path and its ports.
    pub(crate) fn write_config(&self) -> (PathBuf, u16, Option<u16>) {
        let port = ports::free();
        let tls_port = self.tls.then(ports::free);
        let text = self.at_root(&self.full_config(tls_port.is_some()));
        let text = text.replace("@port@", &port.to_string());
        let text = text.replace("@tls_port@", &tls_port.unwrap_or_default().to_string());
        let path = self.path("httpd.conf");
        fs::write(&path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        (path, port, tls_port)
    }

    fn at_root(&self, text: &str) -> String {
        text.replace("@root@", &self.root.path().display().to_string())
    }

    fn full_config(&self, with_tls: bool) -> String {
        let mut text = self.load_lines();
        text.push_str(BASE_CONFIG);
        text.push_str(&self.mpm_config());
        if platform::is_root() {
            let (user, _) = platform::child_user();
            let _ = writeln!(text, "User {user}\nGroup {}", platform::child_group(user));
        }
        if self.module != Module::None {
            let _ = writeln!(text, "LogLevel notice confine:{}", self.log_level);
            text.push_str(self.cell.gate.directive());
        }
        if self.runs_programs {
            text.push_str(&run_the_application(&self.config));
        } else {
            text.push_str(&self.config);
        }
        if with_tls {
            if !self.config.contains("SSLSessionCache") {
                text.push_str("SSLSessionCache none\n");
            }
            text.push_str(TLS_CONFIG);
        }
        text
    }

    fn load_lines(&self) -> String {
        let mpm = format!("mpm_{}", self.cell.mpm.name());
        let names =
            BASE_MODULES.into_iter().chain([mpm.as_str()]).chain(self.modules.iter().map(String::as_str));
        let mut lines: String = names.map(platform::load_line).collect();
        if let Some(file) = self.module.file() {
            let _ = writeln!(lines, "LoadModule confine_module {}", file.display());
        }
        lines
    }

    /// Few processes, so that a start takes a fraction of a second, and room for those that a graceful restart still
    /// keeps.
    fn mpm_config(&self) -> String {
        let n = self.workers;
        match self.cell.mpm {
            Mpm::Prefork => format!(
                "StartServers {n}\nServerLimit {n}\nMaxRequestWorkers {n}\n\
                 MinSpareServers 1\nMaxSpareServers {n}\n"
            ),
            Mpm::Event | Mpm::Worker => format!(
                "StartServers 1\nServerLimit 4\nThreadLimit {n}\nThreadsPerChild {n}\nMaxRequestWorkers {n}\n\
                 MinSpareThreads 1\nMaxSpareThreads {n}\n"
            ),
        }
    }
}

/// The lines by which rulesets let the application be read. It is below each of these folders.
const READ_THE_APPLICATION: [&str; 4] =
    ["LandlockRead \"@root@/www\"", "LandlockRead \"@root@\"", "LandlockRead /\n", "LandlockRead \"/\""];

/// The same lines for an application that is a program.
fn run_the_application(text: &str) -> String {
    READ_THE_APPLICATION.into_iter().fold(text.to_owned(), |text, read| {
        let folder = &read["LandlockRead ".len()..];
        let run = format!(
            "LandlockExecute /usr {folder}\nLandlockWrite /dev/null\nLandlockRead /usr /etc/ld.so.cache /dev {folder}"
        );
        text.replace(read, &run)
    })
}

const BASE_CONFIG: &str = r#"
ServerRoot "@root@"
ServerName localhost
DefaultRuntimeDir "@root@/run"
PidFile "@root@/run/httpd.pid"
Listen 127.0.0.1:@port@
Listen [::1]:@port@
ErrorLog "@root@/logs/error.log"
CustomLog "@root@/logs/access.log" "%m %U%q %>s %u %{CONFINE_CONTEXT}e"
LogLevel notice
TypesConfig "@root@/mime.types"
KeepAliveTimeout 30
MaxKeepAliveRequests 0
GracefulShutdownTimeout 5
DocumentRoot "@root@/www"
<Directory "/">
    AllowOverride None
    Require all denied
</Directory>
<Directory "@root@/www">
    Options Indexes FollowSymLinks
    Require all granted
</Directory>
"#;

const TLS_CONFIG: &str = r#"
Protocols h2c h2 http/1.1
Listen 127.0.0.1:@tls_port@
Listen [::1]:@tls_port@
<VirtualHost 127.0.0.1:@tls_port@ [::1]:@tls_port@>
    SSLEngine on
    SSLCertificateFile "@root@/cert.pem"
    SSLCertificateKeyFile "@root@/key.pem"
</VirtualHost>
"#;

const MIME_TYPES: &str = "text/html html shtml\ntext/plain txt\napplication/octet-stream bin\n";

fn set_mode(path: &Path, mode: u32) {
    let set = fs::set_permissions(path, fs::Permissions::from_mode(mode));
    set.unwrap_or_else(|e| panic!("chmod {mode:o} {}: {e}", path.display()));
}
