# shellcheck shell=bash disable=SC2034,SC2164 # the story reads it, and ends where something fails
# Subversion, with its own client and a user who may write.
MODULES=(dav dav_svn)
server_hole

prepare() {
    svnadmin create "/srv/$1/repository"
    chown -R www-data: "/srv/$1/repository"
    htpasswd -bcB "/srv/$1/users" kim password-of-kim
}

host() {
    cat <<END
    <Location "/svn">
        DAV svn
        SVNPath "/srv/$1/repository"
        AuthType Basic
        AuthName "notes of $1"
        AuthUserFile "/srv/$1/users"
        <RequireAny>
            Require method GET HEAD OPTIONS PROPFIND REPORT
            Require valid-user
        </RequireAny>
    </Location>
END
    server_hole_host
}

walk() {
    local repository=http://$1.example.org/svn work
    work=$(mktemp -d)
    cd "$work"
    svn() { command svn --non-interactive --no-auth-cache --username kim --password password-of-kim "$@"; }
    svn mkdir -q -m "Folders of walk $2" "$repository/walk-$2" "$repository/walk-$2/trunk" "$repository/walk-$2/branches"
    svn checkout -q "$repository/walk-$2/trunk" mine
    echo "a note of $1, $2" >mine/note.txt
    head -c 300000 /dev/urandom >mine/picture
    svn add -q mine/note.txt mine/picture
    svn propset -q svn:mime-type application/octet-stream mine/picture
    svn commit -q -m "Notes of walk $2" mine
    svn copy -q -m "A branch of walk $2" "$repository/walk-$2/trunk" "$repository/walk-$2/branches/one"
    svn checkout -q "$repository/walk-$2/branches/one" yours
    echo "one more" >>yours/note.txt
    svn lock -q "$repository/walk-$2/branches/one/note.txt"
    svn unlock -q "$repository/walk-$2/branches/one/note.txt"
    svn commit -q -m "One more of walk $2" yours
    svn update -q mine
    svn merge -q "$repository/walk-$2/branches/one" mine
    svn commit -q -m "Merged in walk $2" mine
    cmp mine/note.txt yours/note.txt
    svn log "$repository" | says "Merged in walk $2"
    svn log --search "One more of walk $2" "$repository" | says "One more of walk $2"
    svn blame "$repository/walk-$2/trunk/note.txt" | says 'one more'
    svn diff -c "$(svn info --show-item revision "$repository")" "$repository" | says '+one more'
    svn list -R "$repository" | says "walk-$2/trunk/picture"
    browse "$repository/walk-$2/trunk/note.txt" | says 'one more'
}
