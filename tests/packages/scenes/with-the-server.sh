# shellcheck shell=bash
# shellcheck disable=SC2016,SC2153,SC2154 # $status and $said are of stage.sh; what bash -c runs expands there
# The package brings the server with it. The server's own set-up then enables the module (its "deferred actions").

check "installing succeeds" install_old
run a2query -m confine
check "the module is enabled" says 'enabled by'
run service apache2 start
confining_site
check "it confines" confines
