# shellcheck shell=bash
# The policy changes while the server runs: a profile goes and comes back, all are loaded anew, the
# server's own is put into complain mode.

load() { apparmor_parser --skip-cache --replace "$@" 2>&1; }
profile_mode() { # NAME
    matching "$(</sys/kernel/security/apparmor/profiles)" "^$1 \("
    line=${line##* (}
    echo "${line%)}"
}

server event lab_escape confine <<'CONF'
ConfineBackend apparmor
SetEnvIf X-Context "(.+)" TENANT=$1
<Directory /lab/www/dave>
    Require all granted
    ConfineEnv TENANT
    ConfineContext lab_removed
</Directory>
<Directory /lab/www/alice>
    Require all granted
    ConfineContext lab_first "stack lab_second"
</Directory>
<LocationMatch ^/[a-z]+/escape$>
    SetHandler lab-escape
</LocationMatch>
CONF
serves 'before' '^page of dave' /dave/index.html
serves 'two profiles, one on the other' '^page of alice' /alice/index.html
fetch '/alice/escape?context'
like 'the thread is in both' "$body" '^context=lab_first//&lab_second \(enforce\)'

printf lab_removed >/sys/kernel/security/apparmor/.remove
printf lab_second >/sys/kernel/security/apparmor/.remove
forget
status 'the profile is gone: nothing is served' 500 /dave/index.html
unlike 'nothing at all' "$body" 'page of'
logged 'the log says which and what to do' 'refused GET /dave/index.html .*no profile lab_removed is loaded \(ENOENT\); write'
status 'the second of two is gone, after the first succeeded: nothing is served' 500 /alice/index.html
unlike 'nothing at all' "$body" 'page of'
logged 'the log names it' 'refused GET /alice/index.html .*no profile lab_second is loaded \(ENOENT\)'
denial 'the move is on record, from the first' 'apparmor="DENIED" operation="(stack|change_profile)" .*profile="lab_first" name="&?lab_second"'

is 'all are loaded again' "$(load /etc/apparmor.d/lab)" ''
serves 'given back' '^page of dave' /dave/index.html
serves 'both' '^page of alice' /alice/index.html
status "and still no other's file" 403 /dave/index.html '' 'X-Context: lab_alice'
is "the server's own is loaded again" "$(load /etc/apparmor.d/apache2)" ''
serves 'and goes on' '^page of dave' /dave/index.html
is 'in it' "$(server_context)" 'apache2 (enforce)'

# In complain mode the kernel would make a profile that allows everything for a name it does not know.
load --Complain /etc/apparmor.d/apache2
is "the server's profile is in complain mode" "$(profile_mode apache2)" complain
for context in lab_absent lab_nobody 'stack lab_nobody'; do
    : >"$log"
    status "a profile that does not exist is refused all the same: $context" 500 /dave/index.html '' "X-Context: $context"
    logged 'with the reason' "refused GET /dave/index.html .*(lab_absent|lab_nobody)"
done
unlike 'nothing was served' "$body" 'page of'
serves 'one that exists confines' '^page of dave' /dave/index.html
status 'and refuses' 403 /dave/index.html '' 'X-Context: lab_alice'
stop
start
serves 'a server that starts in it serves' '^page of dave' /dave/index.html
logged 'and warns' "the server's own profile apache2 is in complain mode"
stop
load /etc/apparmor.d/apache2
is 'back to enforcing' "$(profile_mode apache2)" enforce
