# shellcheck shell=bash
# confinectl doctor, in a guest: a profile in complain mode is found, and one that enforces is not blamed.

apparmor_parser --skip-cache --replace <<'P'
profile doctor_complains flags=(complain) {
}
profile doctor_enforces {
}
P
configure event confine <<'CONF'
ConfineBackend apparmor
CONF
said=$(/lab/bin/confinectl doctor --config "$work/httpd.conf")
is 'warnings alone are no error' $? 0
like 'a profile in complain mode is found' "$said" '^warning  apparmor: in complain mode.*: .*doctor_complains'
unlike 'one that enforces is not' "$said" 'doctor_enforces'
like 'the module is found' "$said" '^ok       httpd: confine_module is loaded'
said=$(setpriv --reuid=33 --regid=33 --clear-groups /lab/bin/confinectl doctor --config "$work/httpd.conf")
like 'without root it says what it did not see' "$said" '^not seen apparmor: its policy: '
apparmor_parser --remove <<'P'
profile doctor_complains {
}
profile doctor_enforces {
}
P
