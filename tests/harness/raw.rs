//! HTTP/1.1 by hand, for requests that no client library would send, such as pipelined ones.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{IpAddr, TcpStream},
    time::Duration,
};

use crate::Response;

/// A connection on which the test writes the bytes.
pub struct RawConnection {
    stream: BufReader<TcpStream>,
}

impl RawConnection {
    /// Connects. No read waits longer than 30 s.
    pub(crate) fn open(address: IpAddr, port: u16) -> Self {
        let stream = TcpStream::connect((address, port)).unwrap_or_else(|e| panic!("{address}:{port}: {e}"));
        let limit = stream.set_read_timeout(Some(Duration::from_secs(30)));
        limit.unwrap_or_else(|e| panic!("read timeout: {e}"));
        Self { stream: BufReader::new(stream) }
    }

    /// Sends these bytes as they are.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = self.stream.get_mut().write_all(bytes.as_ref());
        sent.unwrap_or_else(|e| panic!("sending to the server: {e}"));
    }

    /// Sends a GET request that keeps the connection open. `extra` consists of whole header lines.
    pub fn send_get(&mut self, target: &str, extra: &str) {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{extra}\r\n"));
    }

    /// Reads the next response.
    pub fn response(&mut self) -> Response {
        let mut response = self.head();
        while response.status == 100 {
            response = self.head();
        }
        response.body = self.body(&response);
        response
    }

    /// Reads the head of the next response, and not its body.
    pub fn head_only(&mut self) -> Response {
        self.head()
    }

    /// Everything until the server closes the connection.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes).unwrap_or_else(|e| panic!("reading to the end: {e}"));
        bytes
    }

    /// How many bytes arrive until the server closes or breaks the connection.
    pub fn until_it_ends(&mut self) -> usize {
        let (mut count, mut buffer) = (0, [0; 64 << 10]);
        while let Ok(more @ 1..) = self.stream.read(&mut buffer) {
            count += more;
        }
        count
    }

    fn head(&mut self) -> Response {
        let mut response = Response::default();
        loop {
            match self.line() {
                line if line.is_empty() => return response,
                line => response.head_line(&line),
            }
        }
    }

    fn line(&mut self) -> String {
        let mut line = Vec::new();
        let got = self.stream.read_until(b'\n', &mut line);
        got.unwrap_or_else(|e| panic!("reading a line of the response: {e}"));
        assert!(line.ends_with(b"\n"), "the server closed in the middle of a head: {line:?}");
        String::from_utf8_lossy(&line).trim_end().to_owned()
    }

    fn body(&mut self, head: &Response) -> Vec<u8> {
        if matches!(head.status, 204 | 304) {
            return Vec::new();
        }
        if head.header("transfer-encoding") == Some("chunked") {
            return self.chunked();
        }
        match head.header("content-length").map(str::parse) {
            Some(Ok(length)) => self.exactly(length),
            Some(Err(e)) => panic!("Content-Length: {e}"),
            None => self.rest(),
        }
    }

    fn chunked(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let size = self.line();
            let length =
                usize::from_str_radix(&size, 16).unwrap_or_else(|e| panic!("chunk size {size:?}: {e}"));
            body.extend(self.exactly(length));
            let after = self.line();
            assert_eq!(after, "", "a chunk ends with an empty line");
            if length == 0 {
                return body;
            }
        }
    }

    /// Exactly this many bytes.
    pub fn exactly(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).unwrap_or_else(|e| panic!("a body of {length} bytes: {e}"));
        bytes
    }
}
