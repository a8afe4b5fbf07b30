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

# a_log PATH: the logs as the application at PATH finds them by their numbers: $body; whether none was emptied: $log_left.
a_log() {
    local before after
    fetch /free/page.html
    before=$(stat -c %s /var/log/apache2/access.log)
    fetch "$1/reach?logs"
    after=$(stat -c %s /var/log/apache2/access.log)
    [[ $after -ge $before ]] && log_left=yes || log_left=no
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

# listener: a socket without a file, @lab, of a process that is no part of the server.
listener() {
    perl -MIO::Socket::UNIX -e 'my $l = IO::Socket::UNIX->new(Local => "\0lab", Listen => 5) or die; $| = 1; print "ready\n";
        while (my $c = $l->accept) { close $c }' >"$work/listener" &
    listener=$!
    until [[ -s $work/listener ]]; do nap 0.1; done
}
