# shellcheck shell=bash
# ConfineEarly: .htaccess, authentication and rewriting run confined as well; a later move adds to it.

server event rewrite lab_escape confine <<'CONF'
ConfineEarly "apparmor:stack lab_people"
<Directory /lab/www>
    AllowOverride All
    Require all granted
</Directory>
<LocationMatch ^/[a-z]+/escape$>
    SetHandler lab-escape
</LocationMatch>
CONF
printf 'RewriteEngine on\nRewriteRule ^rewritten$ data/note.txt\n' >/lab/www/alice/.htaccess
cp /lab/www/alice/.htaccess /lab/www/dave/.htaccess
chmod 644 /lab/www/{alice,dave}/.htaccess
serves 'her page' '^page of alice' /alice/index.html
serves 'her .htaccess is read' '^kept by alice' /alice/rewritten
logged 'the early move is logged' 'confined early GET'
forget
status "dave's folder is outside" 403 /dave/index.html
denial 'refused while .htaccess was to be read' 'apparmor="DENIED" .*profile="lab_people" name="/lab/www/dave/.htaccess"'
fetch '/alice/escape?context&back=changeprofile+lab_bob&back=stack+lab_carol&back=changeprofile+lab_alice&context'
like 'the thread is in both' "$body" '^context=apache2//&lab_people \(enforce\)'
like 'a change that one of them does not allow is refused' "$body" '^back changeprofile lab_bob=EACCES (EACCES|ENOSYS)'
like 'a stack that neither allows, too' "$body" '^back stack lab_carol=EACCES (EACCES|ENOSYS)'
like 'a change that each of them allows leaves both: so the module takes none' "$body" '^context=lab_alice \(enforce\)'
rm /lab/www/{alice,dave}/.htaccess

printf 'alice "apparmor:stack lab_alice"\n' >"$work/later.map"
server event lab_escape confine <<CONF
ConfineBackend apparmor
ConfineEarly "apparmor:stack lab_people"
SetEnvIf X-Context "(.+)" TENANT=\$1
<Directory /lab/www>
    Include /lab/users.conf
    ConfineEnv TENANT
    ConfineMap $work/later.map
</Directory>
<LocationMatch ^/[a-z]+/escape$>
    SetHandler lab-escape
</LocationMatch>
CONF
as alice
serves 'both moves, her page' '^page of alice' /alice/index.html
fetch '/alice/escape?context'
like 'the thread is in all three' "$body" '^context=apache2//&lab_alice//&lab_people \(enforce\)'
forget
status "bob's is given up" 403 /bob/index.html
denial 'by the later profile' 'apparmor="DENIED" .*profile="lab_alice" name="/lab/www/bob/index.html"'
status 'a value of the request that would leave the early profile is refused' 500 /alice/index.html '' 'X-Context: apparmor:lab_alice'
logged 'with what to write' 'apparmor:lab_alice: it would leave what ConfineEarly confined'
status 'a value makes no stack' 500 /alice/index.html '' 'X-Context: apparmor:stack lab_carol'
logged 'it is one word' 'a value is one word'

configure event confine <<'CONF'
ConfineEarly "apparmor:stack lab_people"
<Location />
    ConfineContext apparmor:lab_alice
</Location>
CONF
refuses_to_start 'a later context that leaves the early one' 'httpd.conf:[0-9]+: .*it would leave what ConfineEarly confined'
configure event confine <<'CONF'
ConfineEarly "apparmor:stack lab_people"
<Location />
    ConfineContext "apparmor:stack lab_carol"
</Location>
CONF
refuses_to_start 'a later stack is tried from where it starts' 'add `change_profile -> &lab_carol,` to each of the profiles apache2//&lab_people'

# An authentication hook in Lua and a rewrite map, which want a file outside.
hook_that_reads /lab/www/alice/check.lua /lab/www/dave/index.html
printf 'key of-the-outside\n' >/lab/www/dave/keys.txt
chmod 644 /lab/www/dave/keys.txt
hooks_server() { # [DIRECTIVE]
    server event rewrite lua headers confine <<CONF
$1
RewriteEngine on
RewriteMap keys txt:/lab/www/dave/keys.txt
RewriteRule ^/mapped\$ /alice/index.html [E=KEY:\${keys:key|nothing}]
Header always set X-Key "%{KEY}e" env=KEY
<Directory /lab/www>
    AuthType Lua
    AuthName lab
    Require valid-user
    LuaHookCheckUserID /lab/www/alice/check.lua check early
    ConfineContext unconfined
</Directory>
CONF
}
hooks_server ''
serves 'without ConfineEarly, the page' '^page of alice' /alice/index.html
like 'and authentication in Lua reads outside' "$headers" '^X-Outside: page of dave'
hooks_server 'ConfineEarly "apparmor:stack lab_people"'
forget
serves 'with it, the page' '^page of alice' /alice/index.html
like 'and authentication in Lua is refused' "$headers" '^X-Outside: .*Permission denied'
denial 'by the kernel' 'apparmor="DENIED" operation="open" .*profile="lab_people" name="/lab/www/dave/index.html"'
forget
fetch /mapped
unlike 'nor does a rewrite map read outside' "$headers" 'of-the-outside'
denial 'by the kernel' 'apparmor="DENIED" .*profile="lab_people" name="/lab/www/dave/keys.txt"'
hooks_server ''
fetch /mapped
like 'which it does without' "$headers" '^X-Key: of-the-outside'
rm /lab/www/alice/check.lua /lab/www/dave/keys.txt
