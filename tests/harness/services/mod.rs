//! Services that a server asks about its users: a PostgreSQL server, an LDAP directory, an SQLite file.
//!
//! Each is the distribution's own program. It is started for one test in a temporary folder, on a free port of the
//! loopback, by an account that is not root. It ends when it is dropped, or with the thread of the test.

mod directory;
mod postgresql;
mod sqlite;

use std::{
    fs,
    io::Write as _,
    net::{Ipv4Addr, TcpStream},
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{platform, ports, process::Daemon};

pub use directory::{Directory, MANAGER};
pub use postgresql::PostgreSql;
pub use sqlite::Sqlite;

/// How often a start is tried on another port, if the port was taken meanwhile.
const ATTEMPTS: usize = 5;

const START_LIMIT: Duration = Duration::from_secs(30);

/// How one of these programs is started, and how it says that it is ready.
struct Program {
    /// The command, for this port.
    command: Box<dyn Fn(u16) -> Command + Send>,
    /// The signal on which it ends without waiting for its clients.
    end_signal: libc::c_int,
    /// What it writes when it is ready. Another program that answers at the port does not write it.
    ready: &'static str,
}

/// A program that can be stopped, and started again on the same port with the same data.
struct Service {
    program: Program,
    daemon: Option<Daemon>,
    port: u16,
    output: PathBuf,
}

impl Service {
    /// Starts it on a free port. `output` is the file for its output.
    #[track_caller]
    fn start(program: Program, output: PathBuf) -> Self {
        let mut service = Self { program, daemon: None, port: 0, output };
        for _ in 0..ATTEMPTS {
            service.port = ports::free();
            match service.try_start() {
                Ok(()) => return service,
                Err(said) if said.contains("Address already in use") => {}
                Err(said) => panic!("a service did not start: {said}"),
            }
        }
        panic!("no free port after {ATTEMPTS} attempts");
    }

    /// Ends it, even if clients are connected.
    fn stop(&mut self) {
        // To drop it waits for its end.
        self.daemon = None;
    }

    #[track_caller]
    fn start_again(&mut self) {
        self.stop();
        self.try_start().unwrap_or_else(|said| panic!("a service did not start again: {said}"));
    }

    fn try_start(&mut self) -> Result<(), String> {
        let command = (self.program.command)(self.port);
        let daemon = Daemon::spawn_ending_on(self.program.end_signal, command, &self.output, false);
        let mut daemon = daemon.map_err(|e| e.to_string())?;
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let said = fs::read(&self.output).map_err(|e| e.to_string())?;
            let said = String::from_utf8_lossy(&said);
            // slapd writes this before it listens.
            if said.contains(self.program.ready) && accepts_connections(self.port) {
                self.daemon = Some(daemon);
                return Ok(());
            }
            if daemon.exited().is_some() || Instant::now() > deadline {
                return Err(said.into_owned());
            }
            thread::sleep(Duration::from_millis(3));
        }
    }
}

fn accepts_connections(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A folder that only the services' account may enter.
fn private_folder(prefix: &str) -> TempDir {
    let folder = tempfile::Builder::new().prefix(prefix).tempdir();
    let folder = folder.unwrap_or_else(|e| panic!("a temporary folder: {e}"));
    give_to_service(folder.path());
    folder
}

/// Makes the services' account the owner of a file or folder.
fn give_to_service(path: &Path) {
    if let Some((uid, gid)) = platform::service_account() {
        chown(path, Some(uid), Some(gid)).unwrap_or_else(|e| panic!("chown {}: {e}", path.display()));
    }
}

/// Writes a file of the services' account.
fn write_for_service(path: &Path, content: impl AsRef<[u8]>) {
    fs::write(path, content).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    give_to_service(path);
}

/// A command that the services' account runs.
fn command_in(folder: &Path, program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some((uid, gid)) = platform::service_account() {
        command.uid(uid).gid(gid);
    }
    // This is not the folder where the tests were started, because the account may be unable to enter that one.
    command.current_dir(folder).env("LC_ALL", "C");
    command
}

/// Runs a command to its end with this input, and returns its output. Fails the test if the command fails.
#[track_caller]
fn run(mut command: Command, input: &str) -> String {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|e| panic!("{name}: {e}"));
    if let Some(mut stdin) = child.stdin.take() {
        // If a command ends before it has read everything, its status and output say why.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().unwrap_or_else(|e| panic!("{name}: {e}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {}\n{said}{complaint}", output.status);
    said
}
