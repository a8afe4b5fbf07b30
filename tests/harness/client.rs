//! A client that uses libcurl: one connection that is kept, or many streams on one connection.

use std::{cell::RefCell, io::SeekFrom, path::PathBuf, time::Duration};

use curl::{
    easy::{Auth, Easy2, Handler, HttpVersion, List, ReadError, SeekResult, SslVersion, WriteError},
    multi::{Easy2Handle, Multi},
};

use crate::{Mpm, Response};

/// No exchange of these tests takes longer than this unless something hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// The protocol of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// HTTP/1.1 over TCP.
    Http11,
    /// HTTP/2 over TCP, with prior knowledge.
    H2c,
    /// HTTP/1.1. The first request asks to continue in HTTP/2.
    Upgrade,
    /// HTTP/1.1 over TLS.
    Tls,
    /// HTTP/2 over TLS, agreed by ALPN.
    H2,
}

impl Wire {
    /// The protocols that a server under `mpm` speaks. mod_http2 does not work under prefork.
    pub fn all_of(mpm: Mpm) -> &'static [Self] {
        match mpm {
            Mpm::Prefork => &[Self::Http11, Self::Tls],
            Mpm::Event | Mpm::Worker => &[Self::Http11, Self::Tls, Self::H2c, Self::H2],
        }
    }

    /// Whether it uses TLS.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Tls | Self::H2)
    }

    fn version(self) -> HttpVersion {
        match self {
            Self::Http11 | Self::Tls => HttpVersion::V11,
            Self::H2c => HttpVersion::V2PriorKnowledge,
            Self::Upgrade => HttpVersion::V2,
            Self::H2 => HttpVersion::V2TLS,
        }
    }
}

/// A request. [`Request::get`] and similar functions make it, and the other methods change it.
#[derive(Clone, Debug, Default)]
pub struct Request {
    method: String,
    target: String,
    user: Option<(String, String)>,
    headers: Vec<String>,
    range: Option<String>,
    upload: Option<Vec<u8>>,
    chunked: bool,
}

impl Request {
    /// GET `target` (path and query).
    pub fn get(target: impl Into<String>) -> Self {
        Self { method: "GET".to_owned(), target: target.into(), ..Self::default() }
    }

    /// HEAD `target`.
    pub fn head(target: impl Into<String>) -> Self {
        Self { method: "HEAD".to_owned(), ..Self::get(target) }
    }

    /// `method` on `target`, with a body whose length is announced.
    pub fn upload(method: &str, target: impl Into<String>, body: Vec<u8>) -> Self {
        Self { method: method.to_owned(), upload: Some(body), ..Self::get(target) }
    }

    /// Sends the body in chunks (HTTP/1.1) or without announcing its length.
    pub fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    /// Authenticates (basic) as `name`, with the password that the tests' accounts have.
    pub fn user(self, name: &str) -> Self {
        let password = format!("{name}-pw");
        self.password(name, &password)
    }

    /// Authenticates (basic) with this password, right or wrong.
    pub fn password(mut self, name: &str, password: &str) -> Self {
        self.user = Some((name.to_owned(), password.to_owned()));
        self
    }

    /// Adds a header field.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push(format!("{name}: {value}"));
        self
    }

    /// Requests a part of the content: `0-99`, or several parts (`0-9,20-29`).
    pub fn range(mut self, range: &str) -> Self {
        self.range = Some(range.to_owned());
        self
    }
}

/// A client with a connection of its own, which it keeps between requests.
pub struct Client {
    wire: Wire,
    origin: String,
    authority: PathBuf,
    certificate: Option<PathBuf>,
    tls12: bool,
    from: Option<String>,
    handle: RefCell<Easy2<Exchange>>,
}

impl Client {
    pub(crate) fn new(wire: Wire, host: &str, port: u16, authority: PathBuf) -> Self {
        let scheme = if wire.is_tls() { "https" } else { "http" };
        let handle = RefCell::new(Easy2::new(Exchange::default()));
        Self {
            wire,
            origin: format!("{scheme}://{host}:{port}"),
            authority,
            certificate: None,
            tls12: false,
            from: None,
            handle,
        }
    }

    /// Connects from this address of the machine, such as 127.0.0.2.
    pub fn from_address(mut self, address: &str) -> Self {
        self.from = Some(address.to_owned());
        self
    }

    /// Presents this certificate. The file also holds the key.
    pub fn with_certificate(mut self, file: PathBuf) -> Self {
        self.certificate = Some(file);
        self
    }

    /// Speaks TLS 1.2 and closes each connection, so that the next one resumes the session.
    pub fn resuming_tls12(mut self) -> Self {
        self.tls12 = true;
        self
    }

    /// GET `target` without a user.
    #[track_caller]
    pub fn get(&self, target: &str) -> Response {
        self.send(&Request::get(target))
    }

    /// GET `target` as `user`.
    #[track_caller]
    pub fn get_as(&self, user: &str, target: &str) -> Response {
        self.send(&Request::get(target).user(user))
    }

    /// Sends a request and waits for the whole response; fails the test if there is none.
    #[track_caller]
    pub fn send(&self, request: &Request) -> Response {
        match self.try_send(request) {
            Ok(response) => response,
            Err(e) => panic!("{} {}{}: {e}", request.method, self.origin, request.target),
        }
    }

