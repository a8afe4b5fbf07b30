# shellcheck shell=bash
# ConfineEarly: the phases before the content run confined as well.

if ! grep -q ConfineEarly /lab/modules/mod_confine.so; then
    skip 'ConfineEarly' 'this module does not have it'
    return
fi
server event rewrite confine <<'CONF'
ConfineEarly alice.process:s0
<Directory /lab/www>
    AllowOverride All
    Require all granted
    ConfineContext alice.process:s0
</Directory>
CONF
serves 'her page' '^page of alice' /alice/index.html
forget
status "bob's .htaccess is not even read" 403 /bob/index.html
denial 'the kernel refused it before the content' 'scontext=alice\.process:s0 tcontext=bob\.readable'
