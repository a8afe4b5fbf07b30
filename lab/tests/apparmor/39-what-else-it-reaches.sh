# shellcheck shell=bash
# What is not a file of the application's: descriptors by number, /proc, sockets, other processes.

. /lab/reach.sh apparmor
reach_server

# ---- descriptors ----
fetch /free/reach?numbers
facts server
fetch /alice/reach?numbers
facts application
unlike 'no mutex and no lock of the server is written' "$body" ' file rw .*write=OK'
a_log /alice
facts 'application, log files'
like 'with the right to a log file, a line of it can be written there' "$body" ' log write=OK'
a_log /ok
facts 'application, with `a` alone'
unlike 'the right to append is not enough for that' "$body" ' log write=OK'
another_client /free
is 'the server reaches another client' "$got" FROM-A-TENANT
alice_reaches_by_number
unlike 'a plain script opens no file by such a name' "$body" 'fd/[2-8] '

# ---- /proc ----
reach_server "$dumpable"
asks_for_memory /free
like 'the server reads its own files below /proc' "$body" '^own status=OK$'
asks_for_memory /alice
facts application
unlike 'the own memory is not read below /proc' "$body" '=OK'
fetch '/alice/escape?read=/proc/self/maps&read=/proc/self/status&read=/proc/self/auxv&read=/lab/www/alice/index.html'
unlike 'nor is where it lies' "$body" 'proc/self/[a-z]*=OK'
like 'while its own file is' "$body" 'index.html=OK'

# ---- other processes ----
other_processes search=lab
fetch "/free/reach?$others"
facts server
forget
fetch "/alice/reach?$others"
facts application
unlike 'no signal to the server, no socket of another process' "$body" '^(signal|trace|unix) .*=OK$'
kill "$listener"

# ---- logs through a pipe ----
piped_server apparmor:lab_piped
fetch /alice/reach?logs
facts 'application, logs through a pipe'
unlike 'no log can be emptied' "$body" ' (empty|over|write)=OK'
piped_line_arrives 'and what the worker has to say arrives'

# ---- where the server has no profile ----
stop
echo -n apache2 >/sys/kernel/security/apparmor/.remove
reach_server
fetch /alice/reach?numbers
facts 'application, server without a profile'
fetch /alice/reach?logs
facts 'application, server without a profile'
stop
apparmor_parser --skip-cache --replace /etc/apparmor.d/apache2
