# shellcheck shell=bash
# Off at boot (apparmor=0): a rule that wants it stops the server.

configure event confine <<'CONF'
<Location />
    ConfineContext apparmor:lab_alice
</Location>
CONF
refuses_to_start 'a context' 'httpd.conf:[0-9]+: .*apparmor is not active in this kernel: .*boot with'
configure event confine <<'CONF'
ConfineBackend apparmor
<Location />
    ConfineExpr "%{REMOTE_USER}"
</Location>
CONF
refuses_to_start 'an expression' 'httpd.conf:[0-9]+: .*apparmor is not active in this kernel'
server event confine <<'CONF'
<ConfineLandlock page>
    LandlockABI 1
    LandlockRead /lab/www/alice
</ConfineLandlock>
<Directory /lab/www>
    Require all granted
    ConfineContext landlock:page
</Directory>
CONF
serves 'Landlock serves without it' '^page of alice' /alice/index.html
status 'and confines' 403 /bob/index.html
