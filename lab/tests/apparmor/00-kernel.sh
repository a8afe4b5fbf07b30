# shellcheck shell=bash
# AppArmor is active, and it enforces the tests' own profiles; and what the backend is built around.

like 'AppArmor is among the active security modules' "$(</sys/kernel/security/lsm)" '(^|,)apparmor(,|$)'
is 'it is enabled' "$(</sys/module/apparmor/parameters/enabled)" Y
like 'a profile from lab/policy/apparmor is loaded and enforces' \
    "$(</sys/kernel/security/apparmor/profiles)" '^lab_alice \(enforce\)$'

# tell COMMAND: in a process of its own, which then prints its label
tell() {
    (
        printf %s "$1" 2>/dev/null >/proc/self/attr/apparmor/current || exit
        context_of self
    )
}
is 'a change to a profile that does not exist fails' "$(tell 'changeprofile lab_nobody')" ''
is 'each beginning of the word leads to unconfined' "$(tell 'changeprofile unc')" unconfined
is 'a single letter, too' "$(tell 'changeprofile u')" unconfined
is 'a change to a profile in unconfined mode confines nothing' \
    "$(tell 'changeprofile lab_unconfined')" 'lab_unconfined (unconfined)'
