# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154 # $status and $said are of stage.sh
# An upgrade finds a configuration that does not start: the running server is left alone.
# shellcheck source=tests/rpm/words.sh
. "$REPO/tests/rpm/words.sh"


POLICY=no
fedora
upgrade_to old
server start
confining_site
check "it confines" confines
pid=$(server_pid)
echo "ConfineContext landlock:nobody-made-it" >>"$ROOT/etc/httpd/conf.d/site.conf"
upgrade_to new
check "the upgrade succeeds" succeeded
check "it says that the server was not restarted" says 'the server was not restarted'
check "the running server was left alone" [ "$pid" = "$(server_pid)" ]
check "the running server confines" confines
