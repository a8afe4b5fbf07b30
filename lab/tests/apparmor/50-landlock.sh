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

# The kernel takes 16 rulesets on one thread: the seventeenth fails after AppArmor moved the thread.
too_many=
for i in {1..17}; do too_many+=" landlock:layer$i"; done
stop
server event confine < <(
    for i in {1..17}; do
        printf '%s\n' "<ConfineLandlock layer$i>" 'LandlockABI 1' 'LandlockRead /' 'LandlockWrite /' '</ConfineLandlock>'
    done
    printf '%s\n' '<Directory /lab/www>' 'Require all granted' '</Directory>' \
        '<Location /alice>' "ConfineContext apparmor:lab_alice${too_many% *}" '</Location>' \
        '<Location /alice/data>' "ConfineContext apparmor:lab_alice$too_many" '</Location>'
)
serves 'sixteen rulesets: served' '^page of alice' /alice/index.html
status 'the seventeenth is refused after AppArmor moved the thread: an error' 500 /alice/data/note.txt
unlike 'nothing is served' "$body" 'kept by'
logged 'the log says why' 'refused GET /alice/data/note.txt .*context="apparmor:lab_alice landlock:layer1 .*E2BIG'
logged 'the rule before it was fine' 'confined GET /alice/index.html .*landlock:layer16"'
