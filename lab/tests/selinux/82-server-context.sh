# shellcheck shell=bash
# ConfineServerContext: the server gives up what no tenant needs, for good.

mcs_policy
server event confine <<'CONF'
ConfineServerContext *:s0-s0:c1.c3
<Directory /lab/www>
    Include /lab/users.conf
    ConfineMap /lab/mcs.map
</Directory>
CONF
like 'the server has dropped its range' "$(server_context)" ':httpd_t:s0-s0:c1\.c3$'
as one
serves 'tenants within it are served' '^page of one' /one/index.html
as alice
serves 'domains too' '^page of alice' /alice/index.html
graceful 1
like 'a graceful restart finds it there already' "$(server_context)" ':httpd_t:s0-s0:c1\.c3$'
as two
serves 'and serves' '^page of two' /two/index.html
status 'confined' 403 /one/index.html
kill -HUP "$(server_pid)"
nap 1
serves 'a restart too' '^page of two' /two/index.html
no_denial "the server's own pipes are not left behind" 'fifo_file'
child=$(pgrep -P "$(server_pid)" | head -n 1)
like 'children inherit it' "$(context_of "$child")" ':httpd_t:s0-s0:c1\.c3$'

configure event confine <<'CONF'
ConfineServerContext *:s0-s0:c1.c3
<Directory /lab/www>
    Require all granted
    ConfineContext *:s0:c9
</Directory>
CONF
refuses_to_start 'a category it gave away cannot be handed out' 'c9'
