# shellcheck shell=bash
# PHP inside httpd (prefork): each user his own files.

server prefork php confine <<'CONF'
Alias /app /lab/app
AddHandler application/x-httpd-php .php
<Directory /lab>
    Include /lab/users.conf
    ConfineMap /lab/people.map
</Directory>
CONF
is 'the server is in its own profile' "$(server_context)" 'apache2 (enforce)'

own() { # USER OTHER
    as "$1"
    forget
    fetch "/app/app.php?read=/lab/www/$1/index.html&write=/lab/www/$1/data/php&read=/lab/www/$2/index.html&write=/lab/www/$2/data/php"
    like "$1's script reads $1's file" "$body" "^read /lab/www/$1/index.html=OK page of $1"
    like "$1's script writes into $1's data" "$body" "^write /lab/www/$1/data/php=OK"
    like "$1's script may not read $2's file" "$body" "^read /lab/www/$2/index.html=refused"
    like "$1's script may not write $2's data" "$body" "^write /lab/www/$2/data/php=refused"
    denial 'on record' "apparmor=\"DENIED\" .*profile=\"lab_$1\" name=\"/lab/www/$2/index.html\""
}
own alice bob
own bob alice
own alice bob
