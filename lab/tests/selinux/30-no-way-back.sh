# shellcheck shell=bash
# The application itself tries to get away: by its own attr, another thread's, a new
# thread, a new process.

tenants_server
S=system_u:system_r
mine=/lab/www/alice/index.html other=/lab/www/bob/index.html

as alice
fetch "/alice/escape?back=$S:httpd_t:s0&back=$S:bob.process:s0&leader=$S:alice.process:s0&read=$mine&read=$other&thread=$mine&thread=$other&fork=$mine&fork=$other&read=/etc/shadow&context"
refused='=(EACCES|EPERM) (EACCES|EPERM|ENOSYS)$'
like "not back to the server's domain" "$body" "^back $S:httpd_t:s0$refused"
like "nor on to another tenant's domain" "$body" "^back $S:bob.process:s0$refused"
like "another thread's attr cannot be written" "$body" '^leader .*=(EACCES|EPERM)$'
like 'a new thread is as confined' "$body" "^thread $other=EACCES$"
like 'and as free' "$body" "^thread $mine=OK$"
like 'a new process is as confined' "$body" "^fork $other=EACCES$"
like 'and as free' "$body" "^fork $mine=OK$"
like 'after all that, her file is open, his is not' "$body" "^read $other=EACCES$"
# Before Linux 6.8 they end at the files below /proc.
denial 'the attempts are on record' 'denied  \{ (dyntransition|setcurrent|search) \}.*scontext=alice\.process'
look
echo "$records" | sed 's/^/#   /' | head -n 8

as three
forget
fetch "/three/escape?back=$S:httpd_t:s0&back=$S:tenants.process:s0:c4&read=/lab/www/three/index.html&read=/lab/www/four/index.html"
like 'a tenant by category gets no other category' "$body" "^back $S:tenants.process:s0:c4$refused"
like 'nor the server back' "$body" "^back $S:httpd_t:s0$refused"
like 'its file is open' "$body" '^read /lab/www/three/index.html=OK'
like "the other's is not" "$body" '^read /lab/www/four/index.html=EACCES'
