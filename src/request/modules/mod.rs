//! What single modules of the server need, so that nothing of theirs runs beside a request's context.

pub mod lua;
pub mod negotiation;
pub mod out_of_process;
pub mod php;
pub mod php_mail;
pub mod scripts;
pub mod server_pages;
