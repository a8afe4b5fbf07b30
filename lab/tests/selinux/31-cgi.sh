# shellcheck shell=bash
# A CGI program under mod_cgi is a child of the worker: the policy gives it a domain.

cgi_server prefork cgi /lab/users.map

as alice
fetch /alice/cgi/show
is 'the program answers' "$code" 200
like 'it runs in its own domain' "$body" '^context=.*:alice\.program:s0'
like 'and is told the context of the request' "$body" '^confine=selinux:alice\.process:s0'
like "it reads alice's file" "$body" '^read /lab/www/alice/index.html=OK page of alice'
like "and not bob's" "$body" '^read /lab/www/bob/index.html=refused'
denial 'by the kernel' 'scontext=alice\.program:s0 tcontext=bob\.readable'
as bob
status 'bob cannot start it' '(403|500)' /alice/cgi/show
as alice
fetch /alice/cgi/descriptors
# 10 is the shell's own, on the script, and 3 the listing itself.
is 'the program gets no descriptor beside the usual three' "$body" $'/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/10 /proc/self/fd/2 /proc/self/fd/3\n'
