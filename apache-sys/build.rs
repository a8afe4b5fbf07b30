//! Generates the bindings from the installed headers, whose place `apxs` knows.
//!
//! Environment: `APXS` names the `apxs` to ask (default: `apxs2`, then `apxs`, also in the `sbin`
//! folders that a user's PATH lacks).

use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The only API series there is of httpd 2.4.
const MMN_MAJOR: u32 = 20120211;
/// First minor with the hook `child_stopping` (httpd 2.4.49).
const MMN_MINOR: u32 = 110;

const FUNCTIONS: &[&str] = &[
    "ap_(hook|run)_(quick_handler|handler)",
    "ap_hook_(check_authn|check_authz|pre_config|post_perdir_config|check_config|post_config|drop_privileges|child_init|child_status|child_stopping|mpm_register_timed_callback|test_config|log_transaction|protocol_switch|insert_filter|error_log)",
    "ap_(new_log_config|set_module_loglevel)",
    "ap_hook_get_(handler|quick_handler|translate_name|map_to_storage|type_checker|fixups|post_config|log_transaction)",
    "ap_add_module",
    "ap_invoke_handler",
    "ap_process_request_internal",
    "ap_finalize_(request|sub_req)_protocol",
    "ap_find_(linked_module|command_in_modules)",
    "ap_allow_options",
    "ap_get_request_module_loglevel",
    "ap_getword_conf",
    "ap_walk_config",
    "ap_create_(per_dir|request|conn)_config",
    "ap_create_request",
    "ap_(location|directory|file|if)_walk",
    "ap_update_vhost_(given_ip|from_headers_ex)",
    "ap_matches_request_vhost",
    "ap_(parse_uri|normalize_path|unescape_url|unescape_url_keep2f|method_number_of)",
    "ap_exists_config_define",
    "ap_merge_per_dir_configs",
    "ap_expr_parse_cmd_mi",
    "ap_hook_expr_lookup",
    "ap_expr_str_exec",
    "ap_log_(rerror|error)_",
    "ap_mpm_query",
    "ap_(server_root|runtime_dir)_relative",
    "ap_(set_)?(document_root|context_info|context_prefix|context_document_root)",
    "ap_set_config_vectors",
    "ap_(auth_type|auth_name|pbase64decode|register_provider|lookup_provider|list_provider_names)",
    "ap_ssl_var_lookup",
    "ap_state_query",
    "ap_register_(in|out)put_filter",
    "ap_add_(in|out)put_filter_handle",
    "ap_(get|pass)_brigade",
    "ap_bucket_error_create",
    "apr_brigade_create",
    "apr_dbm_get_usednames_ex",
    "ap_rwrite",
    "ap_get_server_description",
    "ap_show_mpm",
    "ap_set_content_type",
    "apr_dbd_(pselect|prepare|get_row|get_entry|error|check_conn)",
    "apr_dso_sym",
    "apr_dynamic_fn_retrieve",
    "apr_hash_(get|set)",
    "apr_optional_hook_add",
    "apr_(palloc|pstrmemdup|strerror)",
    "apr_proc_other_child_(register|unregister)",
    "apr_os_file_get",
    "apr_pool_(allocator_get|clear|create_ex|create_unmanaged_ex|parent_get|pre_cleanup_register|cleanup_(register|kill|null)|destroy|userdata_get|userdata_setn)",
    "apr_bucket_alloc_create",
    "apr_sockaddr_info_get",
    "apr_table_(addn|clear|copy|elts|get|make|setn|unset)",
    "apr_time_now",
    "apr_os_thread_(current|put)",
    "apr_thread_pool_get",
    "apr_allocator_max_free_set",
    "apr_pool_abort_set",
];

const TYPES: &[&str] = &[
    "ap_dbd_t",
    "ap_list_provider_names_t",
    "auth(n|z)_provider",
    "apr_bucket",
    "apr_bucket_brigade",
    "apr_array_header_t",
    "apr_pool_t",
    "apr_sockaddr_t",
    "apr_status_t",
    "apr_table_entry_t",
    "apr_thread_t",
    "ap_LINK_(handler|quick_handler|translate_name|map_to_storage|type_checker|fixups|post_config|log_transaction)_t",
    "ap_conf_vector_t",
    "ap_directive_t",
    "ap_errorlog_info",
    "ap_expr_info_t",
    "ap_expr_lookup_parms",
    "cmd_parms",
    "cmd_how",
    "command_rec",
    "conn_rec",
    "conn_state_t",
    "core_(dir|server)_config",
    "module",
    "mpm_child_status",
    "process_rec",
    "proxy_worker",
    "proxy_HOOK_scheme_handler_t",
    "request_rec",
    "server_rec",
];

