# shellcheck shell=bash
# ConfineWorkers per-context: each tenant's worker serves that tenant again, and nobody else.

server event lab_escape confine <<'CONF'
ConfineGate handler
ConfineWorkers per-context idle=120
<Directory /lab/www>
    Include /lab/users.conf
    ConfineMap /lab/users.map
</Directory>
<LocationMatch ^/[a-z]+/escape$>
    SetHandler lab-escape
</LocationMatch>
CONF
S=system_u:system_r
kept_workers "back=$S:bob.process:s0&back=$S:httpd_t:s0&leader=$S:alice.process:s0"
like "not to another tenant's domain" "$tries" "^back $S:bob.process:s0=(EACCES|EPERM) (EACCES|EPERM|ENOSYS)$"
like "not back to the server's" "$tries" "^back $S:httpd_t:s0=(EACCES|EPERM) (EACCES|EPERM|ENOSYS)$"
like "not by another thread's file" "$tries" '^leader .*=(EACCES|EPERM)$'
denial 'the kernel refused his page' 'scontext=alice\.process:s0 tcontext=bob\.readable'
worker alice context
# Before Linux 6.8 this is read below /proc, which her domain may not.
[[ $(uname -r) == 6.1.* ]] || like 'her worker is where it was' "$body" "^context=$S:alice.process:s0$"
anonymous
