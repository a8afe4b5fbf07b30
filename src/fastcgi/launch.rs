//! What a program is started with.

use std::{
    ffi::{CString, OsString},
    os::unix::ffi::OsStringExt,
};

use crate::config::fastcgi::Program;

/// The program's arguments. PHP's temporary files, sessions and the lock of its OPcache belong to the contexts.
pub fn arguments(program: &Program, temporary: &str) -> Vec<CString> {
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
pub fn environment(program: &Program, temporary: &str) -> Vec<CString> {
    let mut own = vec![
        "PATH=/usr/local/bin:/usr/bin:/bin".to_owned(),
        format!("TMPDIR={temporary}"),
        format!("HOME={temporary}"),
    ];
    if program.is_php() {
        own.push(format!("PHP_FCGI_CHILDREN={}", program.processes));
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
