# shellcheck shell=bash
# A tenant by category starts a CGI program: the categories hold for the program as they do for the worker.

server prefork cgi confine <<'CONF'
<Directory /lab/www>
    Include /lab/users.conf
    ConfineMap /lab/users.map
</Directory>
<Directory /lab/www/three/cgi>
    Options ExecCGI
    SetHandler cgi-script
</Directory>
CONF

as three
status "three's worker is refused four's page" 403 /four/index.html
fetch /three/cgi/show
like 'the program runs in its own domain, with the category' "$body" '^context=.*:tenants\.program:s0:c3'
like 'it reads the own file' "$body" '^read three=OK page of three'
like 'and writes' "$body" '^write three=OK'
like 'what it wrote carries the category' "$(stat -c %C /lab/www/three/data/by-program)" ':tenants\.writable:s0:c3$'
like "it is refused four's" "$body" '^read four=refused'
like 'and to write there' "$body" '^write four=refused'
[[ ! -e /lab/www/four/data/by-program ]] || fail 'nothing is left there' 'there is a file'
denial 'by the category' 'scontext=tenants\.program:s0:c3 tcontext=tenants\.(read|writ)able:s0:c4'
as four
status "four cannot start three's program" '(403|500)' /three/cgi/show
