//! Responses, the same for all clients.

use std::fmt;

/// One response.
#[derive(Clone, Default)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The status line as received (`HTTP/2 200`).
    pub status_line: String,
    /// Header fields in the order in which they arrived, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, without transfer coding.
    pub body: Vec<u8>,
    /// The client's own port. It is the same for two responses on one connection.
    pub local_port: u16,
}

impl Response {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The first field called `name` (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Fails the test unless the status is `status`.
    #[track_caller]
    pub fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// Reads one line of a response's head. A status line begins a new head, as it does after `100 Continue`.
    pub(crate) fn head_line(&mut self, line: &str) {
        if line.starts_with("HTTP/") {
            self.headers.clear();
            self.status_line = line.to_owned();
            self.status = line.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or_default();
        } else if let Some((name, value)) = line.split_once(':') {
            self.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.body[..self.body.len().min(1500)];
        write!(f, "{} {:?}\n({} bytes) ", self.status_line, self.headers, self.body.len())?;
        f.write_str(&String::from_utf8_lossy(shown))
    }
}

/// Bytes that show every lost, doubled or exchanged part. They have no period, and they are the same on every call.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
