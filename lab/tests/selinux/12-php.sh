# shellcheck shell=bash
# PHP inside httpd (prefork): files, uploads, sessions and /tmp, each user's own.

php_server

own() { # USER OTHER
    as "$1"
    forget
    fetch "/app/app.php?read=/lab/www/$1/index.html&write=/lab/www/$1/data/php&read=/lab/www/$2/index.html&write=/lab/www/$2/data/php"
    like "$1's script reads $1's file" "$body" "^read /lab/www/$1/index.html=OK page of $1"
    like "$1's script writes into $1's data" "$body" "^write /lab/www/$1/data/php=OK"
    like "$1's script may not read $2's file" "$body" "^read /lab/www/$2/index.html=refused"
    like "$1's script may not write $2's data" "$body" "^write /lab/www/$2/data/php=refused"
    denial 'on record' "denied .*scontext=$1\.process:s0 tcontext=$2\.(read|writ)able"
}
own alice bob
own bob alice

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
head -c 300000 /dev/zero | tr '\0' x >"$work/big"
said=$(curl -s -u alice:alice -F "file=@$work/big;filename=up.txt" 'http://127.0.0.1/app/app.php?upload=/lab/www/alice/data')
is 'an upload of 300 kB is moved into place' "$said" 'upload=OK 300000'
said=$(curl -s -u alice:alice -F "file=@$work/big;filename=up.txt" 'http://127.0.0.1/app/app.php?upload=/lab/www/bob/data')
is "but not into bob's data" "$said" 'upload=not moved'
denial 'refused by the kernel' "scontext=alice\.process:s0 tcontext=bob\.(read|writ)able"
head -c 600000 /dev/zero | tr '\0' x >"$work/big"
forget
is 'a body of 600 kB reaches the script whole' \
    "$(curl -s -u alice:alice -T "$work/big" 'http://127.0.0.1/app/app.php?body')" 'body=600000'
fetch '/app/app.php?tmp'
like 'a file in /tmp' "$body" '^tmp=OK /tmp/lab'
name=${body#tmp=OK } name=${name%$'\n'}
like 'has her own type' "$(stat -c %C "$name")" ':alice\.temporary:s0$'
no_denial 'the scripting profile suffices'
as bob
serves 'which bob cannot read' "^read $name=refused" "/app/app.php?read=$name"
