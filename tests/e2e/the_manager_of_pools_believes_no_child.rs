//! The manager of pools runs as root, and the server's children tell it what to start. Whoever takes a child over can tell
//! it anything: it starts what the configuration and its maps name, and no more. The test talks to it as a child does.

use std::{
    fs, io,
    mem::{size_of, zeroed},
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
    thread,
    time::{Duration, Instant},
};

use confine_tests::{Cell, Server, matrix, pools::*, tenants::Expectations};

/// A connection for messages. Only the manager's socket takes one.
fn connected(path: &Path) -> io::Result<OwnedFd> {
    let bytes = path.as_os_str().as_bytes();
    // SAFETY: zeros are a valid address, and its path is longer than these bytes; live descriptors and an address of
    // this length; a time of the option's type.
    unsafe {
        let fd = libc::socket(libc::AF_UNIX, libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC, 0);
        assert!(fd >= 0, "{}", io::Error::last_os_error());
        let socket = OwnedFd::from_raw_fd(fd);
        let mut address: libc::sockaddr_un = zeroed();
        address.sun_family = libc::AF_UNIX as libc::sa_family_t;
        assert!(bytes.len() < address.sun_path.len(), "{}", path.display());
        for (to, from) in address.sun_path.iter_mut().zip(bytes) {
            *to = *from as libc::c_char;
        }
        let time = libc::timeval { tv_sec: 10, tv_usec: 0 };
        let (value, size) = ((&raw const time).cast(), size_of::<libc::timeval>() as libc::socklen_t);
        libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_RCVTIMEO, value, size);
        let length = size_of::<libc::sockaddr_un>() as libc::socklen_t;
        match libc::connect(fd, (&raw const address).cast(), length) {
            0 => Ok(socket),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Whether there was room for a message.
fn say(socket: &OwnedFd, message: &[u8]) -> bool {
    let (start, length) = (message.as_ptr().cast(), message.len());
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    // SAFETY: a live descriptor, and bytes of this length.
    unsafe { libc::send(socket.as_raw_fd(), start, length, flags) >= 0 }
}

fn hear(socket: &OwnedFd) -> String {
    let mut room = [0; 2000];
    // SAFETY: a live descriptor, and room of this length.
    let got = unsafe { libc::recv(socket.as_raw_fd(), room.as_mut_ptr().cast(), room.len(), 0) };
    let got = usize::try_from(got).unwrap_or_else(|_| panic!("{}", io::Error::last_os_error()));
    String::from_utf8_lossy(&room[..got]).into_owned()
}

fn manager(server: &Server) -> OwnedFd {
    let above = server.path("run/confine-fastcgi");
    let folders = fs::read_dir(&above).unwrap_or_else(|e| panic!("{}: {e}", above.display())).flatten();
    let sockets = folders.filter_map(|folder| fs::read_dir(folder.path()).ok()).flat_map(|it| it.flatten());
    let found = sockets.filter_map(|socket| connected(&socket.path()).ok()).next();
    found.unwrap_or_else(|| panic!("no manager in {}", above.display()))
}

fn ask(server: &Server, message: &str) -> String {
    let socket = manager(server);
    assert!(say(&socket, message.as_bytes()), "{message}");
    hear(&socket)
}

fn it_starts_what_the_configuration_names(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = two_pools(cell, "Processes 1")
        .config("ConfineUsers min-uid=1 min-gid=1")
        .config("<ConfineLandlock empty>\n</ConfineLandlock>")
        .ruleset("home", "LandlockInclude php-cgi\nLandlockRead \"@root@/data/%{req:Tenant}\"")
        .file("users.map", "bob uid:mail landlock:bob\n")
        .location("/named", "ConfineContext uid:daemon landlock:alice")
        .location("/mapped", "ConfineMap \"@root@/users.map\"")
        .location("/home", "ConfineContext landlock:home")
        .file("www/alice/hello.php", php("echo 'hello';"))
        .start();
    for good in [
        "0 landlock:alice",
        "0 uid:daemon landlock:alice",
        "0 uid:mail landlock:bob",
        // `alice`, as the value of the first expression.
        "0 landlock:home\t0=616c696365",
    ] {
        let answer = ask(&server, good);
        assert!(answer.starts_with('+'), "{good}: {answer}");
    }
    for (bad, why) in [
        ("0 uid:root landlock:alice", "root"),
        ("0 uid:root", "root"),
        // Other users, and those that are named in other company.
        ("0 uid:games landlock:alice", "ConfineUsers members-of"),
        ("0 uid:daemon", "ConfineUsers members-of"),
        ("0 uid:daemon landlock:bob", "ConfineUsers members-of"),
        ("0 landlock:alice uid:daemon", "uid:"),
        ("0 unconfined", "ConfineMode report"),
        ("0 ", ""),
        ("0 landlock:nobody", "no ruleset of this name"),
        ("0 landlock:empty", "does not let"),
        ("7 landlock:alice", "no such section"),
        // `..`, `a/b`, nothing, and no value at all.
        ("0 landlock:home\t0=2e2e", "component"),
        ("0 landlock:home\t0=612f62", "component"),
        ("0 landlock:home\t0=", "empty"),
        ("0 landlock:home", "no value"),
        ("landlock:alice", "not understood"),
        ("x y", "not understood"),
    ] {
        let answer = ask(&server, bad);
        assert!(answer.starts_with('-') && answer.contains(why), "{bad}: {answer}");
    }
    assert!(!server.log().contains("pool started"), "{}", server.log());
    server.client().get("/alice/hello.php").expect_content("hello");
}

matrix!(it_starts_what_the_configuration_names once);

/// Connections that say nothing, and one that says much and hears nothing.
fn nobody_keeps_it_from_others(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = two_pools(cell, "Processes 1")
        .file("www/alice/hello.php", php("echo 'hello';"))
        .file("www/bob/hello.php", php("echo 'hello';"))
        .start();
    let silent: Vec<_> = (0..300).map(|_| manager(&server)).collect();
    server.client().get("/alice/hello.php").expect_content("hello");
    let deaf = manager(&server);
    for _ in 0..100 {
        while say(&deaf, b"0 landlock:alice") {}
        thread::sleep(Duration::from_millis(10));
    }
    let start = Instant::now();
    server.client().get("/bob/hello.php").expect_content("hello");
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    drop((silent, deaf));
}

matrix!(nobody_keeps_it_from_others once);
