//! Link options of the module.

fn main() {
    // The server unloads modules between two readings of its configuration. Code that threads, panic
    // hooks and thread-local destructors may still refer to must stay mapped.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo:rerun-if-changed=build.rs");
}
