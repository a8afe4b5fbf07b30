# shellcheck shell=bash
# Tenants in the server's own domain, without httpd: the same type, categories that bind.

mcs_policy

S=system_u:system_r
as_www() { setpriv --reuid=33 --regid=33 --clear-groups /lab/bin/thread-move "$@" 2>&1; }

got=$(as_www -b "$S:httpd_t:s0-s0:c0.c1023" "$S:httpd_t:s0:c1" /lab/www/one/index.html /lab/www/two/index.html)
like 'the server starts with all categories' "$got" '^before=.*:httpd_t:s0-s0:c0\.c1023$'
case $(uname -r) in # where there is the system call, as the thread may not look into /proc/PID
    6.1.*) ;;
    *) like 'a thread drops all but one' "$got" '^thread=.*:httpd_t:s0:c1$' ;;
esac
like "it reads its own category's file" "$got" '^read /lab/www/one/index.html=OK$'
like "another category's file is refused" "$got" '^read /lab/www/two/index.html=EACCES$'
like 'the categories do not come back' "$got" '^back=EACCES$'
denial 'the refusal is on record' 'httpd_t:s0:c1 tcontext=mod_confine_mcs.readable:s0:c2'
