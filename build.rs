//! Link options of the module, and the one thing that only C can say: where a thread-local stands.

fn main() {
    // The server unloads modules between two readings of its configuration. Code that threads, panic
    // hooks and thread-local destructors may still refer to must stay mapped.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    // Warnings are shown and stop nothing: a compiler that is newer than this file may have new ones, and a
    // distribution builds with the compiler it has.
    cc::Build::new().file("src/httpd/local.c").pic(true).warnings(true).compile("local");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/httpd/local.c");
}
