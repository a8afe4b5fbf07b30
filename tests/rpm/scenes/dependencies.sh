# shellcheck shell=bash
# shellcheck disable=SC2016,SC2046,SC2153,SC2154 # of stage.sh; what bash -c runs expands there; names without blanks
# What rpm asks for before it installs, and what the packages take the place of.
# shellcheck source=tests/rpm/words.sh
. "$REPO/tests/rpm/words.sh"


rpm --upgrade "$(packages stand-ins glibc)"
rpm --upgrade "$(packages old mod_confine)"
check "without an httpd of the right module API it is not installed" failed
check "the error names the API" says 'httpd-mmn = [0-9]+x[0-9]+ is needed by mod_confine'
check "and nothing else" bash -c '[ "$(grep -c "is needed by" <<<"$1")" = 1 ]' - "$said"

rpm --upgrade "$(packages stand-ins httpd)"
check "httpd is there" succeeded
rpm --upgrade "$(packages stand-ins mod_selinux)"
check "mod_selinux is there" succeeded
rpm --upgrade "$(packages old mod_confine)"
check "on a machine without SELinux's policy the module needs no policy" succeeded
rpm --query mod_selinux
check "mod_selinux is gone" failed
rpm --query --whatprovides mod_selinux
check "mod_confine stands in its place" says '^mod_confine-0'
rpm --erase mod_confine
check "removing succeeds" succeeded

rpm --upgrade "$(packages stand-ins selinux-policy-targeted)"
rpm --upgrade "$(packages old mod_confine)"
check "on a machine with SELinux's policy it wants its own" failed
check "and names it" says 'mod_confine-selinux = [^ ]+ if selinux-policy-targeted\) is needed'
rpm --upgrade $(packages old mod_confine mod_confine-selinux)
check "with it, it is installed" succeeded
rpm --query --requires mod_confine
check "it asks for no library that Fedora has not" bash -c '! grep "\.so" <<<"$1" | grep -vE "^(libc|libm|libgcc_s|ld-linux[-a-z0-9_]*)\.so"' - "$said"
rpm --query --provides mod_confine
check "it is no library for others" silent_about '\.so'
