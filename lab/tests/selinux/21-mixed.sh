# shellcheck shell=bash
# 500 requests of five tenants, 20 at a time, own and other's in turn: none is mixed up.

tenants_server

is '500 mixed requests, each answered as it should be' "$(perl /lab/mixed.pl 500 20 alice bob carol three four)" '500 '
forget
as alice
status 'and one more' 403 /bob/index.html
denial 'the refusals come from the kernel' 'scontext=alice\.process:s0 tcontext=bob\.readable'
