//! A PostgreSQL server.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use tempfile::TempDir;

use super::{Program, Service, command_in, give_to_service, private_folder, run, write_for_service};

/// The superuser. The socket in the private folder accepts it without a password.
const SUPERUSER: &str = "confine";

/// The role for clients over TCP. Its password is its name.
const CLIENT: &str = "web";

/// Settings that make the start fast. They risk the data, which the test does not need afterwards.
const SETTINGS: &str = "\
listen_addresses = '127.0.0.1'
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
jit = off
max_connections = 50
shared_buffers = 1MB
wal_level = minimal
max_wal_senders = 0
max_logical_replication_workers = 0
max_parallel_workers = 0
";

const ACCESS: &str = "local all confine trust\nhost all web 127.0.0.1/32 scram-sha-256\n";

/// A running PostgreSQL server with an empty database and with the role `web`, which may read what it is granted.
pub struct PostgreSql {
    service: Service,
    // This is the last field, because the folder must outlive the process.
    folder: TempDir,
}

impl PostgreSql {
    /// Starts a server and runs these statements in it.
    #[track_caller]
    pub fn start(statements: &str) -> Self {
        let folder = private_folder("confine-postgresql-");
        Cluster::template().write_to(&folder.path().join("data"));
        let path = folder.path().to_owned();
        let program = Program {
            command: Box::new(move |port| server_command(&path, port)),
            // This signal asks for a "fast" shutdown, which disconnects clients.
            end_signal: libc::SIGINT,
            ready: "database system is ready to accept connections",
        };
        let service = Service::start(program, folder.path().join("server.log"));
        let server = Self { service, folder };
        server.sql(statements);
        server
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.service.port
    }

    /// What a client with the role `web` needs to connect, in the words of libpq.
    pub fn connection(&self) -> String {
        let port = self.port();
        format!(
            "host=127.0.0.1 port={port} dbname=postgres user={CLIENT} password={CLIENT} connect_timeout=5"
        )
    }

    /// Runs statements as the superuser, and returns what they select, one row in each line.
    #[track_caller]
    pub fn sql(&self, statements: &str) -> String {
        let mut command = command_in(self.folder.path(), &program("psql"));
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", "postgres", "-U", SUPERUSER]);
        command.arg("-h").arg(self.folder.path()).arg("-p").arg(self.port().to_string());
        run(command, statements)
    }

    /// Stops the server. Its clients are disconnected.
    pub fn stop(&mut self) {
        self.service.stop();
    }

    /// Starts it again, on the same port and with the same data.
    #[track_caller]
    pub fn start_again(&mut self) {
        self.service.start_again();
    }
}

fn server_command(folder: &Path, port: u16) -> Command {
    let mut command = command_in(folder, &program("postgres"));
    command.arg("-D").arg(folder.join("data")).arg("-p").arg(port.to_string()).arg("-k").arg(folder);
    command
}

/// The files of a cluster, made once and kept in memory. To make a cluster takes a second, and to write its files
/// does not. So no folder is left behind that all tests share.
struct Cluster {
    folders: Vec<PathBuf>,
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Cluster {
    fn template() -> &'static Self {
        static MADE: OnceLock<Cluster> = OnceLock::new();
        MADE.get_or_init(|| {
            let folder = private_folder("confine-initdb-");
            let data = folder.path().join("data");
            initialize(folder.path(), &data);
            let mut cluster = Self { folders: Vec::new(), files: Vec::new() };
            cluster.read_from(&data, Path::new(""));
            cluster
        })
    }

    fn read_from(&mut self, data: &Path, folder: &Path) {
        let place = data.join(folder);
        self.folders.push(folder.to_owned());
        let entries = fs::read_dir(&place).unwrap_or_else(|e| panic!("{}: {e}", place.display()));
        for entry in entries {
            let entry = entry.unwrap_or_else(|e| panic!("{}: {e}", place.display()));
            let path = folder.join(entry.file_name());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.read_from(data, &path);
            } else {
                let content = fs::read(entry.path());
                self.files
                    .push((path, content.unwrap_or_else(|e| panic!("{}: {e}", entry.path().display()))));
            }
        }
    }

    fn write_to(&self, data: &Path) {
        for folder in &self.folders {
            let path = data.join(folder);
            let made = fs::DirBuilder::new().mode(0o700).create(&path);
            made.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            give_to_service(&path);
        }
        for (file, content) in &self.files {
            write_for_service(&data.join(file), content);
        }
    }
}

fn initialize(folder: &Path, data: &Path) {
    let mut initdb = command_in(folder, &program("initdb"));
    initdb.args(["-U", SUPERUSER, "-A", "reject", "--locale=C", "-E", "UTF8", "--wal-segsize=1"]);
    initdb.args(["--no-sync", "--no-instructions", "-D"]).arg(data);
    run(initdb, "");
    append(&data.join("postgresql.conf"), SETTINGS);
    write_for_service(&data.join("pg_hba.conf"), ACCESS);
    let mut alone = command_in(folder, &program("postgres"));
    alone.args(["--single", "-D"]).arg(data).arg("postgres");
    run(alone, &format!("CREATE ROLE {CLIENT} LOGIN PASSWORD '{CLIENT}'\n{WITHOUT_TEMPLATES}"));
}

/// Two thirds of a cluster's files are templates for new databases. No test makes a database.
const WITHOUT_TEMPLATES: &str = "\
UPDATE pg_database SET datistemplate = false
DROP DATABASE template0
DROP DATABASE template1
";

fn append(path: &Path, text: &str) {
    let old = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    write_for_service(path, old + text);
}

/// A program of PostgreSQL. Debian has a folder for each version, and the newest one is used.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = versions.filter_map(|entry| Some((version(&entry.file_name())?, entry.path().join("bin"))));
    let debian = debian.filter(|(_, bin)| is_program(&bin.join(name)) && is_program(&bin.join("initdb")));
    let newest = debian.max_by_key(|(version, _)| *version).map(|(_, bin)| bin);
    let path = newest.unwrap_or_else(|| PathBuf::from("/usr/bin")).join(name);
    assert!(is_program(&path), "no {name} of a PostgreSQL server here; `make setup` installs it");
    path
}

fn version(name: &std::ffi::OsStr) -> Option<u32> {
    name.to_str()?.parse().ok()
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}
