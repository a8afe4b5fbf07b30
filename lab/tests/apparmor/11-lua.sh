# shellcheck shell=bash
# An application inside httpd (mod_lua, event): the same script, each user his own files.

people_server

own() { # USER OTHER
    as "$1"
    forget
    fetch "/app/app.lua?read=/lab/www/$1/index.html&write=/lab/www/$1/data/lua&read=/lab/www/$2/index.html&write=/lab/www/$2/data/lua&write=/lab/www/$1/lua&read=/etc/shadow"
    like "$1's script reads $1's file" "$body" "^read /lab/www/$1/index.html=OK page of $1"
    like "$1's script writes into $1's data" "$body" "^write /lab/www/$1/data/lua=OK"
    like "$1's script may not read $2's file" "$body" "^read /lab/www/$2/index.html=Permission denied"
    like "$1's script may not write $2's data" "$body" "^write /lab/www/$2/data/lua=Permission denied"
    like "$1's script may not write where $1 only reads" "$body" "^write /lab/www/$1/lua=Permission denied"
    denial 'on record' "apparmor=\"DENIED\" .*profile=\"lab_$1\" name=\"/lab/www/$2/index.html\""
    denial 'both' "apparmor=\"DENIED\" .*profile=\"lab_$1\" name=\"/lab/www/$2/data/lua\" .*requested_mask=\"a?c\""
}
own alice bob
own bob alice
method=POST serves 'a request body arrives' '^body=5000$' '/app/app.lua?body' "$(printf '%5000s' x)"
