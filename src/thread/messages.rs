//! UNIX sockets between processes of the server: one that keeps messages whole, and one whose queue has a length.

use std::{
    io,
    mem::{size_of, zeroed},
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    ptr::null_mut,
    time::Duration,
};

/// A socket that waits for connections.
pub struct Listener(OwnedFd);

/// A connection that carries messages.
pub struct Connection(OwnedFd);

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn socket(kind: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: a fresh descriptor, or an error.
    unsafe {
        let fd = checked(libc::socket(libc::AF_UNIX, kind | libc::SOCK_CLOEXEC, 0))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// A path as the kernel takes it.
fn address(path: &str) -> io::Result<(libc::sockaddr_un, libc::socklen_t)> {
    // SAFETY: zeros are a valid address.
    let mut address: libc::sockaddr_un = unsafe { zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    // A byte must remain for the end of the string.
    if path.len() >= address.sun_path.len() || path.contains('\0') {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    for (to, from) in address.sun_path.iter_mut().zip(path.bytes()) {
        *to = from as libc::c_char;
    }
    Ok((address, size_of::<libc::sockaddr_un>() as libc::socklen_t))
}

impl Listener {
    /// One for messages.
    pub fn for_messages(path: &str, queue: u32) -> io::Result<Self> {
        Self::bound(libc::SOCK_SEQPACKET, path, queue)
    }

    /// One for streams of bytes.
    pub fn for_streams(path: &str, queue: u32) -> io::Result<Self> {
        Self::bound(libc::SOCK_STREAM, path, queue)
    }

    fn bound(kind: libc::c_int, path: &str, queue: u32) -> io::Result<Self> {
        let fd = socket(kind)?;
        let (address, length) = address(path)?;
        // SAFETY: a live socket and an address of this length.
        unsafe {
            checked(libc::bind(fd.as_raw_fd(), (&raw const address).cast(), length))?;
            checked(libc::listen(fd.as_raw_fd(), queue as libc::c_int))?;
        }
        Ok(Self(fd))
    }

    /// The next connection. It waits for one, so the caller asks after the socket became readable.
    pub fn accept(&self) -> io::Result<Connection> {
        // SAFETY: a live socket; nobody wants the peer's address; a fresh descriptor, or an error.
        unsafe {
            let fd = libc::accept4(self.0.as_raw_fd(), null_mut(), null_mut(), libc::SOCK_CLOEXEC);
            Ok(Connection(OwnedFd::from_raw_fd(checked(fd)?)))
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Connection {
    /// A connection to a listener for messages, which waits so long for each of them.
    pub fn to(path: &str, patience: Duration) -> io::Result<Self> {
        let fd = socket(libc::SOCK_SEQPACKET)?;
        let (address, length) = address(path)?;
        let time = libc::timeval {
            tv_sec: patience.as_secs() as libc::time_t,
            tv_usec: patience.subsec_micros() as libc::suseconds_t,
        };
        for option in [libc::SO_RCVTIMEO, libc::SO_SNDTIMEO] {
            // SAFETY: a live socket and a value of the option's type and length. SO_SNDTIMEO also ends a connect that
            // waits for room (net/unix/af_unix.c, unix_stream_connect).
            unsafe {
                let (value, size) = ((&raw const time).cast(), size_of::<libc::timeval>() as libc::socklen_t);
                checked(libc::setsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, option, value, size))?;
            }
        }
        // SAFETY: a live socket and an address of this length.
        checked(unsafe { libc::connect(fd.as_raw_fd(), (&raw const address).cast(), length) })?;
        Ok(Self(fd))
    }

    /// Sends a message, whole.
    pub fn send(&self, message: &[u8]) -> io::Result<()> {
        self.send_with(message, 0)
    }

    /// The same without waiting for room. A side that does not listen is an error.
    pub fn send_at_once(&self, message: &[u8]) -> io::Result<()> {
        self.send_with(message, libc::MSG_DONTWAIT)
    }

    fn send_with(&self, message: &[u8], flags: libc::c_int) -> io::Result<()> {
        let (fd, flags) = (self.0.as_raw_fd(), flags | libc::MSG_NOSIGNAL);
        // SAFETY: a live socket and a buffer of this length.
        let sent = unsafe { libc::send(fd, message.as_ptr().cast(), message.len(), flags) };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// The next message, at most as long as `room`; empty when the other side is gone. One that is longer is an error.
    pub fn receive<'b>(&self, room: &'b mut [u8]) -> io::Result<&'b [u8]> {
        // SAFETY: a live socket and a buffer of this length; MSG_TRUNC has the kernel tell a message's whole length.
        let got =
            unsafe { libc::recv(self.0.as_raw_fd(), room.as_mut_ptr().cast(), room.len(), libc::MSG_TRUNC) };
        match usize::try_from(got) {
            Err(_) => Err(io::Error::last_os_error()),
            Ok(length) => room.get(..length).ok_or(io::Error::from_raw_os_error(libc::EMSGSIZE)),
        }
    }
}
