//! What is done about single modules of the server, so that nothing of theirs runs outside of a request's context.

pub mod expressions;
pub mod fastcgi;
pub mod lua;
pub mod mime_magic;
pub mod negotiation;
pub mod out_of_process;
pub mod php;
pub mod php_mail;
pub mod scripts;
pub mod server_pages;
