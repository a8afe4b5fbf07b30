//! What a pool is made of: its socket, and the processes that start in its contexts.

use std::{
    ffi::{CString, OsString},
    io,
    os::{fd::AsFd, unix::ffi::OsStringExt},
};

use confine::{lsm::Made, pool::Wanted};

use super::{
    Programs, Running,
    folder::unguessable_name,
    moves::{Way, enter_all},
    namespace::Namespace,
    output::Output,
    temporary,
};
use crate::{
    config::fastcgi::Program,
    thread::{
        apart::Limits,
        messages::Listener,
        process::{self, Execution, Forked},
    },
};

/// What the processes of a pool are started with.
pub struct Start<'s> {
    /// The programs of the configuration.
    pub programs: &'s Programs,
    /// What is there while the server runs.
    pub running: &'s Running,
    /// The pool's own.
    pub program: &'s Program,
    /// Its contexts.
    pub wanted: &'s Wanted,
    /// The same for people.
    pub shown: &'s str,
    /// Its socket.
    pub listener: &'s Listener,
}

impl Start<'_> {
    /// Makes a process, which moves and executes the program. Gives its id, and what it writes to its standard error.
    pub fn process(&self, namespace: &mut Namespace) -> Result<(u32, Output), String> {
        let Self { programs, running, program, wanted, .. } = *self;
        let text = |e: io::Error| e.to_string();
        let way = way_to(programs, wanted)?;
        let user = way.user(wanted)?;
        let identity = user.unwrap_or(running.identity);
        let temporary = temporary::folder(&running.temporary, self.shown, identity, &way)
            .map_err(|e| format!("no temporary folder below {}: {e}", running.temporary))?;
        let way = way.anew(Some(&temporary))?;
        let ready = way.ready(wanted)?;
        way.may_execute(program)?;
        let temporary = temporary.to_string_lossy().into_owned();
        let limits = Limits { ipc: namespace.of_next(program.private_ipc)?, memory: program.memory };
        let (read, write) = process::pipe().map_err(text)?;
        let arguments = arguments(program, &temporary);
        let environment = environment(program, &temporary);
        let manager = process::id();
        match process::fork().map_err(text)? {
            Forked::Parent(pid) => Ok((pid, Output::new(read))),
            Forked::Child => {
                let execution = Execution {
                    program: &program.file,
                    arguments: &arguments,
                    environment: &environment,
                    input: self.listener.as_fd(),
                    output: write.as_fd(),
                    identity: user.is_none().then_some(identity),
                    limits,
                };
                // Both need what a process in the contexts may not have any more.
                programs.users.open();
                let remedy = way.to_execute(program);
                let enter = || enter_all(&ready).map_err(|e| format!("a move failed: {e}"));
                let why = process::execute(&execution, manager, enter, &remedy);
                eprintln!("{why}");
                process::leave(127)
            }
        }
    }
}

/// The way into the contexts of such a pool. The one without contexts is for requests that are only reported.
fn way_to(programs: &Programs, wanted: &Wanted) -> Result<Way, String> {
    match (wanted.is_unconfined(), programs.reports) {
        (false, _) => Way::to(programs, &wanted.contexts),
        (true, true) => Ok(Way::nowhere()),
        (true, false) => Err("no ConfineMode report stands in the configuration".to_owned()),
    }
}

/// The same, where there can be such a pool: the moves can be made, and its program may be executed after them.
pub fn checked_way_to(programs: &Programs, program: &Program, wanted: &Wanted) -> Result<Way, String> {
    let way = way_to(programs, wanted)?.anew(None)?;
    way.ready(wanted)?;
    way.may_execute(program)?;
    Ok(way)
}

/// A socket whose name nobody can guess, and the name.
pub fn listen(running: &Running, program: &Program, way: &Way) -> Result<(Listener, String), String> {
    let name = unguessable_name().map_err(|e| e.to_string())?;
    // More than the requests that are let in: nobody waits for room in the queue.
    let queue = program.bound() + 16;
    let bind = |path: &str| Listener::for_streams(path, queue);
    let listen = || running.folder().listen(&name, running.identity.group, bind);
    let listener = way.made(Made::Socket, listen)?;
    Ok((listener, name))
}

/// The program's arguments. PHP's temporary files, sessions and the lock of its OPcache belong to the contexts.
fn arguments(program: &Program, temporary: &str) -> Vec<CString> {
    let mut arguments = vec![program.file.clone()];
    if program.is_php() {
        for setting in ["sys_temp_dir", "upload_tmp_dir", "session.save_path", "opcache.lockfile_path"] {
            arguments.push(c"-d".to_owned());
            arguments.extend(CString::new(format!("{setting}={temporary}")));
        }
    }
    arguments.extend(program.arguments.iter().cloned());
    arguments
}

/// All that the program finds in its environment. What the configuration says comes first, and counts.
fn environment(program: &Program, temporary: &str) -> Vec<CString> {
    let mut own = vec![
        "PATH=/usr/local/bin:/usr/bin:/bin".to_owned(),
        format!("TMPDIR={temporary}"),
        format!("HOME={temporary}"),
    ];
    if program.is_php() {
        if program.has_main_process() {
            own.push(format!("PHP_FCGI_CHILDREN={}", program.processes));
        }
        own.push(format!("PHP_FCGI_MAX_REQUESTS={}", program.requests));
        // A process that has served its requests ends at once. Otherwise PHP first unmaps its extensions one by one,
        // and their libraries, which is a tenth of what a process costs that serves one request.
        own.push("ZEND_DONT_UNLOAD_MODULES=1".to_owned());
    }
    let name = |variable: &CString| {
        let bytes = variable.as_bytes();
        let end = bytes.iter().position(|byte| *byte == b'=').unwrap_or(bytes.len());
        OsString::from_vec(bytes[..end].to_vec())
    };
    let mut environment = program.environment.clone();
    for variable in own.into_iter().filter_map(|variable| CString::new(variable).ok()) {
        if !environment.iter().any(|written| name(written) == name(&variable)) {
            environment.push(variable);
        }
    }
    environment
}
