//! An LDAP directory, served by OpenLDAP's slapd.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::{Program, Service, command_in, give_to_service, private_folder, run, write_for_service};

/// Where Debian and Fedora keep OpenLDAP's schemas.
const SCHEMAS: [&str; 2] = ["/etc/ldap/schema", "/etc/openldap/schema"];

/// The top of the directory, its manager, and everybody's rights: who has logged in may search, and nobody may read a
/// password.
const CONFIGURATION: &str = r#"
include @schemas@/core.schema
include @schemas@/cosine.schema
attributetype ( 1.3.6.1.4.1.4203.666.1.1 NAME 'confineContext' EQUALITY caseExactMatch
    SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
objectclass ( 1.3.6.1.4.1.4203.666.1.2 NAME 'confineAccount' SUP top AUXILIARY MAY confineContext )
pidfile "@folder@/slapd.pid"
threads 4
database ldif
suffix "dc=example,dc=org"
directory "@folder@/data"
rootdn "@manager@"
rootpw @password@
access to attrs=userPassword by anonymous auth by * none
access to * by users read by * none
"#;

const TOP: &str = "\
dn: dc=example,dc=org
objectClass: organization
objectClass: dcObject
o: example
dc: example

";

/// The name and the password of the manager, who may change the directory.
pub const MANAGER: (&str, &str) = ("cn=manager,dc=example,dc=org", "manager");

/// A running slapd with the entry `dc=example,dc=org` and what the test adds. Entries may have the object class
/// `confineAccount`, and with it any number of `confineContext`.
pub struct Directory {
    service: Service,
    // This is the last field, because the folder must outlive the process.
    folder: TempDir,
}

impl Directory {
    /// Starts a directory with these entries (LDIF).
    #[track_caller]
    pub fn start(entries: &str) -> Self {
        let folder = private_folder("confine-slapd-");
        let path = folder.path().to_owned();
        let data = path.join("data");
        fs::create_dir(&data).unwrap_or_else(|e| panic!("{}: {e}", data.display()));
        give_to_service(&data);
        write_for_service(&path.join("slapd.conf"), configuration(&path));
        fill(&path, &format!("{TOP}{entries}"));
        let program = Program {
            command: Box::new(move |port| server_command(&path, port)),
            end_signal: libc::SIGTERM,
            ready: "slapd starting",
        };
        let service = Service::start(program, folder.path().join("server.log"));
        Self { service, folder }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.service.port
    }

    /// What it was asked since it was last started, one operation in each line.
    pub fn log(&self) -> String {
        let path = self.folder.path().join("server.log");
        let log = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Changes entries (LDIF with change records).
    #[track_caller]
    pub fn modify(&self, changes: &str) {
        let mut command = command_in(self.folder.path(), Path::new("ldapmodify"));
        command.args(["-x", "-D", MANAGER.0, "-w", MANAGER.1]);
        command.arg("-H").arg(format!("ldap://127.0.0.1:{}", self.port()));
        run(command, changes);
    }

    /// Stops the directory. Its clients are disconnected.
    pub fn stop(&mut self) {
        self.service.stop();
    }

    /// Starts it again, on the same port and with the same data.
    #[track_caller]
    pub fn start_again(&mut self) {
        self.service.start_again();
    }
}

fn configuration(folder: &Path) -> String {
    let (manager, password) = MANAGER;
    let text = CONFIGURATION.replace("@folder@", &folder.display().to_string());
    text.replace("@schemas@", schemas()).replace("@manager@", manager).replace("@password@", password)
}

fn server_command(folder: &Path, port: u16) -> Command {
    let mut command = command_in(folder, &program("slapd"));
    command.arg("-f").arg(folder.join("slapd.conf"));
    // With a debug level it also stays in the foreground.
    command.arg("-h").arg(format!("ldap://127.0.0.1:{port}")).args(["-d", "stats"]);
    command
}

fn fill(folder: &Path, entries: &str) {
    let mut command = command_in(folder, &program("slapadd"));
    command.arg("-q").arg("-f").arg(folder.join("slapd.conf"));
    run(command, entries);
}

fn schemas() -> &'static str {
    let found = SCHEMAS.into_iter().find(|folder| Path::new(folder).join("core.schema").exists());
    found.unwrap_or_else(|| panic!("core.schema: found in none of {SCHEMAS:?}; `make setup` installs it"))
}

/// A program of slapd. Not everybody has its folder in PATH.
fn program(name: &str) -> PathBuf {
    let path = Path::new("/usr/sbin").join(name);
    assert!(path.exists(), "{}: not there; `make setup` installs it", path.display());
    path
}
