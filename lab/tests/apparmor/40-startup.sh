# shellcheck shell=bash
# What cannot work is found at startup, all of it at once, with file, line and the line of policy
# that lacks.

printf 'alice apparmor:lab_alice\nbob apparmor:lab_forbidden\n' >"$work/bad.map"
configure event confine <<CONF
ConfineBackend apparmor
<Directory /lab/www>
    Require all granted
</Directory>
<Location /1>
    ConfineContext lab_forbidden
</Location>
<Location /2>
    ConfineContext lab_absent
</Location>
<Location /3>
    ConfineContext apache2//nobody
</Location>
<Location /4>
    ConfineContext "stack lab_bob"
</Location>
<Location /5>
    ConfineContext lab_alice//&lab_bob
</Location>
<Location /6>
    ConfineContext apparmor:unconfined
</Location>
<Location /7>
    ConfineContext unc
</Location>
<Location /8>
    ConfineContext lab_unconfined
</Location>
<Location /9>
    ConfineContext apache2
</Location>
<Location /10>
    ConfineContext lab_alice lab_bob
</Location>
<Location /11>
    ConfineMap $work/bad.map
</Location>
<Location /12>
    ConfineContext lab_first "stack lab_bob"
</Location>
CONF

refuses_to_start 'a profile that the server may not go to' 'httpd.conf:[0-9]+: .*add `change_profile -> lab_forbidden,` to the profile apache2'
says() {
    like "$1" "$said" "$2"
    echo "#   ${line:0:500}"
}
says 'with the errno' 'lab_forbidden .*\(EACCES\)'
says 'a profile that is not loaded' 'httpd.conf:[0-9]+: .*no profile lab_absent is loaded'
says 'a hat that is not there' 'httpd.conf:[0-9]+: .*the profile apache2 with a hat \^nobody'
says 'a stack that is not allowed' 'httpd.conf:[0-9]+: .*add `change_profile -> &lab_bob,`'
says 'more than one profile' 'httpd.conf:[0-9]+: .*& joins profiles'
says 'the profile unconfined' 'httpd.conf:[0-9]+: .*unconfined confines nothing'
says 'a beginning of that word' 'httpd.conf:[0-9]+: .*the kernel takes unc, '
says 'a profile in unconfined mode' 'httpd.conf:[0-9]+: .*lab_unconfined is loaded in unconfined mode'
says "the server's own profile" "httpd.conf:[0-9]+: .*the server's own profile apache2"
says 'a second that takes the place of the first' 'httpd.conf:[0-9]+: .*lab_bob: it would take the place of apparmor:lab_alice'
says 'a map with such a line' 'bad.map:2: .*lab_forbidden'
says 'a stack from where the first led' 'lab_first may not go to stack lab_bob \(EACCES\); add `change_profile -> &lab_bob,` to the profile lab_first'

said=$(httpd -t)
like 'httpd -t says the same' "$said" 'httpd.conf:[0-9]+: .*add `change_profile -> lab_forbidden,` to the profile apache2'

configure event confine <<'CONF'
<ConfineLandlock tenant>
    LandlockABI 1
    LandlockRead /lab
</ConfineLandlock>
<Location />
    ConfineContext landlock:tenant apparmor:lab_alice
</Location>
CONF
refuses_to_start 'Landlock before AppArmor' 'write apparmor:lab_alice before landlock:tenant'
