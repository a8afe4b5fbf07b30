//! The kinds of servers that are compared.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
};

use confine_tests::{Gate, Mpm, Server, ServerBuilder, platform};

use super::{
    PROCESSES,
    content::{SETTINGS, with_cms, with_settings},
    fpm::{self, Fpm},
};
use crate::bench::workloads::{Content, Workload, with_mod_php};

/// A server that runs, with what else works for it.
pub struct Started {
    pub server: Server,
    fpm: Option<Fpm>,
    _folder: Option<Outside>,
}

impl Started {
    /// The processes that work for the server beside its own.
    pub fn beside(&self) -> Vec<i32> {
        self.fpm.iter().map(Fpm::pid).collect()
    }

    fn alone(server: Server) -> Self {
        Self { server, fpm: None, _folder: None }
    }
}

/// A kind of server.
pub struct Kind {
    pub name: &'static str,
    /// Whether it is measured with the smallest page alone.
    pub hello_alone: bool,
    /// The file that must be there, and its package.
    needs: fn() -> (Option<PathBuf>, &'static str),
    pub start: fn(&Workload) -> Result<Started, String>,
}

const fn kind(
    name: &'static str,
    needs: fn() -> (Option<PathBuf>, &'static str),
    start: fn(&Workload) -> Result<Started, String>,
) -> Kind {
    Kind { name, hello_alone: false, needs, start }
}

/// The first is what the others are compared with.
pub const KINDS: [Kind; 11] = [
    kind("prefork, mod_php", mod_php, |workload| {
        Ok(Started::alone(with_mod_php(content(workload, Mpm::Prefork, Gate::Process)?.stock()).start()))
    }),
    kind("prefork, mpm-itk, mod_php", itk, |workload| {
        let builder = with_mod_php(content(workload, Mpm::Prefork, Gate::Process)?.stock());
        let module = module("mpm_itk");
        let lines = format!("LoadModule mpm_itk_module {}\nAssignUserId {NOBODY}", module.display());
        Ok(Started::alone(builder.config(lines).start()))
    }),
    kind("event, php-fpm, 8 processes (Debian's form)", php_fpm, |workload| fpm(workload, PROCESSES, "")),
    kind("event, php-fpm, 16 processes, enablereuse", php_fpm, |workload| {
        fpm(workload, 2 * PROCESSES, "<Proxy \"fcgi://fpm/\" enablereuse=on max=16>\n</Proxy>")
    }),
    kind("event, mod_fcgid, suexec", suexec, fcgid),
    kind("prefork, mod_php in a worker, without OPcache", mod_php, in_a_worker),
    kind("event, pools, one-time worker", php_cgi, |workload| pools(workload, Gate::Process)),
    kind("event, pools, kept worker", php_cgi, |workload| pools(workload, Gate::Kept)),
    kind("event, pools, plain httpd in place of the worker", php_cgi, bare),
    Kind { hello_alone: true, ..kind("event, pools, Requests 1", php_cgi, pools_of_one_request) },
    Kind {
        hello_alone: true,
        ..kind("event, pools, Requests 1, plain httpd in place of the worker", php_cgi, bare_of_one_request)
    },
];

impl Kind {
    /// What this machine lacks for it, and where it can be found.
    pub fn missing(&self) -> Option<String> {
        let (file, package) = (self.needs)();
        let there = file.as_ref().is_some_and(|file| file.exists());
        (!there).then(|| {
            format!(
                "there is no {} (Debian: {package})",
                file.map_or("file".into(), |f| f.display().to_string())
            )
        })
    }
}

fn module(name: &str) -> PathBuf {
    platform::module_folder()
        .join(format!("mod_{name}.so"))
        .canonicalize()
        .unwrap_or_else(|_| platform::module_folder().join(format!("{name}.so")))
}

fn mod_php() -> (Option<PathBuf>, &'static str) {
    (crate::bench::workloads::php().map(|file| platform::module_folder().join(file)), "libapache2-mod-php")
}

fn itk() -> (Option<PathBuf>, &'static str) {
    (Some(module("mpm_itk")), "libapache2-mpm-itk")
}

fn php_fpm() -> (Option<PathBuf>, &'static str) {
    (fpm::program(), "php-fpm")
}

fn php_cgi() -> (Option<PathBuf>, &'static str) {
    (Some(PHP_CGI.into()), "php-cgi")
}

fn suexec() -> (Option<PathBuf>, &'static str) {
    let fcgid = module("fcgid");
    let suexec = PathBuf::from("/usr/lib/apache2/suexec");
    (Some(if fcgid.exists() { suexec } else { fcgid }), "libapache2-mod-fcgid and apache2-suexec-pristine")
}

const PHP_CGI: &str = "/usr/bin/php-cgi";
/// The default of `Requests`.
const REQUESTS: u32 = 5000;
/// A user that is no other server's, with its group.
const NOBODY: &str = "nobody nogroup";

/// A server with all pages.
fn content(workload: &Workload, mpm: Mpm, gate: Gate) -> Result<ServerBuilder, String> {
    let workload = Workload { mpm, content: workload.content, client: workload.client, name: workload.name };
    let builder = workload.without_modules(gate);
    if workload.content == Content::PhpCms { with_cms(builder) } else { Ok(builder) }
}

fn fpm(workload: &Workload, processes: u32, lines: &str) -> Result<Started, String> {
    let builder = content(workload, Mpm::Event, Gate::Process)?.stock().modules(["proxy", "proxy_fcgi"]);
    let lines = lines.replace("fcgi://fpm/", "unix:@root@/run/fpm.sock|fcgi://fpm/");
    let builder = builder.config(lines).config(
        "<FilesMatch \"\\.php$\">\nSetHandler \"proxy:unix:@root@/run/fpm.sock|fcgi://fpm/\"\n</FilesMatch>",
    );
    let fpm = Fpm::start(&builder.path("run"), &format!("pm = static\npm.max_children = {processes}"))?;
    Ok(Started { server: builder.start(), fpm: Some(fpm), _folder: None })
}

/// The default for PHP in the server's own processes: a worker for each request, and no OPcache.
fn in_a_worker(workload: &Workload) -> Result<Started, String> {
    let builder = with_mod_php(content(workload, Mpm::Prefork, Gate::Process)?);
    let rule = "<ConfineLandlock site>\nLandlockInclude php\nLandlockRead \"@root@/www\"\n</ConfineLandlock>\n\
                ConfineContext landlock:site";
    Ok(Started::alone(with_landlock(builder).config(rule).start()))
}

/// Pools of one context.
fn pools(workload: &Workload, gate: Gate) -> Result<Started, String> {
    let builder = pool_lines(content(workload, Mpm::Event, gate)?, &format!("Processes {PROCESSES}"));
    let rule = "<ConfineLandlock site>\nLandlockInclude php-cgi\nLandlockRead \"@root@/www\"\n</ConfineLandlock>\n\
                ConfineContext landlock:site";
    Ok(Started::alone(builder.config(rule).start()))
}

/// The same with a process for each request.
fn pools_of_one_request(workload: &Workload) -> Result<Started, String> {
    let builder = content(workload, Mpm::Event, Gate::Kept)?;
    let builder = lean_pool_lines(builder, &format!("Processes {PROCESSES}\nRequests 1"))?;
    let rule =
        format!("<ConfineLandlock site>\n{LEAN_RULES}\n</ConfineLandlock>\nConfineContext landlock:site");
    Ok(Started::alone(builder.config(rule).start()))
}

/// The section and the handler, of a PHP that loads what Debian's package brings.
pub fn lean_pool_lines(builder: ServerBuilder, section: &str) -> Result<ServerBuilder, String> {
    let section = format!("{section}\nEnvironment PHP_INI_SCAN_DIR=@root@/{SETTINGS}");
    Ok(pool_lines(with_settings(builder)?, &section))
}

/// What its ruleset grants.
pub const LEAN_RULES: &str = "LandlockInclude php-cgi\nLandlockRead \"@root@/www\" \"@root@/php\"";

/// The section and the handler.
pub fn pool_lines(builder: ServerBuilder, section: &str) -> ServerBuilder {
    with_landlock(builder)
        .modules(["proxy", "proxy_fcgi"])
        .config(format!("<ConfineFastCGI php>\nProgram {PHP_CGI}\n{section}\n</ConfineFastCGI>"))
        .config("<FilesMatch \"\\.php$\">\nSetHandler confine-fastcgi:php\n</FilesMatch>")
}

/// The backend, and the files that rulesets include.
fn with_landlock(builder: ServerBuilder) -> ServerBuilder {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf/landlock");
    builder.config(format!("ConfineBackend landlock\nLandlockIncludeDir \"{}\"", shipped.display()))
}

/// A folder outside of the server's own, which goes with this.
struct Outside(PathBuf);

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// suexec runs programs below /var/www alone, which are of the user whom it becomes (support/suexec.c).
fn fcgid(workload: &Workload) -> Result<Started, String> {
    let folder = PathBuf::from(format!("/var/www/confine-bench-{}", std::process::id()));
    let told = |error: std::io::Error| format!("{}: {error}", folder.display());
    // The log that is built into Debian's suexec; without its folder it serves nobody.
    fs::create_dir_all("/var/log/apache2").map_err(told)?;
    fs::create_dir_all(&folder).map_err(told)?;
    let outside = Outside(folder.clone());
    let script = folder.join("php");
    fs::write(&script, format!("#!/bin/sh\nexport PHP_FCGI_MAX_REQUESTS=0\nexec {PHP_CGI}\n"))
        .map_err(told)?;
    fs::set_permissions(&script, Permissions::from_mode(0o755)).map_err(told)?;
    for path in [&folder, &script] {
        chown(path, Some(65534), Some(65534)).map_err(told)?;
    }
    let builder = content(workload, Mpm::Event, Gate::Process)?.stock().modules(["suexec", "fcgid"]);
    let lines = format!(
        "SuexecUserGroup {NOBODY}\nFcgidIPCDir \"@root@/run/fcgid\"\nFcgidProcessTableFile \"@root@/run/fcgid.shm\"\n\
         FcgidMaxProcessesPerClass {PROCESSES}\nFcgidMaxRequestsPerProcess 0\n\
         <FilesMatch \"\\.php$\">\nOptions +ExecCGI\nSetHandler fcgid-script\nFcgidWrapper {0} .php\n</FilesMatch>\n\
         <Directory \"{1}\">\nRequire all granted\n</Directory>",
        script.display(),
        folder.display()
    );
    Ok(Started { server: builder.config(lines).start(), fpm: None, _folder: Some(outside) })
}

/// The floor of pools: httpd without this module, in front of the same program with as many processes.
fn bare(workload: &Workload) -> Result<Started, String> {
    let builder = content(workload, Mpm::Event, Gate::Process)?;
    with_cgi(builder, REQUESTS, None)
}

/// The same with a process for each request, and the settings of [`lean_pool_lines`].
fn bare_of_one_request(workload: &Workload) -> Result<Started, String> {
    let builder = with_settings(content(workload, Mpm::Event, Gate::Process)?)?;
    let settings = builder.path(SETTINGS);
    with_cgi(builder, 1, Some(&settings))
}

fn with_cgi(builder: ServerBuilder, requests: u32, settings: Option<&Path>) -> Result<Started, String> {
    let builder = builder.stock().modules(["proxy", "proxy_fcgi"]).config(
        "ProxyFCGIBackendType GENERIC\n<FilesMatch \"\\.php$\">\n\
         SetHandler \"proxy:unix:@root@/run/fpm.sock|fcgi://fpm/\"\n</FilesMatch>",
    );
    let fpm = Fpm::cgi(&builder.path("run"), PHP_CGI, (PROCESSES, requests), settings)?;
    Ok(Started { server: builder.start(), fpm: Some(fpm), _folder: None })
}
