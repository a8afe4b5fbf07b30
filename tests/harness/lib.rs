//! One harness for every end-to-end test: a real httpd in a folder of its own, and real clients.
//!
//! A test says which modules and which configuration it needs ([`ServerBuilder`]), starts the distribution's httpd
//! with them, sends requests to it ([`Client`], [`RawConnection`]) and reads its error log. The same binary runs on
//! the host and in a virtual machine. What differs between distributions is in [`platform`]. What differs between
//! runs comes from environment variables.
//!
//! | variable | meaning |
//! |---|---|
//! | `CONFINE_MODULE` | the module to load; default: `target/release/libmod_confine.so` of this workspace |
//! | `CONFINE_COMMAND` | the command to run; default: `target/release/confinectl` of this workspace |
//! | `CONFINE_FAULT_MODULE` | a build with the feature `fault-injection`, for the tests that make it panic |
//! | `CONFINE_WITHOUT_LUA` | set to anything: mod_lua is not loaded; tests about Lua end at once and say so |
//!
//! If something is wrong, a function of the harness fails the test with a message that shows the server's own words.
//! So these functions panic where a library would return an error.

pub mod accounts;
mod builder;
mod client;
mod command;
mod generations;
pub mod hostile;
mod http;
pub mod manual;
mod matrix;
pub mod mixed;
pub mod platform;
pub mod pools;
pub mod ports;
mod process;
mod raw;
mod server;
pub mod services;
pub mod tables;
pub mod tenants;
mod threads;
mod tls;

pub use builder::ServerBuilder;
pub use client::{Client, Request, Wire};
pub use command::Run;
pub use http::{Response, noise};
pub use matrix::{Cell, Gate, Mpm, need_lua, run};
pub use raw::RawConnection;
pub use server::{Refusal, Server, StartError};
