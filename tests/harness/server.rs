//! A started server, or the reasons why there is none.

use std::{
    fmt, fs, io,
    net::{IpAddr, Ipv4Addr},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{Cell, Client, Gate, Mpm, RawConnection, ServerBuilder, Wire, platform, process::Daemon};

/// How often a start is tried on another port, if the port was taken meanwhile.
const ATTEMPTS: usize = 5;

const START_LIMIT: Duration = Duration::from_secs(20);

const LOG_LIMIT: Duration = Duration::from_secs(10);

const TRACE: &str = "logs/trace";

/// Every MPM writes this when its children exist, and again after a restart.
const READY: &str = "resuming normal operations";

/// httpd writes this about a child that a signal killed.
const CRASH: &str = "exit signal";

/// A running httpd. To drop it stops it, and fails the test if one of its processes crashed.
pub struct Server {
    daemon: Daemon,
    port: u16,
    tls_port: Option<u16>,
    cell: Cell,
    may_crash: bool,
    // This is the last field, because the folder must outlive the process.
    root: TempDir,
}

impl Server {
    /// A client that speaks HTTP/1.1 to 127.0.0.1.
    pub fn client(&self) -> Client {
        self.client_over(Wire::Http11)
    }

    /// A client that speaks `wire` to 127.0.0.1.
    pub fn client_over(&self, wire: Wire) -> Client {
        let port = if wire.is_tls() { self.tls_port() } else { self.port };
        Client::new(wire, "127.0.0.1", port, self.path("cert.pem"))
    }

    /// A client that speaks HTTP/1.1 to ::1.
    pub fn client_v6(&self) -> Client {
        Client::new(Wire::Http11, "[::1]", self.port, self.path("cert.pem"))
    }

    /// A bare connection to 127.0.0.1.
    pub fn connect(&self) -> RawConnection {
        RawConnection::open(IpAddr::V4(Ipv4Addr::LOCALHOST), self.port)
    }

    /// The port without TLS.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path of `name` in the server's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The process id of httpd's parent process.
    pub fn pid(&self) -> i32 {
        self.daemon.pid()
    }

    /// What a [traced](ServerBuilder::traced) server has done so far, one system call in each line. This waits until
    /// it does nothing more.
    pub fn trace(&self) -> Vec<String> {
        let mut before = 0;
        loop {
            thread::sleep(Duration::from_millis(100));
            let text = read_lossy(&self.path(TRACE));
            if text.len() == before {
                return text.lines().map(str::to_owned).collect();
            }
            before = text.len();
        }
    }

    /// The error log so far.
    pub fn log(&self) -> String {
        read_lossy(&self.path("logs/error.log"))
    }

    /// The lines of the error log that contain `text`.
    pub fn log_lines(&self, text: &str) -> Vec<String> {
        self.log().lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }

    /// Waits until a line of the error log contains all of `texts`, and returns the first such line.
    #[track_caller]
    pub fn wait_for_log(&self, texts: &[&str]) -> String {
        self.wait_for_line("logs/error.log", texts)
    }

    /// As [`wait_for_log`](Self::wait_for_log), for the access log. It is written after the response, with method,
    /// path and query, status, user and CONFINE_CONTEXT.
    #[track_caller]
    pub fn wait_for_access_log(&self, texts: &[&str]) -> String {
        self.wait_for_line("logs/access.log", texts)
    }

    #[track_caller]
    fn wait_for_line(&self, file: &str, texts: &[&str]) -> String {
        let deadline = Instant::now() + LOG_LIMIT;
        loop {
            let log = read_lossy(&self.path(file));
            if let Some(line) = log.lines().find(|line| texts.iter().all(|text| line.contains(text))) {
                return line.to_owned();
            }
            assert!(Instant::now() < deadline, "no line of {file} has all of {texts:?}:\n{log}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Requests `target` until the answer is not 503. The children cannot reach mod_cgid's daemon from the time when
    /// it binds its socket until it gives the socket to their user (modules/generators/mod_cgid.c, cgid_server).
    #[track_caller]
    pub fn wait_for_cgid(&self, target: &str) {
        let deadline = Instant::now() + START_LIMIT;
        while self.client().get(target).status == 503 {
            assert!(Instant::now() < deadline, "mod_cgid's daemon answers nobody:\n{}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Accepts that children crash, for a test about what happens then.
    pub fn expect_crashes(&mut self) {
        self.may_crash = true;
    }

    /// Begins a graceful restart (SIGUSR1) and does not wait.
    pub fn begin_graceful_restart(&self) {
        self.daemon.signal(libc::SIGUSR1);
    }

    /// Restarts gracefully. It returns when the server has read its configuration again and no child from before
    /// accepts connections. Running requests go on.
    #[track_caller]
    pub fn restart_gracefully(&self) {
        let (before, generation) = (self.log_lines(READY).len(), self.generation());
        self.begin_graceful_restart();
        let deadline = Instant::now() + START_LIMIT;
        while self.log_lines(READY).len() == before || self.is_served_by(&generation) {
            assert!(Instant::now() < deadline, "no restart:\n{}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends SIGTERM to httpd's parent process, and does not wait.
    pub fn begin_to_stop(&self) {
        self.daemon.signal(libc::SIGTERM);
    }

    /// Stops the server and returns the error log. Fails the test if one of its processes crashed or did not stop.
    #[track_caller]
    pub fn stop(mut self) -> String {
        self.stop_and_check(self.cell.mpm == Mpm::Prefork);
        self.log()
    }

    /// Unless `to_the_end` is set, only crashes before the stop count. The stock server (2.4.71) sometimes crashes
    /// while it stops, if a client is just leaving. Under threaded MPMs its main thread closes the sockets of threads
    /// that have finished with them (server/mpm/event/event.c, close_worker_sockets). A prefork child's signal
    /// handler destroys its pools whatever the child is doing, for example while it closes a connection
    /// (server/mpm/prefork/prefork.c, just_die).
    #[track_caller]
    fn stop_and_check(&mut self, to_the_end: bool) {
        self.daemon.wait_until_children_are_reaped();
        let before = self.log();
        let polite = self.daemon.stop();
        let after = self.log();
        assert!(polite, "the server did not stop on SIGTERM:\n{after}");
        let counts = if to_the_end { &after } else { &before };
        assert!(self.may_crash || !counts.contains(CRASH), "a process of the server crashed:\n{counts}");
    }

    fn tls_port(&self) -> u16 {
        self.tls_port.unwrap_or_else(|| panic!("this server was not built with tls()"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            // A reader of a failed assertion needs the server's own words.
            eprintln!("--- error log ---\n{}", self.log());
        } else {
            if self.cell.gate != Gate::Kept {
                self.expect_no_thread_in_a_context();
            }
            self.stop_and_check(false);
        }
    }
}

/// A server that did not start.
#[derive(Debug)]
pub struct StartError {
    why: String,
    said: String,
}

impl StartError {
    fn is_port_taken(&self) -> bool {
        self.said.contains("Address already in use")
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.why, self.said)
    }
}

/// What the server said when it refused a configuration.
pub struct Refusal {
    /// The words of `httpd -t`.
    on_check: String,
    /// The words of an attempt to start.
    on_start: String,
    config: String,
}

impl Refusal {
    /// Fails the test unless the check and the start both say each of these texts.
    #[track_caller]
    pub fn says(&self, texts: &[&str]) -> &Self {
        for (when, said) in [("-t", &self.on_check), ("start", &self.on_start)] {
            for text in texts {
                assert!(said.contains(text), "on {when}, nothing of {text:?} in:\n{said}");
            }
        }
        self
    }

    /// Fails the test unless the server names the last line of the configuration whose text is `text`, as `FILE:LINE`
    /// or in httpd's own way.
    #[track_caller]
    pub fn points_at(&self, text: &str) -> &Self {
        let line = self.config.lines().rev().position(|line| line.trim() == text);
        let line = line.unwrap_or_else(|| panic!("the configuration has no line {text:?}"));
        let line = self.config.lines().count() - line;
        let places =
            [format!("httpd.conf:{line}: "), format!("httpd.conf:{line})"), format!(" line {line} ")];
        for (when, said) in [("-t", &self.on_check), ("start", &self.on_start)] {
            assert!(places.iter().any(|p| said.contains(p)), "on {when}, nothing of line {line} in:\n{said}");
        }
        self
    }
}

pub(crate) fn start(builder: ServerBuilder) -> Result<Server, StartError> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        match start_once(&builder) {
            Ok((daemon, port, tls_port)) => {
                return Ok(Server {
                    daemon,
                    port,
                    tls_port,
                    cell: builder.cell,
                    may_crash: false,
                    root: builder.root,
                });
            }
            Err(error) if error.is_port_taken() => last = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(last.unwrap_or_else(|| unreachable!("there is at least one attempt")))
}

#[track_caller]
pub(crate) fn refused(builder: &ServerBuilder) -> Refusal {
    let on_check = refused_check(builder);
    for _ in 0..ATTEMPTS {
        match start_once(builder) {
            Ok(_) => panic!("the server started with a configuration that it has to refuse"),
            Err(error) if error.is_port_taken() => {}
            Err(error) => {
                let config = read_lossy(&builder.path("httpd.conf"));
                return Refusal { on_check, on_start: error.said, config };
            }
        }
    }
    panic!("no free port after {ATTEMPTS} attempts")
}

#[track_caller]
fn refused_check(builder: &ServerBuilder) -> String {
    let (is_fine, said) = checked(builder);
    assert!(!is_fine, "httpd -t accepts a configuration that it has to refuse:\n{said}");
    said
}

#[track_caller]
pub(crate) fn checked(builder: &ServerBuilder) -> (bool, String) {
    let (config, _, _) = builder.write_config();
    let output = builder.path("logs/check.log");
    let mut command = httpd(builder, &config);
    command.arg("-t");
    let mut daemon = spawn(command, &output, builder.bound_by_modes);
    let status = daemon.wait(START_LIMIT);
    let said = read_lossy(&output);
    let status = status.unwrap_or_else(|| panic!("httpd -t hangs:\n{said}"));
    (status.success(), said)
}

fn start_once(builder: &ServerBuilder) -> Result<(Daemon, u16, Option<u16>), StartError> {
    let (config, port, tls_port) = builder.write_config();
    let log = builder.path("logs/error.log");
    let output = builder.path("logs/output.log");
    // A log of an earlier attempt must not be taken for the log of this one.
    let _ = fs::remove_file(&log);
    let mut command = httpd(builder, &config);
    command.arg("-DFOREGROUND");
    let mut daemon = spawn(command, &output, builder.bound_by_modes);
    let failed = |why: String| StartError { why, said: read_lossy(&output) + &read_lossy(&log) };
    let deadline = Instant::now() + START_LIMIT;
    while !read_lossy(&log).contains(READY) {
        match daemon.exited() {
            Some(status) if status.success() => return Err(failed("it ended at once".to_owned())),
            Some(status) => return Err(failed(status.to_string())),
            None if Instant::now() > deadline => return Err(failed("it is not ready in time".to_owned())),
            None => thread::sleep(Duration::from_millis(3)),
        }
    }
    Ok((daemon, port, tls_port))
}

fn httpd(builder: &ServerBuilder, config: &Path) -> Command {
    let mut command = if builder.traced {
        // The tracer is not the parent of the server: the process that is started here is the server.
        let mut strace = Command::new("strace");
        strace.args(["--daemonize=grandchild", "-f", "-qq", "-s", "4096"]);
        strace.args(["-e", "trace=open,openat,clone,clone3", "-e", "signal=none", "-o"]);
        strace.arg(builder.path(TRACE)).arg(platform::httpd());
        strace
    } else {
        Command::new(platform::httpd())
    };
    command.arg("-d").arg(builder.root.path()).arg("-f").arg(config);
    if let Some((uid, gid)) = platform::service_account().filter(|_| builder.unprivileged) {
        command.uid(uid).gid(gid);
    }
    if let Some(number) = builder.descriptors {
        let limit = libc::rlimit { rlim_cur: number, rlim_max: number };
        // SAFETY: between fork and exec the closure makes one system call, with plain data.
        unsafe {
            command.pre_exec(move || match libc::setrlimit(libc::RLIMIT_NOFILE, &limit) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            })
        };
    }
    command
}

#[track_caller]
fn spawn(command: Command, output: &Path, bound_by_modes: bool) -> Daemon {
    Daemon::spawn(command, output, bound_by_modes)
        .unwrap_or_else(|e| panic!("starting {}: {e}", platform::httpd().display()))
}

fn read_lossy(path: &Path) -> String {
    match fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
        Err(e) => panic!("{}: {e}", path.display()),
    }
}
