# shellcheck shell=bash
# What goes on after the worker: large files by sendfile(2) and mmap(2), keep-alive,
# write completion, log lines, a graceful restart in between.

truncate -s 3000000 /lab/www/alice/data/large
truncate -s 3000000 /lab/www/bob/data/large
restorecon /lab/www/alice/data/large /lab/www/bob/data/large

for delivery in 'EnableSendfile On' 'EnableMMAP On' 'EnableMMAP Off'; do
    server event lab_escape confine <<CONF
$delivery
<Directory /lab/www>
    Include /lab/users.conf
    ConfineMap /lab/users.map
</Directory>
<Location /alice/escape>
    SetHandler lab-escape
</Location>
CONF
    # --limit-rate: the worker is long gone when the last byte leaves.
    is "$delivery: 3 MB, slowly" \
        "$(curl -s -u alice:alice --limit-rate 8M -o "$work/large" -w '%{http_code} %{size_download}' http://127.0.0.1/alice/data/large)" \
        '200 3000000'
    as alice
    status "$delivery: bob's is refused" 403 /bob/data/large
done
forget
is 'keep-alive: two requests, one connection' \
    "$(curl -s -u alice:alice -o "$work/a" -o "$work/b" -w '%{http_code} %{num_connects}|' http://127.0.0.1/alice/index.html http://127.0.0.1/alice/data/note.txt)" \
    '200 1|200 0|'
fetch '/alice/escape?log'
logged 'a line from a confined worker reaches the log' 'a line from a confined worker'
no_denial 'and needs nothing more'

curl -s -u alice:alice --limit-rate 3M -o "$work/large" -w '%{http_code} %{size_download}' http://127.0.0.1/alice/data/large >"$work/slow" &
slow=$!
nap 0.3
graceful
serves 'after a graceful restart' '^page of alice' /alice/index.html
status 'confined as before' 403 /bob/index.html
wait "$slow"
is 'what was on its way arrives whole' "$(<"$work/slow")" '200 3000000'
