//! mod_mime_magic tells the type of a file by its first bytes, and has gzip unpack a file that is packed. The server
//! asks it before the move, so both would happen with the server's privileges, gzip in a process of its own. Where
//! rules apply it is asked in the worker instead, after the move: it sees what the context may see, and what it
//! starts is in the context, too.

use crate::{
    httpd::{mime_magic, request::Request, status::Status},
    request::rules_apply,
    thread::current,
};

/// In place of mod_mime_magic's type checker.
pub fn checks_type(r: &mut Request<'_>) -> Status {
    if current::confines_code() || !rules_apply(r) { mime_magic::look(r) } else { Status::DECLINED }
}

/// To be called where the handlers of a request under rules are about to run.
pub fn before_handlers(r: &mut Request<'_>) {
    if !mime_magic::is_loaded() || r.has_type() || r.is_proxied() {
        return;
    }
    // It declines where it cannot read the file.
    let _ = mime_magic::look(r);
    r.handle_by_type();
}
