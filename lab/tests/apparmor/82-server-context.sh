# shellcheck shell=bash
# ConfineServerContext: the server itself moves to a narrower profile, and requests move on from there.

mkdir -p /srv/moved
echo 'page of nobody' >/srv/moved/index.html
server event lab_escape confine <<'CONF'
ConfineServerContext apparmor:lab_moved
Alias /moved /srv/moved
<Directory /srv/moved>
    Require all granted
    ConfineContext unconfined
</Directory>
<Directory /lab/www>
    Include /lab/users.conf
    ConfineMap /lab/people.map
</Directory>
<LocationMatch ^/[a-z]+/escape$>
    SetHandler lab-escape
</LocationMatch>
CONF
is 'the server has moved' "$(server_context)" 'lab_moved (enforce)'
logged 'and says so' 'the server moved to apparmor:lab_moved'
child=$(pgrep -P "$(server_pid)" | head -n 1)
is 'its child is there, too' "$(context_of "$child")" 'lab_moved (enforce)'
forget
status 'the server itself has given a folder up' 403 /moved/index.html
denial 'by the kernel' 'apparmor="DENIED" .*profile="lab_moved" name="/srv/moved/'
as alice
serves 'a request moves on from there' '^page of alice' /alice/index.html
fetch /alice/escape?context
like 'to its own profile' "$body" '^context=lab_alice \(enforce\)'
forget
status "bob's page is refused" 403 /bob/index.html
denial 'by it' 'apparmor="DENIED" .*profile="lab_alice" name="/lab/www/bob/index.html"'
graceful 1
is 'a graceful restart finds the server there already' "$(server_context)" 'lab_moved (enforce)'
serves 'and serves' '^page of alice' /alice/index.html
kill -HUP "$(server_pid)"
nap 1
serves 'a restart, too' '^page of alice' /alice/index.html
status 'confined' 403 /bob/index.html
not_logged 'nothing was wrong with it' 'confine:error'
anonymous

configure event confine <<'CONF'
ConfineServerContext apparmor:lab_moved
<Location />
    ConfineContext apparmor:apache2//localhost
</Location>
CONF
refuses_to_start 'a profile that only the former one may move to is refused' 'change_profile -> apache2//localhost,. to .*lab_moved'
stop
