//! A request that nobody sent, for `confinectl explain`. The server chooses its virtual host and merges the
//! sections that apply to it, as it does for any other request.
//!
//! This file does what the server does in `ap_read_request` (server/protocol.c) and, up to the
//! sections, in `ap_process_request_internal` (server/request.c). Of other modules, only the hooks in
//! [`TRANSLATORS`] run, because the server does not start its modules under `-t`.

use std::{
    ffi::{CStr, CString, c_int},
    mem::zeroed,
    net::{IpAddr, SocketAddr},
    ptr::null_mut,
};

use apache_sys as sys;
use confine::dump::Question;

use crate::httpd::{address, pool::Pool, request::Request, server::Server, status::Status};

/// The status of a request that goes on.
const OK: u16 = sys::HTTP_OK as u16;

/// Modules that map URLs to files and can do so without having been started.
const TRANSLATORS: [&CStr; 6] =
    [c"mod_alias.c", c"mod_userdir.c", c"mod_vhost_alias.c", c"mod_proxy.c", c"mod_wsgi.c", c"core.c"];

/// A request that was received but not processed.
pub struct SyntheticRequest<'p> {
    /// The request, with its virtual host.
    pub request: Request<'p>,
    /// The server's address and port that the request was sent to.
    pub to: String,
    /// The status, if the server responds without processing the request.
    pub status: Option<u16>,
}

/// An address of the server to which a client can have connected.
#[derive(Clone, Copy)]
struct Local {
    addr: *mut sys::apr_sockaddr_t,
}

/// Makes the request that `question` describes, in `pool`.
pub fn receive<'p>(
    main: &Server<'p>,
    pool: Pool<'p>,
    question: &Question,
) -> Result<SyntheticRequest<'p>, String> {
    if let Some(to) = question.to {
        let local = Local { addr: resolve(pool, to)? };
        return receive_at(main, pool, question, local);
    }
    let candidates = candidates(main, pool);
    if let Some(host) = &question.host {
        let host = CString::new(name_of(host)).map_err(|_| "--host holds a NUL byte")?;
        for local in &candidates {
            let request = receive_at(main, pool, question, *local)?;
            if request.is_for(&host) {
                return Ok(request);
            }
        }
    }
    let first = match listeners().next().map(|addr| Local { addr }).or(candidates.first().copied()) {
        Some(first) => first,
        None => Local { addr: resolve(pool, SocketAddr::from(([0, 0, 0, 0], 80)))? },
    };
    receive_at(main, pool, question, first)
}

/// The header Host without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

/// The addresses of `Listen`.
fn listeners() -> impl Iterator<Item = *mut sys::apr_sockaddr_t> {
    // SAFETY: the server's own list, which only the reading of a configuration changes; it ends with null.
    let first = unsafe { sys::ap_listeners.as_ref() };
    // SAFETY: as above.
    std::iter::successors(first, |l| unsafe { l.next.as_ref() }).map(|l| l.bind_addr).filter(|a| !a.is_null())
}

/// The addresses of all virtual hosts, in their order, and those of `Listen`.
fn candidates<'p>(main: &Server<'p>, pool: Pool<'p>) -> Vec<Local> {
    // SAFETY: a live address.
    let port_of = |addr: *mut sys::apr_sockaddr_t| unsafe { (*addr).port };
    let usual = listeners().next().map_or(80, port_of);
    let of_hosts = main.with_hosts().into_iter().flat_map(|server| {
        let records = server.address_records().filter(|record| !record.host_addr.is_null());
        records
            .map(|record| {
                // SAFETY: a live address, copied; what it points to lives as long as the configuration.
                let addr = pool.place(unsafe { std::ptr::read(record.host_addr) });
                addr.port = if record.host_port == 0 { usual } else { record.host_port };
                Local { addr }
            })
            .collect::<Vec<_>>()
    });
    of_hosts.chain(listeners().map(|addr| Local { addr })).collect()
}

/// An address in APR's form. No name is looked up.
fn resolve(pool: Pool<'_>, to: SocketAddr) -> Result<*mut sys::apr_sockaddr_t, String> {
    let text = pool.text(to.ip().to_string().as_bytes());
    let mut addr = null_mut();
    // SAFETY: a live pool, a C string with an address, a place for the answer.
    let status = unsafe {
        let family = libc::AF_UNSPEC as sys::apr_int32_t;
        sys::apr_sockaddr_info_get(&mut addr, text.as_ptr(), family, to.port(), 0, pool.as_ptr())
    };
    if status == 0 && !addr.is_null() {
        Ok(addr)
    } else {
        Err(format!("{}: the server takes it for no address (APR {status})", to.ip()))
    }
}

