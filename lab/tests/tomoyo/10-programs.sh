# shellcheck shell=bash
# Two virtual hosts with two programs each: every one of the four reads its own and is refused the
# others', by the shipped policy as it is written. The server runs in a domain of its own.

shipped_policy

four_programs() { # MPM
    local host program other query
    server "$1" lab_escape confine </lab/programs.conf
    like "$1: the server is in its domain" "$(<"/proc/$(server_pid)/comm")" apache2
    for program in $programs; do
        host=${program%/*}
        serves "$1: $program serves its page" "^page of $program" "/${program#*/}/index.html"
        query=
        for other in $programs; do query+="&read=/srv/www/$other/note.txt"; done
        fetch "/${program#*/}/escape?${query#&}"
        for other in $programs; do
            if [[ $other == "$program" ]]; then
                like "$1: $program reads its own" "$body" "^read /srv/www/$other/note.txt=OK"
            else
                like "$1: $program is refused $other's" "$body" "^read /srv/www/$other/note.txt=EPERM"
            fi
        done
    done
    host=dog.example.com
    status "$1: a file that no pattern matches is refused" 500 /
    logged "$1: and that is said" 'no pattern of /lab/conf/tomoyo/transition.conf.example matches'
    logged "$1: decisions name the line of the table" 'confined GET /shop/escape.*rule=/lab/conf/tomoyo/transition.conf.example:[0-9]+ context="tomoyo://cat.example.com //shop"'
}

four_programs event
forget_refusals
host=dog.example.com
fetch /blog/escape?read=/srv/www/cat.example.com/shop/note.txt
refused 'the kernel wrote it down' "^enforcing $httpd_domain //dog.example.com //blog: file read /srv/www/cat.example.com/shop/note.txt"
four_programs prefork
