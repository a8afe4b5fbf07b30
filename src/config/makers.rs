//! Modules whose handlers have content made in another process.
//!
//! Each of them is listed here, with what its handler looks at. [`crate::request`] decides what a request under a rule
//! meets there.

use std::ffi::{CStr, CString};

use crate::httpd::{config_tree, hooks, request::Request, server::Server};

/// A module whose handler has content made in another process.
#[derive(Debug)]
pub struct Maker {
    /// Its source file.
    module: &'static CStr,
    /// Who makes the content, in words for people.
    pub name: &'static str,
    /// Where it is made, in words for people.
    pub place: &'static str,
    /// What to do where that is refused.
    pub remedy: &'static str,
    takes: Takes,
}

/// What a maker's handler looks at.
#[derive(Debug)]
enum Takes {
    /// The handler's name is one of these.
    Handlers(&'static [&'static CStr]),
    /// mod_proxy: a `proxy:` handler, or `proxyreq` with a `proxy:` file name (modules/proxy/mod_proxy.c,
    /// proxy_handler).
    Proxy,
    /// The module decided in an earlier phase, and keeps something with each request that it takes.
    Marked,
}

const PROCESS: &str = "another process";

const CONFINE_IT: &str = "confine that process by its own means and say ConfineOutOfProcess allow";

/// Every module of the kind that is known. A module that is not loaded does no harm here.
static MAKERS: [Maker; 15] = [
    Maker {
        module: c"mod_cgid.c",
        name: "mod_cgid",
        place: PROCESS,
        remedy: "use mod_cgi instead of mod_cgid, or ConfineOutOfProcess allow",
        takes: Takes::Handlers(&[c"cgi-script", c"application/x-httpd-cgi"]),
    },
    Maker {
        module: c"mod_fcgid.c",
        name: "mod_fcgid",
        place: PROCESS,
        remedy: "use mod_cgi, or ConfineOutOfProcess allow",
        takes: Takes::Handlers(&[c"fcgid-script"]),
    },
    Maker {
        module: c"mod_proxy.c",
        name: "a backend behind mod_proxy",
        place: PROCESS,
        remedy: CONFINE_IT,
        takes: Takes::Proxy,
    },
    Maker {
        module: WSGI,
        name: "mod_wsgi, which may hand it to one of its daemons (WSGIDaemonProcess),",
        place: PROCESS,
        remedy: "run the application embedded, in a server without WSGIDaemonProcess, or ConfineOutOfProcess allow",
        takes: Takes::Handlers(&[c"wsgi-script", c"application/x-httpd-wsgi"]),
    },
    Maker {
        module: c"mod_jk.c",
        name: "a servlet container behind mod_jk",
        place: PROCESS,
        remedy: CONFINE_IT,
        takes: Takes::Handlers(&[c"jakarta-servlet"]),
    },
    Maker {
        module: c"mod_uwsgi.c",
        name: "a server behind mod_uwsgi",
        place: PROCESS,
        remedy: CONFINE_IT,
        takes: Takes::Handlers(&[c"uwsgi-handler"]),
    },
    Maker {
        module: c"mod_Ruwsgi.c",
        name: "a server behind mod_Ruwsgi",
        place: PROCESS,
        remedy: CONFINE_IT,
        takes: Takes::Handlers(&[c"uwsgi-handler"]),
    },
    Maker {
        module: c"mod_scgi.c",
        name: "a server behind mod_scgi",
        place: PROCESS,
        remedy: CONFINE_IT,
        takes: Takes::Handlers(&[c"scgi-handler"]),
    },
    Maker {
        module: c"mod_fastcgi.c",
        name: "mod_fastcgi",
        place: PROCESS,
        remedy: "use mod_cgi, or ConfineOutOfProcess allow",
        takes: Takes::Handlers(&[c"fastcgi-script"]),
    },
    // Its interpreters live in threads that the child makes, or for the child's first thread alone.
    Maker {
        module: c"mod_rivet.c",
        name: "mod_rivet",
        place: "a thread of its own",
        remedy: "serve its applications by a server of their own and say ConfineOutOfProcess allow",
        takes: Takes::Handlers(&[c"application/x-httpd-rivet", c"application/x-rivet-tcl"]),
    },
    Maker {
        module: c"mod_passenger.c",
        name: "an application of Phusion Passenger",
        place: PROCESS,
        remedy: CONFINE_IT,
        takes: Takes::Marked,
    },
    Maker {
        module: c"mod_passenger.cpp",
        name: "an application of Phusion Passenger",
        place: PROCESS,
        remedy: CONFINE_IT,
        takes: Takes::Marked,
    },
    Maker {
        module: c"mod_mono.c",
        name: "a server behind mod_mono",
        place: PROCESS,
        remedy: CONFINE_IT,
        takes: Takes::Handlers(&[c"mono"]),
    },
    Maker {
        module: c"mod_caucho.c",
        name: "a server behind mod_caucho",
        place: PROCESS,
        remedy: CONFINE_IT,
        takes: Takes::Handlers(&[c"caucho-request"]),
    },
    Maker {
        module: c"mod_lisp.c",
        name: "a server behind mod_lisp",
        place: PROCESS,
        remedy: CONFINE_IT,
        takes: Takes::Handlers(&[c"lisp-handler"]),
    },
];