/// Receives the request at this address.
fn receive_at<'p>(
    main: &Server<'p>,
    pool: Pool<'p>,
    question: &Question,
    local: Local,
) -> Result<SyntheticRequest<'p>, String> {
    let client = question.addr.unwrap_or(IpAddr::from([0, 0, 0, 0]));
    let client_addr = resolve(pool, SocketAddr::new(client, 0))?;
    // SAFETY: a live address.
    let (local_ip, port) = unsafe { (address::ip_of(local.addr), (*local.addr).port) };
    let local_ip = local_ip.unwrap_or(IpAddr::from([0, 0, 0, 0]));
    let ip_text = |ip: IpAddr| pool.text(ip.to_string().as_bytes()).as_ptr().cast_mut();
    // SAFETY: a conn_rec of zeros is what the server begins with (server/core.c, core_create_conn); what the
    // functions below and expressions read of it is set here. All of it lives in `pool`.
    let connection = unsafe {
        let connection: &mut sys::conn_rec = pool.place(zeroed());
        connection.pool = pool.as_ptr();
        connection.base_server = main.as_ptr();
        connection.conn_config = sys::ap_create_conn_config(pool.as_ptr());
        connection.notes = sys::apr_table_make(pool.as_ptr(), 5);
        connection.bucket_alloc = sys::apr_bucket_alloc_create(pool.as_ptr());
        connection.cs = pool.place(zeroed::<sys::conn_state_t>());
        connection.log = &raw const (*main.as_ptr()).log;
        (connection.client_addr, connection.client_ip) = (client_addr, ip_text(client));
        (connection.local_addr, connection.local_ip) = (local.addr, ip_text(local_ip));
        sys::ap_update_vhost_given_ip(connection);
        connection
    };
    // SAFETY: a live connection.
    let mut request = unsafe { Request::from_raw(sys::ap_create_request(connection)) }.ok_or("no memory")?;
    let status = request.read_line_and_headers(pool, question);
    let status = u16::try_from(status).ok().filter(|status| *status != OK);
    Ok(SyntheticRequest { request, to: SocketAddr::new(local_ip, port).to_string(), status })
}

/// Core's entry of a configuration vector.
///
/// # Safety
/// `vector` is a live vector in which core's entry is a `T` (http_core.h).
pub(super) unsafe fn core_entry<T>(vector: *const sys::ap_conf_vector_t) -> *mut T {
    // SAFETY: the caller's promise; every vector has an entry of core.
    unsafe { *vector.cast::<*mut T>().offset(sys::core_module.module_index as isize) }
}

impl SyntheticRequest<'_> {
    /// Whether the virtual host has this name.
    fn is_for(&self, host: &CStr) -> bool {
        let r = self.request.as_ptr();
        // SAFETY: a live request with its server.
        unsafe { sys::ap_matches_request_vhost(r, host.as_ptr(), (*(*r).server).port) != 0 }
    }
}

impl<'r> Request<'r> {
    /// Sets what the server reads from the request line and the headers, and uses them to find the virtual host. The
    /// result is the status after that.
    fn read_line_and_headers(&mut self, pool: Pool<'r>, question: &Question) -> c_int {
        let text = |bytes: &[u8]| pool.text(bytes);
        let method = question.method.as_deref().unwrap_or("GET");
        let uri = question.uri.as_deref().unwrap_or(b"/");
        let line = [method.as_bytes(), b" ", uri, b" HTTP/1.1"].concat();
        let host = question.host.as_ref().map(|host| (text(b"Host"), text(host.as_bytes())));
        let headers = question.headers.iter().map(|header| {
            let colon = header.iter().position(|b| *b == b':').unwrap_or(header.len());
            let value = header.get(colon + 1..).unwrap_or_default();
            (text(&header[..colon]), text(value.trim_ascii()))
        });
        let r = self.as_ptr();
        // SAFETY: a live request that this thread alone uses; all strings live in its connection's pool.
        unsafe {
            (*r).method = text(method.as_bytes()).as_ptr();
            (*r).method_number = sys::ap_method_number_of((*r).method);
            (*r).the_request = text(&line).as_ptr().cast_mut();
            (*r).protocol = c"HTTP/1.1".as_ptr().cast_mut();
            (*r).proto_num = 1001;
            (*r).request_time = sys::apr_time_now();
            for (name, value) in host.into_iter().chain(headers) {
                sys::apr_table_setn((*r).headers_in, name.as_ptr(), value.as_ptr());
            }
            sys::ap_parse_uri(r, text(uri).as_ptr());
            let core = core_entry::<sys::core_server_config>((*(*r).server).module_config);
            let strict = (*core).strict_host_check as i32 == sys::AP_CORE_CONFIG_ON;
            let found = sys::ap_update_vhost_from_headers_ex(r, strict.into());
            (*r).per_dir_config = (*(*r).server).lookup_defaults;
            if strict { found } else { (*r).status }
        }
    }

