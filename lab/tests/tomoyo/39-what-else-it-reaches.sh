# shellcheck shell=bash
# What is not a file of the application's: descriptors by number, /proc, other processes.

. /lab/reach.sh tomoyo
reach_server "$dumpable"

# ---- descriptors ----
fetch /alice/reach?numbers
facts application
a_log /alice
facts application
only_appends
alice_reaches_by_number
is 'a plain script opens none by its name below /proc' "$body" $'done\n'

# ---- /proc ----
asks_for_memory /free
like 'the server reads its own files below /proc' "$body" '^own status=OK$'
asks_for_memory /alice
facts application
unlike 'an application does not, by no name' "$body" '=OK'

# ---- other processes: what TOMOYO does not look at ----
other_processes
fetch "/alice/reach?$others"
facts application
unlike 'no socket of another process' "$body" '^unix .*=OK$'
kill "$listener"

# ---- logs through a pipe ----
piped_server tomoyo://alice
fetch '/alice/reach?logs&numbers'
facts 'application, logs through a pipe'
piped_line_arrives 'what the worker has to say arrives'
