//! A directive being read: its words, its place, and the configuration it belongs to.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    path::Path,
    ptr::NonNull,
};

use apache_sys as sys;
use confine::Origin;

use crate::httpd::{boundary::guard, core_files, log, pool::Pool, server::Server};

/// The parameters of one directive. They live as long as the call of its command function.
pub struct Command<'c> {
    raw: NonNull<sys::cmd_parms>,
    /// The words behind the directive's name.
    pub words: Vec<&'c str>,
    directory: *mut c_void,
    /// Whether the error to be told comes from a directive inside this section. Such an error names its directive
    /// already.
    inner_error: bool,
}

impl<'c> Command<'c> {
    /// The parameters, for a call into the server.
    pub fn as_ptr(&self) -> *mut sys::cmd_parms {
        self.raw.as_ptr()
    }

    fn parms(&self) -> &sys::cmd_parms {
        // SAFETY: live for the length of the command function (see command()).
        unsafe { self.raw.as_ref() }
    }

    /// A directive whose words are not split.
    ///
    /// # Safety
    /// `parms` is null or live for the length of the command function, `directory` this module's part.
    pub unsafe fn without_words(parms: *mut sys::cmd_parms, directory: *mut c_void) -> Option<Self> {
        NonNull::new(parms).map(|raw| Self { raw, words: Vec::new(), directory, inner_error: false })
    }

    /// Whether the directive stands in a `.htaccess` file. Such a file is read with the request's pool alone
    /// (server/core.c, ap_check_cmd_context).
    pub fn in_htaccess(&self) -> bool {
        let parms = self.parms();
        std::ptr::eq(parms.pool, parms.temp_pool)
    }

    /// Whether another directive left data for this one. A configuration cannot write such data.
    pub fn has_data(&self) -> bool {
        // SAFETY: a directive always belongs to a node of the configuration tree.
        unsafe { !(*self.parms().directive).data.is_null() }
    }