const VARIABLES: &[&str] = &[
    "(OR_(ALL|AUTHCFG|UNSET)|ACCESS_CONF|RSRC_CONF|EXEC_ON_READ|NOT_IN_FILES|GLOBAL_ONLY|NOT_IN_HTACCESS)",
    "AP_AUTH_INTERNAL_PER_CONF",
    "AP_EXPR_(FLAG_.*|FUNC_STRING)",
    "AUTH(N|Z)_PROVIDER_(GROUP|VERSION)",
    "AP_FILTER_ERROR",
    "AP_FTYPE_(RESOURCE|PROTOCOL)",
    "OR_FILEINFO",
    "AP_(CORE_CONFIG_(ON|OFF)|NORMALIZE_.*)",
    "AP_MPMQ_(IS_THREADED|NAME|MPM_STATE)",
    "AP_SQ_.*",
    "AP_STATUS_SHORT",
    "ap_conftree",
    "ap_top_module",
    "ap_(listeners|unixd_config)",
    "ap_server_conf",
    "ap_top_module",
    "ap_thread_stacksize",
    "APLOG_(EMERG|ALERT|CRIT|ERR|WARNING|NOTICE|INFO|DEBUG|TRACE[1-8]|STARTUP|NOERRNO)",
    "APR_HASH_KEY_STRING",
    "APR_HOOK_.*",
    "APR_OC_REASON_DEATH",
    "APR_FPROT_UEXECUTE",
    "(OK|DECLINED|DONE|SUSPENDED)",
    "HTTP_(OK|FORBIDDEN|UNAUTHORIZED|INTERNAL_SERVER_ERROR|SERVICE_UNAVAILABLE)",
    "CONFINE_APR_.*",
    "ENABLE_MMAP_.*",
    "MODULE_MAGIC_(COOKIE|NUMBER_MAJOR|NUMBER_MINOR)",
    "OPT_INC_WITH_EXEC",
    "core_module",
];

fn main() {
    println!("cargo:rerun-if-changed=wrapper.h");
    println!("cargo:rerun-if-env-changed=APXS");
    if let Err(problem) = generate() {
        eprintln!("\napache-sys: {problem}\n");
        std::process::exit(1);
    }
}

/// What stands between this machine and the bindings.
enum Problem {
    NoApxs(String),
    Query { apxs: String, what: String },
    Header { file: PathBuf, why: String },
    WrongSeries { major: u32 },
    TooOld { minor: u32 },
    NoThreads,
    Bindgen(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoApxs(tried) => write!(
                f,
                "no apxs found (tried {tried}); install httpd's headers: apache2-dev on Debian, \
                 httpd-devel on Fedora, or set APXS to its path"
            ),
            Self::Query { apxs, what } => {
                write!(f, "{apxs} -q {what} gave no answer; is its httpd complete?")
            }
            Self::Header { file, why } => write!(f, "{}: {why}; reinstall apache2-dev", file.display()),
            Self::WrongSeries { major } => write!(
                f,
                "these headers are of module API {major}, this module serves {MMN_MAJOR} (httpd 2.4) only"
            ),
            Self::TooOld { minor } => write!(
                f,
                "these headers are of module API {MMN_MAJOR}:{minor}, but the hook child_stopping came with \
                 {MMN_MAJOR}:{MMN_MINOR}; install httpd 2.4.49 or newer"
            ),
            Self::NoThreads => {
                write!(f, "this APR was built without threads (APR_HAS_THREADS 0), which the module needs")
            }
            Self::Bindgen(why) => {
                write!(f, "bindgen: {why}; it needs libclang: libclang-dev on Debian, clang-devel on Fedora")
            }
        }
    }
}

