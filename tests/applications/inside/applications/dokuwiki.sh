# shellcheck shell=bash disable=SC2034,SC2164 # the story reads it, and ends where something fails
# DokuWiki in Debian's form for several sites: one code, and for each site its settings and its pages.
MPM=prefork
MODULES=(php8.2)

prepare() {
    local site=$1.example.org
    dokuwiki-addsite --no-admin "$site"
    echo "admin:$(printf admins-password | md5sum | cut -d' ' -f1):Admin:admin@example.org:admin,user" \
        >"/var/lib/dokuwiki/farm/$site/acl/users.auth.php"
    php_folder "$1"
    hole php "$1"
}

host() {
    cat <<END
    DocumentRoot "/usr/share/dokuwiki"
    <Directory "/usr/share/dokuwiki">
        DirectoryIndex doku.php
        Options FollowSymLinks
        Require all granted
    </Directory>
END
    php_folder_host "$1"
    hole_host "$1"
}

walk() {
    local wiki=http://$1.example.org page=walk-$2 form token
    : >"$JAR"
    browse "$wiki/doku.php?id=start" | says "$1.example.org"
    browse --location --data 'do=login&id=start&u=admin&p=admins-password' "$wiki/doku.php" | says 'Admin'
    form=$(browse "$wiki/doku.php?id=$page&do=edit")
    token=$(field sectok <<<"$form")
    browse --location --output saved --data "id=$page&rev=0&prefix=.&suffix=&do[save]=1&summary=walk&target=section" \
        --data-urlencode "wikitext=====Walk $2==== a note of $1" --data "sectok=$token" \
        --data "date=$(field date <<<"$form")&changecheck=$(field changecheck <<<"$form")" "$wiki/doku.php"
    browse "$wiki/doku.php?id=$page" | says "a note of $1"
    # Browsers fetch this picture with each page, and the server writes its index.
    browse --output picture "$wiki/lib/exe/taskrunner.php?id=$page"
    browse "$wiki/doku.php?do=search&q=note" | says "$page"
    echo "a file of $1, $2" >"note-$2.vtt"
    browse --form call=mediaupload --form ns= --form "sectok=$token" --form "qqfile=@note-$2.vtt" "$wiki/lib/exe/ajax.php" |
        says '"success":true'
    browse "$wiki/lib/exe/fetch.php?media=note-$2.vtt" | says "a file of $1, $2"
    convert -size 400x300 xc:red "picture-$2.png"
    browse --form call=mediaupload --form ns= --form "sectok=$token" --form "qqfile=@picture-$2.png" "$wiki/lib/exe/ajax.php" |
        says '"success":true'
    browse --output small.png "$wiki/lib/exe/fetch.php?media=picture-$2.png"
    file=$(head -c 8 small.png | od -An -c)
    says 'P   N   G' <<<"$file"
    browse "$wiki/doku.php?id=$page&do=revisions" | says walk
    browse "$wiki/doku.php?id=start&do=admin&page=config" | says 'Configuration'
    browse "$wiki/lib/exe/css.php?t=dokuwiki" | says '{'
    # It is made anew every five minutes.
    browse "$wiki/feed.php" | says 'walk-1'
}
