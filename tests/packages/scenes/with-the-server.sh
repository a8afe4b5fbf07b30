# shellcheck shell=bash
# shellcheck disable=SC2016,SC2153,SC2154 # $status and $said are of stage.sh; what bash -c runs expands there
# Bare root: the package brings the server with it. The server's own set-up then enables the module (its "deferred actions").

apt -o APT::Install-Recommends=true install '/debs/old/libapache2-mod-confine_*.deb /debs/old/confinectl_*.deb'
check "installing succeeds" [ "$status" = 0 ]
run a2query -m confine
check "the module is enabled" says 'enabled by'
run service apache2 start
confining_site
check "it confines" confines