    /// Sends a request and waits for the whole response. The error is libcurl's: there was no connection, the
    /// response ended too early, or an HTTP/2 stream broke.
    pub fn try_send(&self, request: &Request) -> Result<Response, curl::Error> {
        let mut handle = self.handle.borrow_mut();
        handle.reset();
        *handle.get_mut() = Exchange::default();
        self.prepare(&mut handle, request)?;
        handle.perform()?;
        let local_port = handle.local_port()?;
        Ok(handle.get_mut().take_response(local_port))
    }

    /// Sends all requests at once, as streams of one HTTP/2 connection, and returns the responses in
    /// the order of the requests.
    #[track_caller]
    pub fn send_together(&self, requests: &[Request]) -> Vec<Response> {
        self.try_send_together(requests).unwrap_or_else(|e| panic!("{} streams: {e}", requests.len()))
    }

    fn try_send_together(&self, requests: &[Request]) -> Result<Vec<Response>, Box<dyn std::error::Error>> {
        let mut multi = Multi::new();
        multi.pipelining(false, true)?;
        multi.set_max_host_connections(1)?;
        let mut handles = Vec::with_capacity(requests.len());
        for request in requests {
            let mut easy = Easy2::new(Exchange::default());
            self.prepare(&mut easy, request)?;
            easy.pipewait(true)?;
            handles.push(multi.add2(easy)?);
        }
        run_to_end(&multi, &handles)?;
        handles.into_iter().map(|handle| Self::take(&multi, handle)).collect()
    }

    fn take(multi: &Multi, handle: Easy2Handle<Exchange>) -> Result<Response, Box<dyn std::error::Error>> {
        let mut easy = multi.remove2(handle)?;
        let local_port = easy.local_port()?;
        Ok(easy.get_mut().take_response(local_port))
    }

    fn prepare(&self, handle: &mut Easy2<Exchange>, request: &Request) -> Result<(), curl::Error> {
        handle.url(&format!("{}{}", self.origin, request.target))?;
        handle.path_as_is(true)?;
        handle.http_version(self.wire.version())?;
        handle.timeout(LIMIT)?;
        handle.proxy("")?;
        // libcurl before 8.0 cannot reuse these connections (https://github.com/curl/curl/issues/10634).
        handle.forbid_reuse(self.tls12 || matches!(self.wire, Wire::H2c | Wire::Upgrade))?;
        if self.wire.is_tls() {
            handle.cainfo(&self.authority)?;
            if let Some(file) = &self.certificate {
                handle.ssl_cert(file)?;
                handle.ssl_key(file)?;
            }
            if self.tls12 {
                handle.ssl_min_max_version(SslVersion::Tlsv12, SslVersion::Tlsv12)?;
            }
        }
        if let Some(address) = &self.from {
            handle.interface(address)?;
        }
        if let Some((name, password)) = &request.user {
            handle.http_auth(Auth::new().basic(true))?;
            handle.username(name)?;
            handle.password(password)?;
        }
        if let Some(range) = &request.range {
            handle.range(range)?;
        }
        handle.http_headers(Self::header_list(request)?)?;
        Self::prepare_method(handle, request)
    }

    fn header_list(request: &Request) -> Result<List, curl::Error> {
        let mut list = List::new();
        // Without this, libcurl waits a second for 100 Continue before a large body.
        list.append("Expect:")?;
        for header in &request.headers {
            list.append(header)?;
        }
        Ok(list)
    }

    fn prepare_method(handle: &mut Easy2<Exchange>, request: &Request) -> Result<(), curl::Error> {
        if request.method == "HEAD" {
            return handle.nobody(true);
        }
        if let Some(body) = &request.upload {
            handle.upload(true)?;
            if !request.chunked {
                handle.in_filesize(body.len() as u64)?;
            }
            handle.get_mut().upload = body.clone();
        }
        handle.custom_request(&request.method)
    }
}

/// Runs all transfers to their end. The first one that failed gives the error.
fn run_to_end(multi: &Multi, handles: &[Easy2Handle<Exchange>]) -> Result<(), Box<dyn std::error::Error>> {
    let mut failed = None;
    loop {
        let running = multi.perform()?;
        multi.messages(|message| {
            let result = handles.iter().find_map(|handle| message.result_for2(handle));
            if let Some(Err(e)) = result {
                failed = Some(e);
            }
        });
        match (running, failed.take()) {
            (_, Some(e)) => return Err(e.into()),
            (0, None) => return Ok(()),
            (_, None) => multi.wait(&mut [], Duration::from_millis(100))?,
        };
    }
}

/// The body of one request while it is sent, and its response while it arrives.
#[derive(Default)]
struct Exchange {
    upload: Vec<u8>,
    sent: usize,
    response: Response,
}

impl Exchange {
    fn take_response(&mut self, local_port: u16) -> Response {
        Response { local_port, ..std::mem::take(&mut self.response) }
    }
}

impl Handler for Exchange {
    fn write(&mut self, data: &[u8]) -> Result<usize, WriteError> {
        self.response.body.extend_from_slice(data);
        Ok(data.len())
    }

    fn read(&mut self, data: &mut [u8]) -> Result<usize, ReadError> {
        let rest = &self.upload[self.sent..];
        let length = rest.len().min(data.len());
        data[..length].copy_from_slice(&rest[..length]);
        self.sent += length;
        Ok(length)
    }

    fn seek(&mut self, whence: SeekFrom) -> SeekResult {
        match whence {
            SeekFrom::Start(offset) => {
                self.sent = usize::try_from(offset).unwrap_or(self.upload.len());
                SeekResult::Ok
            }
            _ => SeekResult::CantSeek,
        }
    }

    fn header(&mut self, data: &[u8]) -> bool {
        self.response.head_line(String::from_utf8_lossy(data).trim_end());
        true
    }
}
