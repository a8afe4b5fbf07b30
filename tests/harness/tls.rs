//! Certificate authorities for one test: a self-signed certificate for the loopback, and certificates for clients.

use std::{fs, path::Path, process::Command};

/// Writes `key.pem` and `cert.pem` into `folder` with the openssl command.
pub(crate) fn make_certificate(folder: &Path) {
    let names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"];
    make_own(folder, "key.pem", "cert.pem", "/CN=localhost", &names);
}

/// Writes `authority.pem`, `verified.pem` and `unverified.pem` into `folder`.
pub(crate) fn make_client_certificates(folder: &Path) {
    const ALICE: &str = "/CN=alice/emailAddress=alice@example.org";
    make_own(folder, "authority-key.pem", "authority.pem", "/CN=authority", &[]);
    make_own(folder, "unverified-key.pem", "unverified-cert.pem", ALICE, &[]);
    let key =
        ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "verified-key.pem"];
    openssl(folder, &[&["req", "-subj", ALICE, "-out", "verified-request.pem"][..], &key].concat());
    let sign = ["x509", "-req", "-in", "verified-request.pem", "-out", "verified-cert.pem", "-days", "2"];
    let by = ["-CA", "authority.pem", "-CAkey", "authority-key.pem", "-CAcreateserial"];
    openssl(folder, &[&sign[..], &by].concat());
    for name in ["verified", "unverified"] {
        let read = |part: &str| {
            let path = folder.join(format!("{name}-{part}.pem"));
            fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
        };
        let path = folder.join(format!("{name}.pem"));
        fs::write(&path, read("cert") + &read("key")).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }
}

/// Makes a self-signed certificate.
fn make_own(folder: &Path, key: &str, certificate: &str, subject: &str, more: &[&str]) {
    let kind =
        ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    let files = ["-subj", subject, "-keyout", key, "-out", certificate];
    openssl(folder, &[&kind[..], &files, more].concat());
}

fn openssl(folder: &Path, arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).current_dir(folder).output();
    let output = output.unwrap_or_else(|e| panic!("the openssl command: {e}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {}: {said}", arguments.join(" "));
}