fn generate() -> Result<(), Problem> {
    let apxs = find_apxs()?;
    let include = PathBuf::from(query(&apxs, "INCLUDEDIR")?);
    let mut flags: Vec<String> = Vec::new();
    for what in ["EXTRA_CPPFLAGS", "EXTRA_INCLUDES"] {
        flags.extend(query(&apxs, what)?.split_whitespace().filter(|w| *w != "-I.").map(str::to_owned));
    }
    check_series(&include)?;
    check_threads(&flags)?;

    println!("cargo:rerun-if-changed={}", include.join("ap_release.h").display());
    let libexec = query(&apxs, "LIBEXECDIR")?;
    println!("cargo:libexecdir={libexec}");

    let mut builder = bindgen::Builder::default()
        .header("wrapper.h")
        .clang_args(&flags)
        .default_macro_constant_type(bindgen::MacroTypeVariation::Signed)
        .generate_comments(false)
        .derive_default(false)
        .derive_debug(false)
        .layout_tests(false)
        .merge_extern_blocks(true)
        .prepend_enum_name(false)
        .rust_edition(bindgen::RustEdition::Edition2024)
        .wrap_unsafe_ops(true);
    for f in FUNCTIONS {
        builder = builder.allowlist_function(f);
    }
    for t in TYPES {
        builder = builder.allowlist_type(t);
    }
    for v in VARIABLES {
        builder = builder.allowlist_var(v);
    }
    let bindings = builder.generate().map_err(|e| Problem::Bindgen(e.to_string()))?;
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("bindings.rs");
    bindings.write_to_file(&out).map_err(|e| Problem::Bindgen(e.to_string()))
}

fn find_apxs() -> Result<String, Problem> {
    let candidates = match env::var("APXS") {
        Ok(named) => vec![named],
        Err(_) => {
            ["apxs2", "apxs", "/usr/bin/apxs2", "/usr/bin/apxs", "/usr/sbin/apxs"].map(String::from).to_vec()
        }
    };
    candidates
        .iter()
        .find(|c| Command::new(c).args(["-q", "INCLUDEDIR"]).output().is_ok_and(|o| o.status.success()))
        .cloned()
        .ok_or_else(|| Problem::NoApxs(candidates.join(", ")))
}

/// One of `apxs`'s values, trimmed.
fn query(apxs: &str, what: &str) -> Result<String, Problem> {
    let none = || Problem::Query { apxs: apxs.to_owned(), what: what.to_owned() };
    let out = Command::new(apxs).args(["-q", what]).output().map_err(|_| none())?;
    let text = String::from_utf8_lossy(&out.stdout).trim().to_owned();
    if out.status.success() { Ok(text) } else { Err(none()) }
}

/// Refuses headers of another API series, or older than the functions used.
fn check_series(include: &Path) -> Result<(), Problem> {
    let file = include.join("ap_mmn.h");
    let text = read(&file)?;
    let number = |name: &str| {
        define(&text, name)
            .and_then(|v| v.parse::<u32>().ok())
            .ok_or_else(|| Problem::Header { file: file.clone(), why: format!("it does not define {name}") })
    };
    let (major, minor) = (number("MODULE_MAGIC_NUMBER_MAJOR")?, number("MODULE_MAGIC_NUMBER_MINOR")?);
    if major != MMN_MAJOR {
        return Err(Problem::WrongSeries { major });
    }
    if minor < MMN_MINOR {
        return Err(Problem::TooOld { minor });
    }
    Ok(())
}

/// Refuses an APR without threads.
fn check_threads(flags: &[String]) -> Result<(), Problem> {
    let apr = flags.iter().filter_map(|f| f.strip_prefix("-I")).map(|d| Path::new(d).join("apr.h"));
    let Some(file) = apr.clone().find(|p| p.exists()) else {
        return Err(Problem::Header {
            file: "apr.h".into(),
            why: "not found in apxs's include folders (libapr1-dev on Debian, apr-devel on Fedora)".into(),
        });
    };
    match define(&read(&file)?, "APR_HAS_THREADS") {
        Some("1") => Ok(()),
        _ => Err(Problem::NoThreads),
    }
}

fn read(file: &Path) -> Result<String, Problem> {
    fs::read_to_string(file).map_err(|e| Problem::Header { file: file.to_owned(), why: e.to_string() })
}

/// The value in the last `#define NAME VALUE` of a header.
fn define<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().rev().find_map(|l| {
        let mut words = l.strip_prefix('#')?.split_whitespace();
        (words.next()? == "define" && words.next()? == name).then(|| words.next())?
    })
}
