# shellcheck shell=bash
# Pools of processes in contexts of an LSM. A test names it: . /lab/pools.sh selinux
# erin and frank have PHP in processes of their own, as the server's user both.

case $1 in
    selinux) ERIN=selinux:erin.process:s0 FRANK=selinux:frank.process:s0 CAROL=selinux:carol.process:s0 ;;
    apparmor) ERIN=apparmor:lab_erin FRANK=apparmor:lab_frank CAROL=apparmor:lab_carol ;;
    tomoyo)
        ERIN=tomoyo://erin FRANK=tomoyo://frank CAROL=tomoyo://carol
        tomoyo-loadpolicy -e </lab/conf/tomoyo/php_cgi_exception_policy.conf
        policy </lab/pools.tomoyo
        ;;
esac

pool_server() { # [DIRECTIVES]
    server event proxy proxy_fcgi confine < <(
        printf 'Define ERIN %s\nDefine FRANK %s\nDefine CAROL %s\n' "$ERIN" "$FRANK" "$CAROL"
        cat /lab/pools.conf
        echo "${1-}"
    )
}

# processes_of USER[/several]: the process that serves this user's scripts, in $child, and its parent, in $master.
processes_of() {
    local stat
    fetch "/$1/pool.php?pid"
    child=${body#pid=} child=${child%$'\n'} master=
    read -r stat <"/proc/$child/stat"
    stat=${stat##*) }
    read -r _ master _ <<<"$stat"
}

# in_context USER PATTERN: each process of the user's pools is there. domain_of tells it of a process.
in_context() {
    processes_of "$1"
    like "$1's only process is in the context" "$(domain_of "$child")" "$2"
    is 'it runs as the server' "$(stat -c %U "/proc/$child")" www-data
    processes_of "$1/several"
    like 'of several, the one that makes the others is there' "$(domain_of "$master")" "$2"
    like 'so is one that serves' "$(domain_of "$child")" "$2"
    is 'both run as the server' "$(stat -c %U "/proc/$master" "/proc/$child")" $'www-data\nwww-data'
}

# What each serves, and that it is refused the other's files.
each_its_own() { # USER OTHER
    forget
    serves "$1's page is served by a thread" "^page of $1" "/$1/index.html"
    serves "$1's script by a process" "^read /lab/www/$1/note.txt=OK note of $1" \
        "/$1/pool.php?read=/lab/www/$1/note.txt"
    no_denial "$1's context suffices for both"
    serves 'which knows the context' '^context=[a-z]+:' "/$1/pool.php?context"
    serves "$1 writes the own data" "^write /lab/www/$1/data/php=OK" "/$1/pool.php?write=/lab/www/$1/data/php"
    serves 'and a temporary file' "^temporary=OK /run/apache2/confine-tmp/" "/$1/pool.php?temporary"
    serves "$1 is refused $2's note" "^read /lab/www/$2/note.txt=refused" "/$1/pool.php?read=/lab/www/$2/note.txt"
    serves "and $2's data" "^write /lab/www/$2/data/php=refused" "/$1/pool.php?write=/lab/www/$2/data/php"
    status "a thread in $1's context, too" 403 "/$1/other/note.txt"
}

# sockets: those of the pools, as root sees them.
sockets() { find /run/apache2/confine-fastcgi -type s; }

# OPcache, persistent handles and APCu: what lives in the memory of a process, and is each one's own.
shares_nothing() { # USER OTHER
    fetch "/$2/pool.php?include=/lab/www/$2/secret.php&cached"
    like "$2's script is in $2's OPcache" "$body" "^cached=/lab/www/$2/secret.php"
    fetch "/$1/pool.php?include=/lab/www/$1/secret.php&include=/lab/www/$2/secret.php&cached&invalidate=/lab/www/$2/secret.php"
    like "$1 includes the own" "$body" "^include /lab/www/$1/secret.php=OK secret of $1"
    like "and not $2's, though that is compiled" "$body" "^include /lab/www/$2/secret.php=refused"
    like 'the status shows the own' "$body" "^cached=/lab/www/$1/secret.php"
    unlike "and none of $2's" "$body" "^cached=/lab/www/$2/"
    fetch "/$2/pool.php?cached"
    like "$2's stays, whatever $1 invalidates" "$body" "^cached=/lab/www/$2/secret.php"

    fetch "/$2/pool.php?table=/lab/www/$2/data/table"
    like "$2 keeps a handle to a database" "$body" "^table /lab/www/$2/data/table=OK"
    fetch "/$1/pool.php?table=/lab/www/$2/data/table"
    like "which $1 does not get" "$body" "^table /lab/www/$2/data/table=refused"

    fetch "/$2/pool.php?set=of-$2&get"
    like "$2 keeps a value in APCu" "$body" "^get=of-$2"
    serves "which $1 does not find" '^get=nothing' "/$1/pool.php?get"
}

# handles: a persistent connection to a server of TCP, which counts connections.
handles() {
    perl -MIO::Socket::INET -MIO::Select -e '
        my $l = IO::Socket::INET->new(LocalAddr => "127.0.0.1:5432", Listen => 5, ReuseAddr => 1) or die $!;
        my $s = IO::Select->new($l); my (%n, $n); $| = 1; print "ready\n";
        while (my @ready = $s->can_read) { for my $c (@ready) {
            if ($c == $l) { my $new = $l->accept; $n{$new} = ++$n; $s->add($new); next }
            if (sysread $c, my $line, 100) { syswrite $c, "connection $n{$c}\n" } else { $s->remove($c); close $c }
        } }' >"$work/handles" &
    listener=$!
    until [[ -s $work/handles ]]; do nap 0.1; done
    serves 'frank connects for good' '^handle=connection 1' '/frank/pool.php?handle=5432'
    serves 'and uses the connection again' '^handle=connection 1' '/frank/pool.php?handle=5432'
    serves 'erin gets another' '^handle=connection 2' '/erin/pool.php?handle=5432'
    serves 'and frank has his' '^handle=connection 1' '/frank/pool.php?handle=5432'
    kill "$listener"
}

# first_map and second_map LINES: what the two maps of by_maps say.
first_map() { put_map first.map "$@"; }
second_map() { put_map second.map "$@"; }
put_map() { # NAME LINE...
    printf '%s\n' "${@:2}" >"$work/new.map"
    mv "$work/new.map" "$work/$1"
}

# taken_over MAP GENERATION: the server has taken over what it says now, and told what hinders pools there.
taken_over() {
    local tries=0
    until matching "$(<"$log")" "$1: changed, .*\(generation $2\)" || ((++tries > 100)); do nap 0.1; done
    nap 0.3
}

# Contexts by a map, and by a second one behind it. Carol's context does not let the program run, which the server says
# when it starts and when a map changes; no other context serves her, though the last rule has one for everybody.
by_maps() { # WHY: a pattern of what is said
    first_map "erin $ERIN"
    second_map "frank $FRANK" "carol $CAROL"
    pool_server "AliasMatch ^/mapped/pool\.php$ /lab/app/pool.php
<Location /mapped>
    Include /lab/users.conf
    ConfineMap $work/first.map
    ConfineMap $work/second.map
    ConfineContext $ERIN
</Location>"
    logged 'a line of the second map is told of at the start' ":warn\] .*second\.map:2: $CAROL: .*$1"
    not_logged 'lines that let the program run are not' '(first|second)\.map:1'
    said=$(/lab/bin/confinectl check --config "$work/httpd.conf" | cat)
    like 'confinectl check tells of it, too' "$said" "second\.map:2: .*$1"
    as erin
    serves 'the first map gives erin her context' "^context=$ERIN" '/mapped/pool.php?context'
    as frank
    serves 'the second map gives frank his' "^context=$FRANK" '/mapped/pool.php?context'
    as carol
    status 'carol is refused' 500 '/mapped/pool.php?context'
    unlike 'and served by no other context' "$body" 'context='
    logged 'with the same words' "refused GET /mapped/pool.php user=carol .*second\.map:2 .*$1"

    first_map "erin $ERIN" '' "dave $CAROL"
    taken_over first.map 2
    logged 'a new line is told of when the map changes' ":warn\] .*first\.map:3: $CAROL: .*$1"
    as dave
    status 'and refused' 500 '/mapped/pool.php?context'
    logged 'by that line' "refused GET /mapped/pool.php user=dave .*first\.map:3 .*$1"
    first_map "erin $ERIN" "carol $FRANK"
    taken_over first.map 3
    as carol
    serves 'a line of the first map comes before the second' "^context=$FRANK" '/mapped/pool.php?context'
    anonymous
}
