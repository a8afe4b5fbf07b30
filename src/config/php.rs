//! What the policy holds of PHP. [`crate::request::modules::php`] says why, and uses it.

use std::sync::OnceLock;

use crate::httpd::{directives::Directives, php::Module};

/// PHP, where its module is loaded.
pub struct Php {
    /// Its module.
    pub module: Module,
    /// The settings that keep contexts apart.
    pub apart: Directives,
    /// Whether each thread has an interpreter of its own: the server would not start otherwise (PHP:
    /// php_pre_config).
    pub threads: bool,
    /// The limit of `mail()`, where PHP starts a program for it.
    pub mail: OnceLock<Directives>,
}
