//! The threads that serve requests: made for one, or kept for more; their stacks, what the server calls them, and what
//! a thread knows of itself.

pub mod apr_thread;
mod attributes;
pub mod background;
pub mod child;
pub mod current;
mod futex;
pub mod kept_thread;
pub mod limited_wait;
pub mod one_time;
pub mod shared_memory;
pub mod signals;
mod slot;
mod stack;
pub mod watched;