const WSGI: &CStr = c"mod_wsgi.c";

/// A maker that is loaded, and the handlers' names that the configuration adds to its own.
pub struct LoadedMaker {
    /// Which one it is.
    pub maker: &'static Maker,
    more_names: Vec<CString>,
}

impl LoadedMaker {
    /// The maker with this source file. `None` for a module that makes content in the thread that asks for it.
    ///
    /// mod_wsgi is such a maker where daemons are configured. A variable of the request may decide at the last moment
    /// whether a daemon serves it, so all of mod_wsgi's requests count as the daemons'.
    pub fn of(main: &Server<'_>, module: &CStr) -> Option<Self> {
        let maker = MAKERS.iter().find(|maker| maker.module == module)?;
        let mut more_names = Vec::new();
        if maker.module == WSGI {
            if config_tree::lines(main, c"WSGIDaemonProcess").is_empty() {
                return None;
            }
            let scripts = config_tree::lines(main, c"WSGIHandlerScript");
            more_names.extend(scripts.into_iter().filter_map(|line| line.words.into_iter().next()));
        }
        Some(Self { maker, more_names })
    }

    /// Whether this maker's handler would take the request as it is now.
    pub fn takes(&self, r: &Request<'_>) -> bool {
        match self.maker.takes {
            Takes::Handlers(names) => r.handler().is_some_and(|handler| {
                names.contains(&handler) || self.more_names.iter().any(|name| **name == *handler)
            }),
            Takes::Proxy => {
                let begins = |text: Option<&CStr>| text.is_some_and(|t| t.to_bytes().starts_with(b"proxy:"));
                begins(r.handler()) || (r.is_proxied() && begins(r.filename()))
            }
            Takes::Marked => r.has_config_of(self.maker.module),
        }
    }

    /// Where it is made.
    pub fn place(&self) -> &'static str {
        self.maker.place
    }

    /// Who makes the content.
    pub fn name(&self) -> &'static str {
        self.maker.name
    }
}

/// The loaded modules that hand content to other processes, by their source files.
pub fn loaded(main: &Server<'_>) -> Vec<&'static CStr> {
    let mut makers: Vec<_> = MAKERS
        .iter()
        .map(|maker| maker.module)
        .filter(|module| hooks::module_loaded(module) && LoadedMaker::of(main, module).is_some())
        .collect();
    // mod_proxy hands requests to these, and their names say more than its own.
    const SCHEMES: [&CStr; 9] = [
        c"mod_proxy_fcgi.c",
        c"mod_proxy_http.c",
        c"mod_proxy_http2.c",
        c"mod_proxy_uwsgi.c",
        c"mod_proxy_scgi.c",
        c"mod_proxy_ajp.c",
        c"mod_proxy_ftp.c",
        c"mod_proxy_connect.c",
        c"mod_proxy_wstunnel.c",
    ];
    makers.extend(SCHEMES.into_iter().filter(|module| hooks::module_loaded(module)));
    makers
}
