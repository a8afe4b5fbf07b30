//! A throw-away authority: one certificate that vouches for itself, good for the loopback.

use std::{path::Path, process::Command};

/// Writes `key.pem` and `cert.pem` into `folder` with the openssl command.
pub(crate) fn make_certificate(folder: &Path) {
    let output = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"])
        .arg("-keyout")
        .arg(folder.join("key.pem"))
        .arg("-out")
        .arg(folder.join("cert.pem"))
        .output()
        .unwrap_or_else(|e| panic!("the openssl command: {e}"));
    assert!(output.status.success(), "openssl req: {}", String::from_utf8_lossy(&output.stderr));
}
