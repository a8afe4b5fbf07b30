//! The differences between distributions: the place of httpd and of its modules, and the user of its children.

use std::{
    env,
    ffi::CString,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, OnceLock, PoisonError},
};

/// The names on Debian and on Fedora.
const BINARIES: [&str; 4] =
    ["/usr/sbin/apache2", "/usr/sbin/httpd", "/usr/local/sbin/httpd", "/usr/bin/httpd"];

const MODULE_FOLDERS: [&str; 4] = [
    "/usr/lib/apache2/modules",
    "/usr/lib64/httpd/modules",
    "/usr/lib/httpd/modules",
    "/usr/local/libexec/apache2",
];

const CHILD_USERS: [&str; 3] = ["www-data", "apache", "nobody"];

/// The httpd of this machine.
pub fn httpd() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| first_existing(&BINARIES, "httpd (Debian: apt-get install apache2)"))
}

/// The folder of httpd's own modules.
pub fn module_folder() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| first_existing(&MODULE_FOLDERS, "httpd's modules"))
}

fn first_existing(candidates: &[&str], what: &str) -> PathBuf {
    let found = candidates.iter().map(PathBuf::from).find(|p| p.exists());
    found.unwrap_or_else(|| panic!("{what}: found at none of {candidates:?}"))
}

/// How httpd's module `name` is loaded (`lua` for `mod_lua.so`): a `LoadModule` line, or nothing if it is part of the
/// binary.
pub fn load_line(name: &str) -> String {
    if name == "php" {
        return load_php();
    }
    let file = module_folder().join(format!("mod_{name}.so"));
    if file.exists() {
        return format!("LoadModule {name}_module {}\n", file.display());
    }
    assert!(is_built_in(name), "this httpd has no mod_{name}: neither built in nor {}", file.display());
    String::new()
}

/// PHP's module has its version in its name: `libphp8.2.so` on Debian, `libphp.so` elsewhere.
fn load_php() -> String {
    let entries = fs::read_dir(module_folder()).unwrap_or_else(|e| panic!("httpd's modules: {e}"));
    let is_php = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libphp") && name.ends_with(".so")
    };
    let found = entries.filter_map(|entry| Some(entry.ok()?.path())).find(is_php);
    let file = found.unwrap_or_else(|| panic!("no libphp*.so (Debian: apt-get install libapache2-mod-php)"));
    format!("LoadModule php_module {}\n", file.display())
}

fn is_built_in(name: &str) -> bool {
    static LIST: OnceLock<String> = OnceLock::new();
    let list = LIST.get_or_init(|| {
        let output = Command::new(httpd()).arg("-l").output();
        let output = output.unwrap_or_else(|e| panic!("{} -l: {e}", httpd().display()));
        String::from_utf8_lossy(&output.stdout).into_owned()
    });
    list.lines().any(|line| line.trim() == format!("mod_{name}.c"))
}

/// Whether mod_lua is left out. mod_lua changes how httpd authenticates: its hooks make the server log in again for
/// every inner request (server/request.c, ap_setup_auth_internal). This hides bugs that have the same effect.
pub fn without_lua() -> bool {
    env::var_os("CONFINE_WITHOUT_LUA").is_some()
}

/// The module under test.
pub fn module_under_test() -> PathBuf {
    let path = env::var_os("CONFINE_MODULE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/libmod_confine.so"),
        PathBuf::from,
    );
    path.canonicalize().unwrap_or_else(|e| {
        panic!("the module {}: {e}; build it (cargo build --release) or set CONFINE_MODULE", path.display())
    })
}

/// The command, from the same build as the module.
pub fn command() -> PathBuf {
    let path = env::var_os("CONFINE_COMMAND").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/confinectl"),
        PathBuf::from,
    );
    path.canonicalize().unwrap_or_else(|e| {
        panic!(
            "the command {}: {e}; build it (cargo build --release -p confinectl) or set CONFINE_COMMAND",
            path.display()
        )
    })
}

/// The module built with the feature `fault-injection`.
pub fn module_with_faults() -> PathBuf {
    let path = env::var_os("CONFINE_FAULT_MODULE").map(PathBuf::from).unwrap_or_else(|| {
        panic!(
            "CONFINE_FAULT_MODULE is not set: build the module with --features fault-injection \
             into a target folder of its own and name the file here"
        )
    });
    path.canonicalize().unwrap_or_else(|e| panic!("CONFINE_FAULT_MODULE={}: {e}", path.display()))
}

/// Whether this process is root, so that the server's children change their user.
pub fn is_root() -> bool {
    // SAFETY: geteuid has no preconditions and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// The unprivileged account of the server's children: name and user id.
pub fn child_user() -> (&'static str, libc::uid_t) {
    static FOUND: OnceLock<(&str, libc::uid_t)> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let known = CHILD_USERS.into_iter().find_map(|name| account(name).map(|(uid, _)| (name, uid)));
        known.unwrap_or_else(|| panic!("none of the accounts {CHILD_USERS:?} exists"))
    })
}

/// The group of [`child_user`]. On Debian the group of `nobody` has another name than the user.
pub fn child_group(user: &str) -> &str {
    if user == "nobody" { "nogroup" } else { user }
}

/// The user who runs the services beside httpd. `None` is this process's own user. No service that a test starts
/// needs to be root, and PostgreSQL refuses to be.
pub fn service_account() -> Option<(libc::uid_t, libc::gid_t)> {
    is_root().then(|| account("nobody").unwrap_or_else(|| panic!("there is no account `nobody`")))
}

/// The user and group id of an account.
fn account(name: &str) -> Option<(libc::uid_t, libc::gid_t)> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let name = CString::new(name).ok()?;
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: `name` is a C string that lives over the call. The answer is null or points into a
    // static buffer, read here at once; the lock keeps our other threads out.
    unsafe { libc::getpwnam(name.as_ptr()).as_ref().map(|entry| (entry.pw_uid, entry.pw_gid)) }
}