    /// Merges the configuration that applies to this URL and to `path`. Without a `path`, the file is the one that
    /// the URL maps to. The result is the list of modules that could not be asked for this file. The error is the
    /// status that the server would respond with.
    pub fn find_configuration(&mut self, path: Option<&[u8]>) -> Result<Vec<String>, c_int> {
        self.clean_path()?;
        self.walk([sys::ap_location_walk, sys::ap_if_walk])?;
        let not_asked = match path {
            Some(path) => {
                let name = self.pool().text(path).as_ptr().cast_mut();
                let r = self.as_ptr();
                // SAFETY: a live request that this thread alone uses.
                unsafe { ((*r).filename, (*r).canonical_filename) = (name, name) };
                Vec::new()
            }
            None => self.translate()?,
        };
        let r = self.as_ptr();
        // SAFETY: as above. The sections of the URL come last, over those of the file.
        unsafe { (*r).per_dir_config = (*(*r).server).lookup_defaults };
        if self.is_proxied() {
            self.find_proxy_sections()?;
        } else if self.filename().is_some() {
            self.walk([sys::ap_directory_walk, sys::ap_file_walk])?;
        }
        self.walk([sys::ap_location_walk, sys::ap_if_walk])?;
        self.find_handler()?;
        Ok(not_asked)
    }

    /// Finds the sections that apply to a proxied request in place of directories: `<Proxy>`.
    fn find_proxy_sections(&mut self) -> Result<(), c_int> {
        match crate::httpd::hooks::run_map_to_storage_of(self, c"mod_proxy.c") {
            Status::OK | Status::DONE | Status::DECLINED => Ok(()),
            status => Err(status.as_raw()),
        }
    }

    /// Finds the handler. The name of the file gives one (`AddHandler`, `AddType`); mod_mime reads its list of types
    /// in post_config, which `-t` does not run. `SetHandler` replaces this handler (server/core.c,
    /// core_override_type, the only fixups hook of core). If there is none, the type of the content is used as the
    /// handler's name (server/config.c, ap_invoke_handler).
    fn find_handler(&mut self) -> Result<(), c_int> {
        const MIME: &CStr = c"mod_mime.c";
        if crate::httpd::hooks::run_post_config_of(&self.server(), self.pool(), MIME) == sys::OK {
            // Its answer is never an error.
            let _ = crate::httpd::hooks::run_type_checker_of(self, MIME);
        }
        match crate::httpd::hooks::run_fixups_of(self, c"core.c") {
            Status::OK | Status::DECLINED => {}
            status => return Err(status.as_raw()),
        }
        let r = self.as_ptr();
        // SAFETY: a live request that this thread alone uses; both are strings of it, or null.
        unsafe {
            if (*r).handler.is_null() {
                (*r).handler = (*r).content_type;
            }
        }
        Ok(())
    }

    fn walk(
        &mut self,
        walks: [unsafe extern "C" fn(*mut sys::request_rec) -> c_int; 2],
    ) -> Result<(), c_int> {
        walks.into_iter().try_for_each(|walk| {
            // SAFETY: one of the server's own walks, with a live request in their order.
            match unsafe { walk(self.as_ptr()) } {
                sys::OK => Ok(()),
                status => Err(status),
            }
        })
    }

    /// Normalizes and decodes the URL's path.
    fn clean_path(&mut self) -> Result<(), c_int> {
        let r = self.as_ptr();
        // SAFETY: a live request; its path is a string of its own, which these functions shorten in place, or
        // null. Core's entries are always there (http_core.h).
        unsafe {
            let path = (*r).parsed_uri.path;
            if path.is_null() {
                return Ok(());
            }
            let server = core_entry::<sys::core_server_config>((*(*r).server).module_config);
            let directory = core_entry::<sys::core_dir_config>((*r).per_dir_config);
            let mut flags = sys::AP_NORMALIZE_NOT_ABOVE_ROOT;
            if (*server).merge_slashes as i32 != sys::AP_CORE_CONFIG_OFF {
                flags |= sys::AP_NORMALIZE_MERGE_SLASHES;
            }
            if sys::ap_normalize_path(path, (flags | sys::AP_NORMALIZE_DECODE_UNRESERVED) as _) == 0 {
                return Err(400);
            }
            let status = if (*directory).allow_encoded_slashes() == 0 {
                sys::ap_unescape_url(path)
            } else {
                sys::ap_unescape_url_keep2f(path, (*directory).decode_encoded_slashes() as c_int)
            };
            if status == sys::OK { Ok(()) } else { Err(status) }
        }
    }

    /// Asks the modules of [`TRANSLATORS`] for the file.
    fn translate(&mut self) -> Result<Vec<String>, c_int> {
        let mut not_asked = Vec::new();
        for link in crate::httpd::hooks::translators() {
            // SAFETY: null or the registering module's name, a static string.
            let name = if link.szName.is_null() { c"?" } else { unsafe { CStr::from_ptr(link.szName) } };
            let Some(function) = link.pFunc else { continue };
            if !TRANSLATORS.contains(&name) {
                // Some modules have several hooks.
                let name = name.to_string_lossy().into_owned();
                if !not_asked.contains(&name) {
                    not_asked.push(name);
                }
                continue;
            }
            // SAFETY: a translate_name hook of a module that needs no start, called in that phase.
            match unsafe { function(self.as_ptr()) } {
                sys::DECLINED => {}
                sys::OK => return Ok(not_asked),
                status => return Err(status),
            }
        }
        Ok(not_asked)
    }
}
