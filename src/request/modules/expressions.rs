//! Expressions that read files, in `.htaccess`.
//!
//! The server evaluates them in phases before the move and for errors after it, so with its own privileges. `file` in
//! a header, a condition or a rewriting would show a tenant any file that the server may read. httpd refuses this itself
//! in some of its versions and modules (CHANGES of 2.4.67 to 2.4.71). Here it is refused for all of them: whatever module
//! takes an expression, the functions in it are looked up in one place.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::httpd::expression::NamedFunction;

/// Whether this process serves requests of a server with rules. What it reads then is no configuration of the
/// administrator's.
static SERVES: AtomicBool = AtomicBool::new(false);

/// To be called when a child of a server with rules begins.
pub fn child_begins() {
    SERVES.store(true, Ordering::Relaxed);
}

/// Whether the expression that names this function cannot be used.
pub fn refuses(function: &NamedFunction<'_>) -> bool {
    let refuses = SERVES.load(Ordering::Relaxed) && function.reads_a_file();
    if refuses {
        function.refuse(
            c"mod_confine: an expression in .htaccess may not read files, because the server would read them with its own \
              privileges; write it in the configuration, or leave the file to the application",
        );
    }
    refuses
}
