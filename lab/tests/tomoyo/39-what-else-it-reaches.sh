# shellcheck shell=bash
# What is not a file of the application's: descriptors by number, /proc, other processes.

. /lab/reach.sh tomoyo
reach_server "$dumpable"

# ---- descriptors ----
fetch /alice/reach?numbers
facts application
a_log /alice
facts application
like 'a line of it can be written to a log' "$body" ' log write=OK'
unlike 'no log can be written over' "$body" ' over=OK'
unlike 'nor emptied' "$body" ' empty=OK'
is 'none was' "$log_left" yes
another_client /alice
facts application
echo "#   another client got from alice: '$got'"
fetch /alice/kinds/number.lua
facts 'plain Lua'
is 'a plain script opens none by its name below /proc' "$body" $'done\n'

# ---- /proc ----
memory='own=status&mem=thread&mem=/proc/thread-self/mem&mem=/proc/self/mem'
fetch "/free/reach?$memory"
like 'the server reads its own files below /proc' "$body" '^own status=OK$'
fetch "/alice/reach?$memory"
facts application
unlike 'an application does not, by no name' "$body" '=OK'

# ---- other processes: what TOMOYO does not look at ----
child=$(pgrep -P "$(server_pid)" | head -n 1)
listener
fetch "/alice/reach?signal=$(server_pid)&signal=$child&trace=$(server_pid)&unix=@lab&shm=4711&key=lab&execmem"
facts application
unlike 'no socket of another process' "$body" '^unix .*=OK$'
kill "$listener"

# ---- logs through a pipe ----
server event lab_reach confine <<'CONF'
ErrorLog "|/usr/bin/rotatelogs /var/log/apache2/piped.log 86400"
<Directory /lab/www>
    Require all granted
</Directory>
<Location /alice>
    ConfineContext tomoyo://alice
</Location>
<Location /alice/reach>
    SetHandler lab-reach
</Location>
CONF
serves 'logs through a pipe: her page' '^page of alice' /alice/index.html
fetch '/alice/reach?logs&numbers'
facts 'application, logs through a pipe'
for ((i = 0; i < 20; i++)); do
    piped=$(cat /var/log/apache2/piped.log*)
    [[ $piped != *'confined GET'* ]] || break
    nap 0.2
done
like 'what the worker has to say arrives' "$piped" 'confined GET /alice/index.html'
