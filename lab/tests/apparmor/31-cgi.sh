# shellcheck shell=bash
# A CGI program under mod_cgi is a child of the worker and starts in its profile.

cgi_server prefork cgi /lab/people.map

as alice
fetch /alice/cgi/show
is 'the program answers' "$code" 200
like 'it runs in the profile of the request' "$body" '^context=lab_alice \(enforce\)'
like 'and is told the context' "$body" '^confine=apparmor:lab_alice'
like "it reads alice's file" "$body" '^read /lab/www/alice/index.html=OK page of alice'
like "and not bob's" "$body" '^read /lab/www/bob/index.html=refused'
denial 'by the kernel' 'apparmor="DENIED" .*profile="lab_alice" name="/lab/www/bob/index.html" .*comm="show"'
fetch /alice/cgi/descriptors
# 10 is the shell's own, on the script, and 3 the listing itself.
is 'it gets no descriptor beside the usual three' "$body" $'/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/10 /proc/self/fd/2 /proc/self/fd/3\n'
as bob
status 'bob cannot start it' '(403|500)' /alice/cgi/show
denial 'by the kernel' 'apparmor="DENIED" .*profile="lab_bob" name="/lab/www/alice/cgi/show"'
