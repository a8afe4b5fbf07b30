//! What the module promises, asked of a real httpd: one file a behaviour.

mod stock_httpd_serves;