    /// The first word of `arguments`, split as the server splits words.
    pub fn first_word(&self, arguments: &[u8]) -> Option<&'c CStr> {
        let pool = self.pool()?;
        let mut rest = pool.text(arguments).as_ptr();
        // SAFETY: a live pool and a C string of it.
        let word = unsafe { CStr::from_ptr(sys::ap_getword_conf(pool.as_ptr(), &mut rest)) };
        (!word.is_empty()).then_some(word)
    }

    /// The directive's name as the table has it.
    pub fn name(&self) -> &'c str {
        // SAFETY: the server found this entry by its name; the table is static.
        unsafe { CStr::from_ptr((*self.parms().cmd).name).to_str().unwrap_or("?") }
    }

    /// The directive's name for a message. The name of a section gets both its angle brackets.
    fn title(&self) -> String {
        let name = self.name();
        if name.starts_with('<') { format!("{name}>") } else { name.to_owned() }
    }

    /// The file and line of the directive.
    pub fn origin(&self) -> Origin {
        // SAFETY: a directive always belongs to a node of the configuration tree with a file name.
        unsafe {
            let node = self.parms().directive;
            let file = CStr::from_ptr((*node).filename).to_string_lossy().into_owned();
            Origin::new(Path::new(&file), (*node).line_num.max(0) as u32)
        }
    }

    /// The sections around the directive, the innermost first, each as it is written and with its place.
    pub fn sections(&self) -> Vec<(String, Origin)> {
        let mut sections = Vec::new();
        // SAFETY: a directive's node and those above it live as long as the configuration is read; names
        // and arguments are C strings, the file's name is one or null.
        unsafe {
            let mut next = (*self.parms().directive).parent;
            while let Some(node) = next.as_ref() {
                let text = |raw: *const c_char| {
                    if raw.is_null() { "".into() } else { CStr::from_ptr(raw).to_string_lossy() }
                };
                let title = format!("{} {}", text(node.directive), text(node.args));
                let origin = Origin::new(Path::new(&*text(node.filename)), node.line_num.max(0) as u32);
                sections.push((title, origin));
                next = node.parent;
            }
        }
        sections
    }

    /// The configuration's pool.
    pub fn pool(&self) -> Option<Pool<'c>> {
        // SAFETY: live as long as the configuration being read.
        unsafe { Pool::from_raw(self.parms().pool) }
    }

    /// Refuses a directive inside a virtual host, because it sets something for the whole server.
    pub fn outside_virtual_hosts(&self) -> Result<(), String> {
        // SAFETY: the live server section that the directive stands in.
        match unsafe { (*self.parms().server).is_virtual } {
            0 => Ok(()),
            _ => Err("stands inside <VirtualHost>; write it outside, it is the whole server's".to_owned()),
        }
    }

    /// The server section that the directive stands in: the main server or a virtual host.
    pub fn server(&self) -> Option<Server<'c>> {
        // SAFETY: live as long as the configuration being read.
        unsafe { Server::from_raw(self.parms().server) }
    }

    /// A number that differs for each section, for a caller that only tells sections apart.
    pub fn section_id(&self) -> usize {
        self.directory.addr()
    }

    /// This module's configuration of the section that the directive stands in. See [`super::slot`].
    pub(super) fn directory_config(&self) -> *mut c_void {
        self.directory
    }

    /// Has the server read the files of the section that the directive stands in, and not map them. Confined requests
    /// read files in any case ([`Request::read_files`]). If the configuration says it here, a request has nothing to
    /// do for it.
    ///
    /// [`Request::read_files`]: super::request::Request::read_files
    pub fn read_files(&self) {
        let parms = self.parms();
        // SAFETY: the server's own way to a module's part of the section that is being read (server/config.c,
        // ap_walk_config_sub), made if it is not there yet; core's is a core_dir_config.
        let core = unsafe {
            let core = &raw mut sys::core_module;
            sys::ap_set_config_vectors(parms.server, parms.context, parms.path, core, parms.pool)
                .cast::<sys::core_dir_config>()
                .as_mut()
        };
        core.into_iter().for_each(core_files::read);
    }

    /// The absolute path of a file. A relative path begins at ServerRoot.
    pub fn below_server_root(&self, file: &str) -> Option<String> {
        let file = std::ffi::CString::new(file).ok()?;
        // SAFETY: live pool, NUL-terminated name; the result lives in the pool and is copied.
        unsafe {
            let full = sys::ap_server_root_relative(self.parms().pool, file.as_ptr());
            (!full.is_null()).then(|| CStr::from_ptr(full).to_string_lossy().into_owned())
        }
    }

    /// Reads the directives inside this section, with the same server and directory; the names of all must
    /// belong there, so that no line acts outside of the section it stands in. `expected` tells those that do.
    pub fn walk_section(&mut self, belongs: impl Fn(&str) -> bool, expected: &str) -> Result<(), String> {
        // SAFETY: live parameters and tree; the children run through the command table, each behind
        // a boundary of its own.
        unsafe {
            let first = (*self.parms().directive).first_child;
            let mut child = first;
            while let Some(node) = child.as_ref() {
                let name = CStr::from_ptr(node.directive).to_string_lossy();
                if !belongs(&name) {
                    let line = node.line_num;
                    return Err(format!(
                        "{name} on line {line} has no meaning here; only {expected} stand in it"
                    ));
                }
                child = node.next;
            }
            let (own, node) = (self.parms().cmd, self.parms().directive);
            let error = sys::ap_walk_config(first, self.as_ptr(), self.parms().context);
            if error.is_null() {
                // The server left the last directive of the section in these parameters. What is said from here on is
                // about the section itself.
                let parms = self.raw.as_mut();
                (parms.cmd, parms.directive) = (own, node);
                return Ok(());
            }
            self.inner_error = true;
            Err(CStr::from_ptr(error).to_string_lossy().into_owned())
        }
    }
}

