# shellcheck shell=bash
# shellcheck disable=SC2016,SC2153,SC2154 # $status and $said are of stage.sh; what bash -c runs expands there
# a2dismod: what the administrator disabled stays so; sites that need the module stop a start.

install_old
confining_site
check "it confines" confines
run a2dismod -q confine
check "a configuration test fails" fails apache2ctl configtest
check "and names the line" says 'site.conf.*|Invalid command .*Confine'
run service apache2 reload
check "the running server confines" confines

run a2disconf -q site
run service apache2 restart
check "without the module the server serves" answers / 200
apt install '/debs/new/libapache2-mod-confine_*.deb /debs/new/confinectl_*.deb'
check "upgrading succeeds" [ "$status" = 0 ]
run a2query -m confine
check "it stays disabled" fails a2query -m confine
check "the server serves" answers / 200
apt remove libapache2-mod-confine
check "removing succeeds" [ "$status" = 0 ]
apt install '/debs/new/libapache2-mod-confine_*.deb'
check "installing again succeeds" [ "$status" = 0 ]
check "installed again, it stays disabled" fails a2query -m confine
run a2enmod -q confine
run a2enconf -q site
run service apache2 restart
check "enabled again, it confines" confines
