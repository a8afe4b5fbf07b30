# shellcheck shell=bash
# Tenants in one bounded domain, kept apart by categories, event and mod_lua.

tenants_server
like 'the server needs no category for it' "$(server_context)" ':httpd_t:s0$'

own() { # USER OTHER CATEGORY
    as "$1"
    forget
    serves "$1 reads the own page" "^page of $1" "/$1/index.html"
    no_denial 'a static file needs no more'
    status "$2's page is refused" 403 "/$2/index.html"
    denial 'by the category' "scontext=tenants\.process:s0:$3 tcontext=tenants\.readable:s0:"
    fetch "/app/app.lua?write=/lab/www/$1/data/lua&write=/lab/www/$2/data/lua"
    like "$1's script writes the own data" "$body" "^write /lab/www/$1/data/lua=OK"
    like "$1's script may not write $2's" "$body" "^write /lab/www/$2/data/lua=Permission denied"
    like 'what it wrote carries the category' "$(stat -c %C "/lab/www/$1/data/lua")" ":tenants\.writable:s0:$3$"
}
own three four c3
own four three c4
