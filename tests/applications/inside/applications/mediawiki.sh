# shellcheck shell=bash disable=SC2034,SC2164 # the story reads it, and ends where something fails
# MediaWiki with databases of SQLite's, one code for both sites, and pictures that ImageMagick makes smaller.
MPM=prefork
MODULES=(php8.2)

prepare() {
    mkdir -p "/srv/$1/settings" "/srv/$1/db" "/srv/$1/images" "/srv/$1/cache"
    php /usr/share/mediawiki/maintenance/install.php --dbtype sqlite --dbname wiki --dbpath "/srv/$1/db" --scriptpath '' \
        --server "http://$1.example.org" --confpath "/srv/$1/settings" --pass admins-password --with-extensions "$1" admin
    cat >>"/srv/$1/settings/LocalSettings.php" <<END
\$wgEnableUploads = true;
\$wgUploadDirectory = '/srv/$1/images';
\$wgUploadPath = '/images';
\$wgUseImageMagick = true;
\$wgImageMagickConvertCommand = '/usr/bin/convert';
\$wgFileExtensions[] = 'txt';
\$wgCacheDirectory = '/srv/$1/cache';
\$wgTmpDirectory = '/srv/$1/tmp';
\$wgMainCacheType = CACHE_DB;
END
    chown -R www-data: "/srv/$1/db" "/srv/$1/images" "/srv/$1/cache"
    php_folder "$1"
    hole php "$1"
}

host() {
    cat <<END
    DocumentRoot "/var/lib/mediawiki"
    Alias "/images" "/srv/$1/images"
    <Directory "/var/lib/mediawiki">
        DirectoryIndex index.php
        Options FollowSymLinks
        Require all granted
    </Directory>
    SetEnv MW_CONFIG_FILE "/srv/$1/settings/LocalSettings.php"
END
    php_folder_host "$1"
    hole_host "$1"
}

walk() {
    local wiki=http://$1.example.org page=Walk_$2 token thumb
    : >"$JAR"
    api() { browse --data format=json "$@" "$wiki/api.php"; }
    token() { api --data "action=query&meta=tokens&type=$1" | sed -n "s/.*\"$1token\":\"\([^\"]*\)\".*/\1/p" | sed 's/\\\\/\\/'; }
    browse "$wiki/index.php/Main_Page" | says 'MediaWiki has been installed'
    token=$(token login)
    api --data "action=clientlogin&username=admin&password=admins-password&loginreturnurl=$wiki/" \
        --data-urlencode "logintoken=$token" | says PASS
    browse "$wiki/index.php/Special:Preferences" | says admin
    token=$(token csrf)
    api --data "action=edit&title=$page&summary=walk" --data-urlencode "text=== A note of $1 == [[Main Page]] {{CURRENTTIME}}" \
        --data-urlencode "token=$token" | says Success
    browse "$wiki/index.php/$page" | says "A note of $1"
    browse "$wiki/index.php?title=$page&action=history" | says walk
    browse "$wiki/index.php?title=$page&action=edit" | says wpTextbox1
    convert -size 800x600 gradient:red-blue "/tmp/picture-$2.png"
    browse --form format=json --form action=upload --form "filename=$1-$2.png" --form "file=@/tmp/picture-$2.png" \
        --form ignorewarnings=1 --form "token=$token" "$wiki/api.php" | says Success
    api --data "action=edit&title=$page&appendtext=%0A[[File:$1-$2.png|100px]]" --data-urlencode "token=$token" | says Success
    thumb=$(browse "$wiki/index.php/$page" | sed -n 's/.*src="\(\/images\/thumb[^"]*\)".*/\1/p')
    browse --output /tmp/small.png "$wiki$thumb"
    identify /tmp/small.png | says 100x75
    browse "$wiki/index.php?search=note&fulltext=1" | says "Walk $2"
    browse "$wiki/index.php/Special:RecentChanges" | says "Walk $2"
    browse "$wiki/load.php?modules=startup&only=scripts&raw=1" | says mw.loader
    api --data "action=parse&text=%27%27%27bold%27%27%27&contentmodel=wikitext" | says '<b>bold'
}
