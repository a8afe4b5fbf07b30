# shellcheck shell=bash
# ConfineEarly: .htaccess, authentication in Lua and a rewrite map run confined as well; without it
# they do not. A rule may then go further down the chain.

mkdir -p /srv/www/early/in /srv/www/early/out
echo 'a page' >/srv/www/early/in/index.html
echo 'a page' >/srv/www/early/out/index.html
echo 'key of-the-outside' >/srv/www/early/outside.txt
chmod 644 /srv/www/early/outside.txt
printf 'ErrorDocument 403 "from .htaccess"\n' >/srv/www/early/out/.htaccess
hook_that_reads /srv/www/early/check.lua /srv/www/early/outside.txt
policy <<P
$httpd_domain
task manual_domain_transition $httpd_domain //early

$httpd_domain //early
use_profile 3
use_group 9
file read /srv/www/early/in/\\*
file read /srv/www/early/check.lua
task manual_domain_transition $httpd_domain //early //app

$httpd_domain //early //app
use_profile 3
use_group 9
file read /srv/www/early/in/index.html
P
printf 'acl_group 9 file getattr @ANY\npath_group ANY \\*\npath_group ANY /\npath_group ANY /\\*\npath_group ANY /\\{\\*\\}/\npath_group ANY /\\{\\*\\}/\\*\nacl_group 9 file read /\\{\\*\\}/\nacl_group 9 file read /etc/\\*\nacl_group 9 file read /usr/\\{\\*\\}/\\*\n' | tomoyo-loadpolicy -e

early_server() { # [DIRECTIVE]
    server event rewrite lua headers confine <<CONF
ConfineBackend tomoyo
$1
DocumentRoot /srv/www/early
RewriteEngine on
RewriteMap keys txt:/srv/www/early/outside.txt
RewriteRule ^/mapped\$ /in/index.html?\${keys:key|nothing} [E=KEY:\${keys:key|nothing}]
Header always set X-Key "%{KEY}e" env=KEY
<Directory /srv/www/early>
    AllowOverride All
    AuthType Lua
    AuthName lab
    Require valid-user
    LuaHookCheckUserID /srv/www/early/check.lua check early
    $2
</Directory>
CONF
}

early_server ''  'ConfineContext unconfined'
fetch /in/index.html
like 'without it, authentication in Lua reads outside' "$headers" '^X-Outside: key of-the-outside'
fetch /out/index.html
is 'a .htaccess outside is read' "$code" 200

early_server 'ConfineEarly //early' 'ConfineContext unconfined'
serves 'with it, the page is served' '^a page' /in/index.html
like 'and authentication in Lua is refused' "$headers" '^X-Outside: .*(Operation not permitted|Permission denied)'
logged 'the early move is logged' 'confined early GET /in/index.html.*context=tomoyo://early'
forget_refusals
status 'a .htaccess outside cannot be read' '(403|500)' /out/index.html
refused 'by the kernel' "^enforcing $httpd_domain //early: file read /srv/www/early/out/.htaccess"
fetch /mapped
refused 'nor a rewrite map' "^enforcing $httpd_domain //early: file read /srv/www/early/outside.txt"

early_server 'ConfineEarly //early' 'ConfineContext "//early //app"'
serves 'a rule goes further down' '^a page' /in/index.html
logged 'as a second move' 'confined GET /in/index.html.*context="tomoyo://early //app"'

configure event confine <<'CONF'
ConfineBackend tomoyo
ConfineEarly //early
<Location />
    ConfineContext //elsewhere
</Location>
CONF
policy <<P
$httpd_domain //elsewhere
use_profile 3
P
refuses_to_start 'and never elsewhere' "//elsewhere does not lie below $httpd_domain //early, where ConfineEarly confined"
