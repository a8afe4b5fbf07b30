# shellcheck shell=bash
# PHP inside httpd (prefork): files, uploads, sessions and /tmp, each user's own.

php_server

own() { # USER OTHER [CONTEXT FILES]: as a domain of the own, or by the patterns given
    local context=${3-"$1\\.process:s0"} files=${4-"$2\\.(read|writ)able"}
    as "$1"
    forget
    fetch "/app/app.php?read=/lab/www/$1/index.html&write=/lab/www/$1/data/php&read=/lab/www/$2/index.html&write=/lab/www/$2/data/php"
    like "$1's script reads $1's file" "$body" "^read /lab/www/$1/index.html=OK page of $1"
    like "$1's script writes into $1's data" "$body" "^write /lab/www/$1/data/php=OK"
    like "$1's script may not read $2's file" "$body" "^read /lab/www/$2/index.html=refused"
    like "$1's script may not write $2's data" "$body" "^write /lab/www/$2/data/php=refused"
    denial 'on record' "denied .*scontext=$context tcontext=$files"
}
own alice bob
own bob alice
# In one domain, by category.
own three four 'tenants\.process:s0:c3' 'tenants\.(read|writ)able:s0:c4'
own four three 'tenants\.process:s0:c4' 'tenants\.(read|writ)able:s0:c3'

as alice
forget
serves 'a session starts' '^session=visit1 1$' '/app/app.php?session' '' 'Cookie: PHPSESSID=visit1'
serves 'and goes on' '^session=visit1 2$' '/app/app.php?session' '' 'Cookie: PHPSESSID=visit1'
like 'its file is her own' "$(stat -c %C /var/lib/php/sessions/sess_visit1)" ':alice\.temporary:s0$'
as bob
serves "bob cannot take over alice's session" '^session started=refused' '/app/app.php?session' '' 'Cookie: PHPSESSID=visit1'
denial 'by the kernel' 'scontext=bob\.process:s0 tcontext=alice\.temporary'

as alice
forget
upload() { # FOLDER: a form with a file of 300 kB
    local part
    printf -v part -- '--cut\r\nContent-Disposition: form-data; name="file"; filename="up.txt"\r\n\r\n%300000s\r\n--cut--\r\n' x
    request POST "/app/app.php?upload=$1" "$part" 'Content-Type: multipart/form-data; boundary=cut'
}
upload /lab/www/alice/data
like 'an upload of 300 kB is moved into place' "$body" '^upload=OK 300000$'
like 'its label stays her own' "$(stat -c %C /lab/www/alice/data/up.txt)" ':alice\.(temporary|writable):s0$'
upload /lab/www/bob/data
like "but not into bob's data" "$body" '^upload=not moved$'
denial 'refused by the kernel' "scontext=alice\.process:s0 tcontext=bob\.(read|writ)able"
forget
printf -v long '%600000s' x
method=PUT serves 'a body of 600 kB reaches the script whole' '^body=600000$' '/app/app.php?body' "$long"
fetch '/app/app.php?tmp'
like 'a file in /tmp' "$body" '^tmp=OK /tmp/lab'
name=${body#tmp=OK } name=${name%$'\n'}
like 'has her own type' "$(stat -c %C "$name")" ':alice\.temporary:s0$'
no_denial 'the scripting profile suffices'
as bob
serves 'which bob cannot read' "^read $name=refused" "/app/app.php?read=$name"