/// What a directive does with its words. The error is one sentence, to which the server adds file
/// and line.
pub type Run = fn(&mut Command<'_>) -> Result<(), String>;

/// Runs the directives of a table. Every directive of the table is run through it.
pub trait Runner {
    /// Calls `run`, and does what else is to be done for each directive.
    fn run(command: &mut Command<'_>, run: Run) -> Result<(), String>;
}

/// What this module notes when another module's directive, which takes one word, is read. The error is all that is
/// shown.
pub type Learn = fn(&Command<'_>, &CStr) -> Result<(), String>;

/// The command function of directives whose words the server has split.
///
/// # Safety
/// Called by the server with live parameters and `argc` strings; `cmd_data` of the directive's table
/// entry is a [`Run`].
pub unsafe extern "C" fn with_words<R: Runner>(
    parms: *mut sys::cmd_parms,
    directory: *mut c_void,
    argc: c_int,
    argv: *const *mut c_char,
) -> *const c_char {
    // SAFETY: the caller's promise.
    let words = || (0..argc.max(0) as usize).map(|i| unsafe { CStr::from_ptr(*argv.add(i)) });
    command::<R>(parms, directory, || words().map(CStr::to_str).collect())
}

/// The command function of sections, `<ConfineLandlock NAME>`: takes the words before the `>`.
///
/// # Safety
/// As [`with_words`], with one string.
pub unsafe extern "C" fn section<R: Runner>(
    parms: *mut sys::cmd_parms,
    directory: *mut c_void,
    args: *const c_char,
) -> *const c_char {
    command::<R>(parms, directory, || {
        // SAFETY: the caller's promise.
        let text = unsafe { CStr::from_ptr(args) }.to_str()?;
        let text = text.trim_end().strip_suffix('>').unwrap_or(text);
        Ok(text.split_whitespace().map(|w| w.trim_matches('"')).collect())
    })
}

/// The command function of another module's directive with one word.
///
/// # Safety
/// As [`with_words`], with one string; `cmd_data` of the directive's table entry is a [`Learn`].
pub unsafe extern "C" fn one_word(
    parms: *mut sys::cmd_parms,
    directory: *mut c_void,
    word: *const c_char,
) -> *const c_char {
    let learn = || -> Result<(), String> {
        // SAFETY: the caller's promise.
        let (command, word) = unsafe { (Command::without_words(parms, directory), CStr::from_ptr(word)) };
        let command = command.ok_or("the server gave no parameters")?;
        // SAFETY: the table's entries for such directives hold a Learn in cmd_data (see command_table).
        let learn: Learn = unsafe { std::mem::transmute((*command.parms().cmd).cmd_data) };
        learn(&command, word)
    };
    finish(parms, guard(learn, panicked))
}

fn command<'c, R: Runner>(
    parms: *mut sys::cmd_parms,
    directory: *mut c_void,
    words: impl FnOnce() -> Result<Vec<&'c str>, std::str::Utf8Error>,
) -> *const c_char {
    let run = || -> Result<(), String> {
        let words = words().map_err(|e| format!("a word is not UTF-8 ({e})"))?;
        let raw = NonNull::new(parms).ok_or("the server gave no parameters")?;
        let mut command = Command { raw, words, directory, inner_error: false };
        // SAFETY: the table's entries hold a Run in cmd_data (see command_table).
        let run: Run = unsafe { std::mem::transmute((*command.parms().cmd).cmd_data) };
        R::run(&mut command, run)
            .map_err(|text| if command.inner_error { text } else { format!("{}: {text}", command.title()) })
    };
    finish(parms, guard(run, panicked))
}

fn panicked(panic: &str) -> Result<(), String> {
    log::main(log::Level::Error, &format!("confine: panic while reading the configuration: {panic}"));
    Err(format!("a fault of mod_confine itself: {panic}"))
}

/// Turns the result into what a command function returns.
fn finish(parms: *mut sys::cmd_parms, result: Result<(), String>) -> *const c_char {
    match result {
        Ok(()) => std::ptr::null(),
        // SAFETY: the parameters that the server gave to the command function.
        Err(text) => unsafe { error(parms, &text) },
    }
}

/// An error's text for the server.
///
/// # Safety
/// `parms` is live.
pub unsafe fn error(parms: *mut sys::cmd_parms, text: &str) -> *const c_char {
    // SAFETY: the server reads the message while the parameters' pool still lives.
    unsafe { sys::apr_pstrmemdup((*parms).pool, text.as_ptr().cast(), text.len()) }
}
