# shellcheck shell=bash
# What is not a file of the application's: /etc, common folders, /proc, descriptors by number, other processes.

. /lab/reach.sh selinux
reach_server "$dumpable"

# ---- files ----
echo 'password of an application' >/etc/lab-application.conf
restorecon /etc/lab-application.conf
chmod 1777 /var/lib/php/sessions
: >/var/lib/php/sessions/sess_of_somebody
: >/run/lock/apache2/lock-of-the-server
chmod 666 /run/lock/apache2/lock-of-the-server
restorecon /run/lock/apache2/lock-of-the-server
files='read=/etc/lab-application.conf'
fetch "/free/escape?$files"
like 'the server reads a file of /etc' "$body" '=OK$'
fetch "/alice/escape?$files&read=/lab/www/alice/index.html"
like 'an application does not' "$body" '^read /etc/lab-application.conf=EACCES$'
like 'and reads its own' "$body" '^read /lab/www/alice/index.html=OK$'
files='list=/tmp&list=/var/lib/php/sessions&touch=/run/lock/apache2/lock-of-the-server&list=/lab/www/alice'
fetch "/alice/reach?$files"
like 'names in /tmp are not to be listed' "$body" '^list /tmp=EACCES$'
like 'names of sessions neither' "$body" '^list /var/lib/php/sessions=EACCES$'
unlike 'so none is seen' "$body" 'sess_of'
like "the server's locks are not opened" "$body" '^touch /run/lock/apache2/lock-of-the-server=EACCES$'
like 'the own folder is listed' "$body" '^list /lab/www/alice=OK$'
chmod 1733 /var/lib/php/sessions

# ---- memory ----
asks_for_memory /free
facts server
like 'the server reads its own files below /proc' "$body" '^own status=OK$'
like 'with its memory' "$body" '^mem /proc/[0-9]+/mem=OK write=OK$'
asks_for_memory /alice
facts application
unlike 'an application does not, by no name' "$body" '=OK'
denial 'its files below /proc are closed by the policy' 'denied  \{ (read|open|read write|search) \}.*scontext=alice\.process:s0 tcontext=(alice\.process|httpd_t):s0 tclass=(file|dir)'

# ---- descriptors ----
fetch /free/reach?numbers
facts server
fetch /alice/reach?numbers
facts application
unlike "the server's pipes are not read" "$body" ' pipe r.* read=OK'
unlike "nor are its files, if any but the own are open" "$body" ' file r.* (read|write)=OK'
unlike 'a listening socket takes no connection' "$body" ' accept=(OK|EAGAIN)'
unlike 'a log stays one that is appended to' "$body" ' unappend=OK'
a_log /alice
facts application
only_appends
another_client /free
facts server
is 'the server reaches another client' "$got" FROM-A-TENANT
alice_reaches_by_number
is 'a plain script opens none by its name below /proc' "$body" $'done\n'

# ---- other processes ----
other_processes search=lab
fetch "/free/reach?$others"
facts server
fetch "/bob/reach?shm=4711&key=lab"
forget
fetch "/alice/reach?$others"
facts application
unlike 'nothing of other processes is reached, no shared memory, no key, no writable code' "$body" '=OK$'
denial 'by the kernel' 'scontext=alice\.process:s0'
kill "$listener"

# ---- logs through a pipe ----
piped_server alice.process:s0
fetch '/alice/reach?logs&numbers'
facts 'application, logs through a pipe'
unlike 'no line is read back from it' "$body" ' pipe r.* read=OK'
piped_line_arrives 'what the worker has to say arrives'
