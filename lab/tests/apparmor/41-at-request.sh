# shellcheck shell=bash
# A context that only the request knows cannot be checked at startup: the request pays.

server event confine <<'CONF'
ConfineBackend apparmor
SetEnvIf Request_URI "^/(.*)/index" TENANT=lab_$1
SetEnvIf X-Context "(.+)" TENANT=$1
<Directory /lab/www>
    Require all granted
    ConfineEnv TENANT
</Directory>
CONF

serves 'a good context confines' '^page of alice' /alice/index.html
refused() { # WHAT CONTEXT LOG
    forget
    status "refused: $1" 500 /alice/index.html '' "X-Context: $2"
    unlike 'and serves nothing' "$body" 'page of'
    logged 'for this reason' "refused GET /alice/index.html .*$3"
    look
    [[ -z $records ]] || echo "#   ${records%%$'\n'*}"
    : >"$log"
}
refused 'not permitted' lab_forbidden 'may not go to lab_forbidden \(EACCES\); add `change_profile -> lab_forbidden,` to the profile apache2'
refused 'a stack' 'stack lab_bob' 'a value is one word'
refused 'a hat' 'apache2//lab_hat' 'a value is one name'
refused 'absent' lab_absent 'no profile lab_absent is loaded \(ENOENT\); write'
refused 'absent and not permitted' lab_nobody 'no profile lab_nobody is loaded \(ENOENT\)'
refused 'two profiles' 'lab_alice//&lab_bob' '& joins profiles'
refused 'a stack in disguise' '&lab_alice' '& joins profiles'
refused 'another namespace' ':root:lab_alice' 'leads into another policy namespace'
refused 'a blank' 'lab_alice lab_bob' 'a value is one word'
refused 'a stack within a name' 'lab_alice stack lab_bob' 'a value is one word'
refused 'no profile at all' apparmor:unconfined 'confines nothing'
refused 'a beginning of that word' unc 'for unconfined where no profile is called so'
refused "the server's own" apache2 "the server's own profile"
refused 'a hat without a name' 'apache2//' 'has no name'
status "a profile that is not the file's owner's" 403 /alice/index.html '' 'X-Context: lab_bob'
serves 'what was refused leaves nothing behind' '^page of alice' /alice/index.html
