//! Raw bindings to the installed httpd 2.4 and APR, generated at build time and allow-listed in
//! `build.rs`. Nothing here is safe to use as it stands; the module's `httpd` folder wraps it.

#![allow(non_camel_case_types, non_snake_case, non_upper_case_globals)]
#![allow(unnecessary_transmutes)]
#![allow(clippy::all, clippy::undocumented_unsafe_blocks)]
#![allow(missing_docs)]

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
