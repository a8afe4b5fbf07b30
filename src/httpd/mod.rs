//! Wrappers of the server's objects, one for each kind of object. Unsafe code is here and in `thread`, with two
//! exceptions. The functions of `lib.rs` that the server calls hand their pointers to these wrappers. And
//! `config/scopes.rs` promises that the module record uses the functions of its slots.

mod address;
pub mod boundary;
mod broken_stream;
pub mod command;
pub mod command_table;
pub mod config_tree;
mod core_files;
pub mod database;
pub mod directives;
pub mod expression;
pub mod filters;
pub mod first_use;
pub mod hooks;
pub mod hosts;
mod loaded;
pub mod local;
pub mod log;
mod lua_request;
pub mod lua_state;
pub mod memory;
pub mod mime_magic;
pub mod named_code;
pub mod other_child;
pub mod php;
pub mod pool;
pub mod proofs;
pub mod providers;
pub mod proxy;
pub mod request;
pub mod said;
pub mod server;
pub mod slot;
pub mod status;
pub mod synthetic_request;
pub mod table;
