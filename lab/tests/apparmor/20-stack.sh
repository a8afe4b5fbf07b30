# shellcheck shell=bash
# `stack NAME`: the server's profile stays, and the other is put on top of it.

server event lab_escape confine <<'CONF'
<Directory /lab/www>
    Require all granted
    ConfineContext "apparmor:stack lab_alice"
</Directory>
<LocationMatch ^/[a-z]+/escape$>
    SetHandler lab-escape
</LocationMatch>
CONF

serves 'her page' '^page of alice' /alice/index.html
logged 'the context says how' 'context="?apparmor:stack lab_alice'
fetch '/alice/escape?context'
like 'the thread is in both' "$body" '^context=apache2//&lab_alice \(enforce\)'
forget
status "bob's page is refused" 403 /bob/index.html
denial 'by the profile on top' 'apparmor="DENIED" .*profile="lab_alice" name="/lab/www/bob/index.html"'
is 'the server stays where it was' "$(server_context)" 'apache2 (enforce)'
