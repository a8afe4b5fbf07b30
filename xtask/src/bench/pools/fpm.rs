//! PHP's own servers, beside httpd.

use std::{
    fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use confine_tests::platform;

/// One of them.
pub struct Fpm(Child);

impl Fpm {
    /// php-fpm with one pool. `pool` says how many processes it has; its socket is `folder`/fpm.sock.
    pub fn start(folder: &Path, pool: &str) -> Result<Self, String> {
        let program = program().ok_or("there is no php-fpm")?;
        let (user, _) = platform::child_user();
        let group = platform::child_group(user);
        let (config, socket) = (folder.join("fpm.conf"), folder.join("fpm.sock"));
        let shown = folder.display();
        let text = format!(
            "[global]\nerror_log = {shown}/fpm.log\ndaemonize = no\n[www]\nuser = {user}\ngroup = {group}\n\
             listen = {shown}/fpm.sock\nlisten.owner = {user}\nlisten.mode = 0660\n{pool}\n"
        );
        let told = |error: std::io::Error| format!("{}: {error}", program.display());
        fs::write(&config, text).map_err(told)?;
        let mut command = Command::new(&program);
        command.arg("-y").arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
        let fpm = Self(command.spawn().map_err(told)?);
        let log = || fs::read_to_string(folder.join("fpm.log")).unwrap_or_default();
        wait_for(&socket).map_err(|why| format!("{why}: {}", log()))?;
        Ok(fpm)
    }

    /// PHP's other program, behind a socket with the same name. Each of its processes ends after so many requests. It
    /// reads these settings, if not those of the machine.
    pub fn cgi(
        folder: &Path,
        program: &str,
        (processes, requests): (u32, u32),
        settings: Option<&Path>,
    ) -> Result<Self, String> {
        let socket = folder.join("fpm.sock");
        let mut command = Command::new(program);
        command.arg("-b").arg(&socket).stdout(Stdio::null()).stderr(Stdio::null());
        let (user, uid) = platform::child_user();
        command.env("PHP_FCGI_CHILDREN", processes.to_string());
        command.env("PHP_FCGI_MAX_REQUESTS", requests.to_string());
        if let Some(settings) = settings {
            command.env("PHP_INI_SCAN_DIR", settings);
        }
        let told = |error: std::io::Error| format!("{program}: {error}");
        let server = Self(command.spawn().map_err(told)?);
        wait_for(&socket)?;
        chown(&socket, Some(uid), None).map_err(|error| format!("{user}: {error}"))?;
        Ok(server)
    }

    /// Its main process.
    pub fn pid(&self) -> i32 {
        // Linux numbers processes below 2^22, so the number fits.
        self.0.id() as i32
    }
}

impl Drop for Fpm {
    fn drop(&mut self) {
        // SIGTERM, so that its processes end with it.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

fn wait_for(socket: &Path) -> Result<(), String> {
    let start = Instant::now();
    while !socket.exists() {
        if start.elapsed() > Duration::from_secs(10) {
            return Err(format!("no socket {}", socket.display()));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The program of this machine, which has a version in its name on Debian.
pub fn program() -> Option<PathBuf> {
    let entries = fs::read_dir("/usr/sbin").ok()?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.starts_with("php-fpm")).max().map(|name| Path::new("/usr/sbin").join(name))
}
