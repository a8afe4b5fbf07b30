//! What the policy holds about PHP. [`crate::request::modules::php`] uses it and says why it is needed.

use std::sync::OnceLock;

use crate::httpd::{directives::Directives, php::Module};

/// PHP, where its module is loaded.
pub struct Php {
    /// Its module.
    pub module: Module,
    /// The settings that keep contexts apart.
    pub apart: Directives,
    /// Whether the server serves requests in threads. PHP then has an interpreter for each thread, or the server would
    /// not start (PHP: php_pre_config).
    pub threads: bool,
    /// The limit of `mail()`, where PHP starts a program for it.
    pub mail: OnceLock<Directives>,
}
