# shellcheck shell=bash
# What goes on after the worker: large files to a slow client are sent on by other threads, in the
# server's profile; a graceful restart in between.

mkdir -p /srv/cut
truncate -s 3000000 /lab/www/alice/data/large
# More than the sockets' buffers take.
truncate -s 40000000 /srv/cut/large
echo 'a small page' >/srv/cut/small
server event confine <<'CONF'
Alias /cut /srv/cut
<Directory /lab/www>
    Include /lab/users.conf
    ConfineMap /lab/people.map
</Directory>
EnableSendfile On
<Directory /srv/cut>
    Require all granted
    ConfineContext apparmor:lab_cut
</Directory>
CONF
slowly() { curl -s -u alice:alice --limit-rate "$1" -o "$work/large" -w '%{http_code} %{size_download}' "http://127.0.0.1/$2"; }

is '3 MB, slowly' "$(slowly 8M alice/data/large)" '200 3000000'
no_denial 'what both profiles grant'
slowly 3M alice/data/large >"$work/slow" &
slow=$!
nap 0.3
graceful
as alice
serves 'after a graceful restart' '^page of alice' /alice/index.html
status 'confined as before' 403 /bob/index.html
wait "$slow"
is 'what was on its way arrives whole' "$(<"$work/slow")" '200 3000000'

forget
serves "a small file that the server's profile does not grant: the worker sends it" '^a small page' /cut/small
unlike 'a large one is cut off' "$(slowly 30M cut/large)" ' 40000000$'
denial "by the server's profile" 'apparmor="DENIED" operation="file_perm" .*profile="apache2" name="/srv/cut/large"'
