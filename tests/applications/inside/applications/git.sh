# shellcheck shell=bash disable=SC2034,SC2164 # the story reads it, and ends where something fails
# git over HTTP (clone, push, fetch) and gitweb, both as CGI programs.
MODULES=(env)
with_cgi
export GIT_AUTHOR_NAME=kim GIT_AUTHOR_EMAIL=kim@example.org GIT_COMMITTER_NAME=kim GIT_COMMITTER_EMAIL=kim@example.org

prepare() {
    local repository=/srv/$1/repositories/notes.git
    git init -q --bare -b main "$repository"
    git -C "$repository" config http.receivepack true
    echo "notes of $1" >"$repository/description"
    chown -R www-data: "/srv/$1/repositories"
    # gitweb's settings are a program in Perl, and this one has a hole.
    cat >"/srv/$1/gitweb.conf" <<END
our \$projectroot = '/srv/$1/repositories';
our \$site_name = 'repositories of $1';
do '/srv/$1/hole/leak.pl';
1;
END
    hole pl "$1"
}

host() {
    cat <<END
    SetEnv GIT_PROJECT_ROOT "/srv/$1/repositories"
    SetEnv GIT_HTTP_EXPORT_ALL
    SetEnv GITWEB_CONFIG "/srv/$1/gitweb.conf"
    ScriptAlias "/git/" "/usr/lib/git-core/git-http-backend/"
    ScriptAlias "/gitweb" "/usr/lib/cgi-bin/gitweb.cgi"
    <Directory "/usr/lib/git-core">
        Require all granted
    </Directory>
END
}

leak() { curl --silent --max-time 20 "http://$1.example.org/gitweb?do=$2&what=$3"; }

walk() {
    local repository=http://$1.example.org/git/notes.git web=http://$1.example.org/gitweb work number
    work=$(mktemp -d)
    cd "$work"
    git clone -q "$repository" mine
    # Enough that the server packs what it sends.
    for number in {1..30}; do
        echo "note $number of $1, $2" >"mine/note-$2-$number"
    done
    git -C mine add .
    git -C mine commit -q -m "Walk $2 of $1"
    git -C mine tag -a -m "walk $2" "walk-$2"
    git -C mine push -q origin HEAD:main --tags
    git clone -q "$repository" yours
    cmp "mine/note-$2-30" "yours/note-$2-30"
    git -C yours checkout -q -b "branch-$2"
    git -C yours commit -q --allow-empty -m "A branch of $1, $2"
    git -C yours push -q origin "branch-$2"
    git -C mine fetch -q
    git -C mine log -1 --format=%s "origin/branch-$2" | says "A branch of $1, $2"
    git -C mine push -q origin --delete "branch-$2"

    browse "$web" | says "notes of $1"
    browse "$web?p=notes.git;a=log" | says "Walk $2 of $1"
    browse "$web?p=notes.git;a=blob_plain;f=note-$2-7;hb=main" | says "note 7 of $1, $2"
    browse "$web?p=notes.git;a=commitdiff;h=main" | says "note-$2-7"
    browse "$web?p=notes.git;a=search;h=main;s=Walk;st=commit" | says "Walk $2 of $1"
    browse --output walk.tar.gz "$web?p=notes.git;a=snapshot;h=walk-$2;sf=tgz"
    tar -tzf walk.tar.gz | says "note-$2-7"
}
