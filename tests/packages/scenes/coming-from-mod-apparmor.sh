# shellcheck shell=bash
# shellcheck disable=SC2016,SC2153,SC2154 # $status and $said are of stage.sh; what bash -c runs expands there
# Purging libapache2-mod-apparmor deletes the server's profile; README.Debian says how to keep it.

apt install libapache2-mod-apparmor apparmor
check "mod_apparmor is installed" [ "$status" = 0 ]
install_old
profile=/etc/apparmor.d/usr.sbin.apache2
check "the other package owns the server's profile" [ -e "$ROOT$profile" ]

# README.Debian's lines. Whether this kernel has AppArmor does not matter: profiles are compiled, and not loaded.
sed -n '/^  cp .etc.apparmor.d/,/^$/s/^  //p' "$ROOT/usr/share/doc/libapache2-mod-confine/README.Debian" |
    sed 's/apt purge/apt-get -y -q purge/; s/^apparmor_parser -r/apparmor_parser -QK/; s/systemctl restart apache2/service apache2 restart/' >"$ROOT/run/steps"
cat "$ROOT/run/steps" >>"$TRANSCRIPT"
check "the steps of README.Debian succeed" succeeds sh -e /run/steps
check "the purge took the profile away" [ ! -e "$ROOT$profile" ]
check "the copy is there" [ -s "$ROOT/etc/apparmor.d/local-apache2" ]
confining_site
check "it confines" confines
