# shellcheck shell=bash disable=SC2034,SC2164 # the story reads it, and ends where something fails
# WebDAV: litmus, which tries what a server must do, and cadaver, by which people use one.
MODULES=(dav dav_fs)
server_hole

prepare() {
    mkdir -p "/srv/$1/htdocs/dav" "/srv/$1/locks"
    chown www-data: "/srv/$1/htdocs/dav" "/srv/$1/locks"
}

host() {
    cat <<END
    DavLockDB "/srv/$1/locks/db"
    <Location "/dav">
        Dav On
    </Location>
END
    server_hole_host
}

walk() {
    local site=http://$1.example.org/dav work summary
    work=$(mktemp -d)
    cd "$work"
    litmus "$site/" >litmus.log 2>&1 || { cat litmus.log && return 1; }
    # The server without this module passes as many.
    summary=$(sed -n 's/.* of \([0-9]*\) tests run: \([0-9]*\) passed.*/\1 \2/p' litmus.log | awk '{ run += $1; passed += $2 } END { print passed " of " run }')
    echo "litmus: $summary"
    [ "$summary" = '104 of 104' ]

    echo "a note of $1, $2" >note.txt
    cadaver "$site/" <<END | tee cadaver.log
mkcol walk-$2
cd walk-$2
put note.txt
lock note.txt
unlock note.txt
propset note.txt mood good
propget note.txt mood
copy note.txt copy.txt
move copy.txt moved.txt
ls
get moved.txt $work/back.txt
delete note.txt
quit
END
    cmp note.txt back.txt
    says 'Value of mood is: good' <cadaver.log
    fails grep -iE 'failed|error|denied' cadaver.log
    curl --silent --fail "$site/walk-$2/moved.txt" | says "a note of $1, $2"
}
