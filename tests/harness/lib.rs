//! One harness for every end-to-end test: a real httpd in a folder of its own, real clients.
//!
//! A test says which modules and which configuration it wants ([`ServerBuilder`]), starts the
//! distribution's httpd with them, talks to it ([`Client`], [`RawConnection`]) and reads its error
//! log. The same binary runs on the host and inside a virtual machine: everything that differs
//! between distributions is in [`platform`], everything that differs between runs comes from
//! environment variables.
//!
//! | variable | meaning |
//! |---|---|
//! | `CONFINE_MODULE` | the module to load; default: `target/release/libmod_confine.so` of this workspace |
//! | `CONFINE_COMMAND` | the command to run; default: `target/release/confinectl` of this workspace |
//! | `CONFINE_FAULT_MODULE` | a build with the feature `fault-injection`, for the tests that make it panic |
//! | `CONFINE_WITHOUT_LUA` | set to anything: mod_lua is not loaded; tests that are about Lua end at once and say so |
//!
//! A harness has one way to report that something is wrong, and that is to fail the test with a
//! message that shows the server's own words; so its functions panic where a library would return.

pub mod accounts;
mod builder;
mod client;
mod command;
pub mod hostile;
mod http;
pub mod manual;
mod matrix;
pub mod platform;
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
