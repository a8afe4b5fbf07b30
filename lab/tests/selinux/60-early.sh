# shellcheck shell=bash
# ConfineEarly: .htaccess, authentication and rewriting run confined as well.

server event rewrite confine <<'CONF'
ConfineEarly alice.process:s0
<Directory /lab/www>
    AllowOverride All
    Require all granted
</Directory>
CONF
printf 'RewriteEngine on\nRewriteRule ^rewritten$ data/note.txt\n' >/lab/www/alice/.htaccess
chmod 644 /lab/www/alice/.htaccess
restorecon /lab/www/alice/.htaccess
serves 'her page' '^page of alice' /alice/index.html
serves 'her .htaccess is read' '^kept by alice' /alice/rewritten
logged 'the early move is logged' 'confined early GET'
forget
status "bob's folder is refused" 403 /bob/index.html
denial 'before any .htaccess was read' 'denied  \{ search \}.*scontext=alice\.process:s0 tcontext=bob\.readable'

# A rewriting that asks for bob's file: the server would find it, alice's domain may not look.
printf 'RewriteEngine on\nRewriteCond /lab/www/bob/index.html -f\nRewriteRule ^rewritten$ index.html\n' >/lab/www/alice/.htaccess
forget
status 'a rewriting finds none of his files' 404 /alice/rewritten
denial 'as the kernel refuses the look' 'scontext=alice\.process:s0 tcontext=bob\.readable'
rm /lab/www/alice/.htaccess

# Authentication: a file of passwords that only bob's domain and the server may read.
cp /lab/users /lab/www/bob/data/users
authentication() { # DIRECTIVE
    server event confine < <(printf '%s\n' "$1" '<Directory /lab/www>' 'AuthType Basic' 'AuthName lab' \
        'AuthUserFile /lab/www/bob/data/users' 'Require valid-user' '</Directory>')
}
as alice
authentication 'ConfineContext alice.process:s0'
serves 'authentication by the server reads the passwords' '^page of alice' /alice/index.html
authentication 'ConfineEarly alice.process:s0'
status 'with ConfineEarly it may not' '(401|403|500)' /alice/index.html
unlike 'and nothing is served' "$body" 'page of'
denial 'by the kernel' 'scontext=alice\.process:s0 tcontext=bob\.(read|writ)able'
anonymous

# An authentication hook in Lua that wants bob's file.
hook_that_reads /lab/www/alice/check.lua /lab/www/bob/index.html
restorecon /lab/www/alice/check.lua
hook_server() { # DIRECTIVE
    server event lua confine < <(printf '%s\n' "$1" '<Directory /lab/www>' 'AuthType Lua' 'AuthName lab' \
        'Require valid-user' 'LuaHookCheckUserID /lab/www/alice/check.lua check early' \
        'ConfineContext unconfined' '</Directory>')
}
hook_server ''
serves 'without it, the page' '^page of alice' /alice/index.html
like 'and authentication in Lua reads outside' "$headers" '^X-Outside: page of bob'
hook_server 'ConfineEarly alice.process:s0'
forget
serves 'with it, the page' '^page of alice' /alice/index.html
like 'and authentication in Lua is refused' "$headers" '^X-Outside: .*Permission denied'
denial 'by the kernel' 'scontext=alice\.process:s0 tcontext=bob\.readable'
rm /lab/www/alice/check.lua

# A chain of domains: carol's, then one that hers bounds.
server event lab_escape confine <<'CONF'
ConfineEarly carol.process:s0
<Directory /lab/www>
    Require all granted
    ConfineContext inner.process:s0
</Directory>
<Location /carol/escape>
    SetHandler lab-escape
</Location>
CONF
serves 'two domains, one within the other: the page' '^page of carol' /carol/index.html
logged 'the early move' 'confined early GET /carol/index.html .*selinux:carol.process:s0'
forget
status 'what the inner one lacks is given up' 403 /carol/data/note.txt
denial 'by the kernel' 'scontext=inner\.process:s0 tcontext=carol\.writable'
fetch '/carol/escape?context&back=system_u:system_r:carol.process:s0&back=system_u:system_r:httpd_t:s0'
# Before Linux 6.8 this is read below /proc, which the inner domain may not; the denial named it.
[[ $(uname -r) == 6.1.* ]] || like 'the thread is in it' "$body" '^context=system_u:system_r:inner.process:s0$'
like 'not back to the first' "$body" '^back .*:carol.process:s0=(EACCES|EPERM) (EACCES|EPERM|ENOSYS)$'
like "nor to the server's" "$body" '^back .*:httpd_t:s0=(EACCES|EPERM) (EACCES|EPERM|ENOSYS)$'

# Two moves: first what all tenants may see, then what this one may.
printf 'three tenants.process:s0:c3\n' >"$work/three.map"
server event confine <<CONF
ConfineEarly tenants.process:s0:c3,c4
<Directory /lab/www>
    Include /lab/users.conf
    ConfineMap $work/three.map
</Directory>
CONF
as three
serves 'from several categories to one' '^page of three' /three/index.html
forget
status 'the other is given up' 403 /four/index.html
denial 'by the kernel' 'scontext=tenants\.process:s0:c3 tcontext=tenants\.readable:s0:c4'

# The early context again: there is nothing to move, and the request is confined. Before Linux 6.8 the thread asks
# below /proc where it is, as hers may (mod_confine.own_proc).
printf 'three tenants.process:s0:c3\n' >"$work/three.map"
server event lab_escape confine <<CONF
ConfineEarly tenants.process:s0:c3
SetEnvIf X-Context "(.+)" TENANT=\$1
<Directory /lab/www>
    Include /lab/users.conf
    ConfineEnv TENANT
    ConfineMap $work/three.map
</Directory>
<Location /three/escape>
    SetHandler lab-escape
    ConfineContext tenants.process:s0:c3
</Location>
CONF
as three
forget
serves 'a map that names the early context' '^page of three' /three/index.html
serves 'a value that names it' '^page of three' /three/index.html '' 'X-Context: tenants.process:s0:c3'
fetch /three/escape?context
like 'a constant; the thread is there' "$body" '^context=system_u:system_r:tenants.process:s0:c3$'
no_denial 'nothing was asked of the kernel'
status "and bob's page is refused" 403 /bob/index.html
denial 'by the kernel' 'scontext=tenants\.process:s0:c3 tcontext=bob\.readable'

# What is not written is the server's. Where the early move has changed that, it has to be written.
: >"$log"
status 'a value that leaves the domain out' 500 /three/index.html '' 'X-Context: *:s0:c1'
logged 'is refused before any move' "refused GET /three/index.html .*what it leaves out is the server's own, .*httpd_t:s0:c1.*write the whole context, as in system_u:system_r:tenants.process:s0:c1"
configure event confine <<'CONF'
ConfineEarly alice.process:s0
<Location />
    ConfineContext *:s0:c1
</Location>
CONF
refuses_to_start 'a rule that leaves it out' 'httpd.conf:[0-9]+: .*what it leaves out is the server.s own, .*as in system_u:system_r:alice.process:s0:c1'
configure event confine <<'CONF'
ConfineEarly alice.process:s0
<Location />
    ConfineContext bob.process:s0
</Location>
CONF
refuses_to_start 'a rule is tried from where it starts' 'alice.process may not move to .*bob.process:s0 \(EACCES\).*\(allow alice.process bob.process \(process \(dyntransition\)\)\)'
anonymous
