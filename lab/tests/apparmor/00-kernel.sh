# shellcheck shell=bash
# AppArmor is active, and it enforces the tests' own profiles.

like 'AppArmor is among the active security modules' "$(</sys/kernel/security/lsm)" '(^|,)apparmor(,|$)'
is 'it is enabled' "$(</sys/module/apparmor/parameters/enabled)" Y
like 'a profile from lab/policy/apparmor is loaded and enforces' \
    "$(</sys/kernel/security/apparmor/profiles)" '^lab_alice \(enforce\)$'
