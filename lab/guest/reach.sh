# shellcheck shell=bash
# What else of the machine an application reaches. A test names the LSM: . /lab/reach.sh selinux

case $1 in
    selinux) ALICE=selinux:alice.process:s0 BOB=selinux:bob.process:s0 ;;
    apparmor) ALICE=apparmor:lab_alice BOB=apparmor:lab_bob OTHER=apparmor:lab_append ;;
    tomoyo)
        ALICE=tomoyo://alice BOB=tomoyo://bob
        policy </lab/kinds.tomoyo
        ;;
esac

# reach_server [DIRECTIVES]. With those of $dumpable the files of the server's processes below /proc belong to the
# server's user, as where a core is wanted; else they are root's.
reach_server() {
    server event lua lab_reach lab_escape confine < <(
        printf 'Define ALICE %s\nDefine BOB %s\nDefine OTHER %s\n%s\n' "$ALICE" "$BOB" "${OTHER-$ALICE}" "$1"
        cat /lab/reach.conf
    )
}
dumpable=$'CoreDumpDirectory /run/apache2\nConfineCoreDumps on'

# facts WHERE: what came of it, for the reader.
facts() { printf '%s\n' "$body" | sed "s/^/#   $1: /"; }

# asks_for_memory PATH: what the application at PATH reaches of its process below /proc: $body.
asks_for_memory() { fetch "$1/reach?own=status&mem=thread&mem=/proc/thread-self/mem&mem=/proc/self/mem"; }

# a_log PATH: the logs as the application at PATH finds them by their numbers: $body; whether none was emptied: $log_left.
a_log() {
    local before after
    fetch /free/page.html
    before=$(stat -c %s /var/log/apache2/access.log)
    fetch "$1/reach?logs"
    after=$(stat -c %s /var/log/apache2/access.log)
    [[ $after -ge $before ]] && log_left=yes || log_left=no
}

# only_appends: what a_log found at an application that may write lines to the logs, and nothing else.
only_appends() {
    like 'a line of it can be written to a log' "$body" ' log write=OK'
    unlike 'no log can be written over' "$body" ' over=OK'
    unlike 'nor emptied' "$body" ' empty=OK'
    is 'none was' "$log_left" yes
}

# another_client PATH: what a client of nobody's gets, that has asked for nothing: $got. Its connection is known to
# the server's process once its first line has been read.
another_client() {
    got=
    exec {client}<>/dev/tcp/127.0.0.1/80
    printf 'GET /free/page.html HTTP/1.1\r\n' >&"$client"
    nap 0.3
    fetch "$1/reach?client=FROM-A-TENANT"
    read -rt 1 -u "$client" -N 13 got
    exec {client}>&-
}

# alice_reaches_by_number: what another client gets from her application, for the reader; then $body is what a plain
# script of hers opens by its number.
alice_reaches_by_number() {
    another_client /alice
    facts application
    echo "#   another client got from alice: '$got'"
    fetch /alice/kinds/number.lua
    facts 'plain Lua'
}

# listener: a socket without a file, @lab, of a process that is no part of the server.
listener() {
    perl -MIO::Socket::UNIX -e 'my $l = IO::Socket::UNIX->new(Local => "\0lab", Listen => 5) or die; $| = 1; print "ready\n";
        while (my $c = $l->accept) { close $c }' >"$work/listener" &
    listener=$!
    until [[ -s $work/listener ]]; do nap 0.1; done
}

# other_processes [WORDS]: $others asks for all that there is of other processes: the server, a child of its, the
# listener, shared memory, a key; and for WORDS.
other_processes() {
    local server child
    server=$(server_pid)
    child=$(pgrep -P "$server" | head -n 1)
    listener
    others="signal=$server&signal=$child&trace=$server&unix=@lab&shm=4711&key=lab${1:+&$1}&execmem"
}

# piped_server CONTEXT: a server whose error log goes through a pipe; alice is in CONTEXT.
piped_server() {
    server event lab_reach confine <<CONF
ErrorLog "|/usr/bin/rotatelogs /var/log/apache2/piped.log 86400"
<Directory /lab/www>
    Require all granted
</Directory>
<Location /alice>
    ConfineContext $1
</Location>
<Location /alice/reach>
    SetHandler lab-reach
</Location>
CONF
    serves 'logs through a pipe: her page' '^page of alice' /alice/index.html
}

# piped_line_arrives NAME: a line that a worker wrote into the pipe.
piped_line_arrives() {
    local piped
    for ((i = 0; i < 20; i++)); do
        piped=$(cat /var/log/apache2/piped.log*)
        [[ $piped != *'confined GET'* ]] || break
        nap 0.2
    done
    like "$1" "$piped" 'confined GET /alice/index.html'
}
