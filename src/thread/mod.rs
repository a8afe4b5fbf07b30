//! The threads that serve requests, one-time or kept: their stacks, what the server knows them as, and what a thread
//! knows about itself.

pub mod apart;
pub mod apr_thread;
mod attributes;
pub mod background;
pub mod child;
pub mod current;
mod futex;
pub mod kept_thread;
pub mod limited_wait;
pub mod messages;
pub mod one_time;
pub mod outside;
pub mod process;
pub mod shared_memory;
pub mod signals;
mod slot;
mod stack;
pub mod watched;
