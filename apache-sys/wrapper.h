/* The headers that bindgen reads; what is taken from them is listed in build.rs. */
#include <httpd.h>
#include <http_config.h>
#include <http_connection.h>
#include <http_core.h>
#include <http_log.h>
#include <http_main.h>
#include <http_protocol.h>
#include <http_request.h>
#include <http_ssl.h>
#include <http_vhost.h>
#include <ap_expr.h>
#include <ap_listen.h>
#include <ap_mpm.h>
#include <ap_mmn.h>
#include <ap_provider.h>
#include <mpm_common.h>
#include <mod_auth.h>
#include <mod_status.h>
#include <mod_proxy.h>
/* mod_dbd.h needs apr_dbd.h before it. */
#include <apr_dbd.h>
#include <mod_dbd.h>
#include <apr_buckets.h>
#include <apr_dbm.h>
#include <apr_file_io.h>
#include <apr_hash.h>
#include <apr_hooks.h>
#include <apr_optional.h>
#include <apr_network_io.h>
#include <apr_optional_hooks.h>
#include <apr_pools.h>
#include <apr_portable.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include <apr_thread_proc.h>
#include <unixd.h>
#include <util_filter.h>

/* bindgen does not see through this macro's arithmetic. */
enum { CONFINE_APR_ENOTIMPL = APR_ENOTIMPL };
