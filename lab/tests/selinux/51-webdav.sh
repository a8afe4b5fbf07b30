# shellcheck shell=bash
# WebDAV: what a user puts is the user's.

tenants_server

as alice
method=PUT status 'alice puts a file' 201 /alice/data/put.txt 'her words'
like 'with the label of her data' "$(stat -c %C /lab/www/alice/data/put.txt)" ':alice\.writable:s0$'
serves 'and reads it' '^her words' /alice/data/put.txt
forget
method=PUT status 'not where she may only read' '(403|500)' /alice/put.txt 'her words'
method=PUT status "not into bob's data" '(403|500)' /bob/data/put.txt 'her words'
denial 'by the kernel' 'scontext=alice\.process:s0 tcontext=bob\.(read|writ)able'
[[ -e /lab/www/bob/data/put.txt ]] && fail 'nothing is left there' 'there is a file'
forget
method=LOCK status 'a lock is taken' 200 /alice/data/put.txt \
    '<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>'
like 'in the database of all' "$(echo /var/lib/mod_confine/dav/*)" '/locks'
no_denial 'with what the block gives'
method=PUT status 'and holds' 423 /alice/data/put.txt 'other words'
method=MKCOL status 'a folder' 201 /alice/data/new/
method=PUT status 'another file' 201 /alice/data/other.txt 'words'
method=DELETE status 'and away' 204 /alice/data/other.txt
as three
method=PUT status 'a tenant by category puts a file' 201 /three/data/put.txt 'words'
like 'with its category' "$(stat -c %C /lab/www/three/data/put.txt)" ':tenants\.writable:s0:c3$'
