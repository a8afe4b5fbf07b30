# shellcheck shell=bash
# AppArmor and Landlock on one rule: each refuses what it refuses.

server event lab_escape confine <<'CONF'
<ConfineLandlock page>
    LandlockABI 1
    LandlockRead /lab/www/alice/index.html /lab/www/bob
</ConfineLandlock>
<Directory /lab/www>
    Require all granted
    ConfineContext apparmor:lab_alice landlock:page
</Directory>
<LocationMatch ^/[a-z]+/escape$>
    SetHandler lab-escape
</LocationMatch>
CONF

serves 'what both grant' '^page of alice' /alice/index.html
no_denial 'is granted'
status 'what Landlock refuses and AppArmor grants' 403 /alice/data/note.txt
no_denial 'AppArmor has nothing against it' 'note.txt'
status 'what AppArmor refuses and Landlock grants' 403 /bob/index.html
denial 'is on its record' 'apparmor="DENIED" .*profile="lab_alice" name="/lab/www/bob/index.html"'
fetch '/alice/escape?context'
like 'the thread is in the profile' "$body" '^context=lab_alice \(enforce\)|^context=EACCES'
logged 'both are logged' 'context="?apparmor:lab_alice landlock:page'

# Under no_new_privs, which Landlock sets, the kernel lets a thread only be confined further.
server event confine <<'CONF'
<ConfineLandlock all>
    LandlockABI 1
    LandlockRead /lab /var/log /etc
    LandlockWrite /proc /var/log
</ConfineLandlock>
ConfineBackend apparmor
ConfineEarly landlock:all
SetEnvIf X-Context "(.+)" TENANT=$1
<Directory /lab/www>
    Require all granted
    ConfineEnv TENANT
    ConfineContext "apparmor:stack lab_alice"
</Directory>
CONF
serves 'a stack works behind Landlock' '^page of alice' /alice/index.html
forget
status 'and confines' 403 /bob/index.html
denial 'by the kernel' 'apparmor="DENIED" .*profile="lab_alice" name="/lab/www/bob/index.html"'
status 'a change is refused' 500 /alice/index.html '' 'X-Context: apparmor:lab_alice'
logged 'and the log says what to write' 'refused GET /alice/index.html .*write "?\\?"stack lab_alice'

seventeenth_ruleset AppArmor apparmor:lab_alice
