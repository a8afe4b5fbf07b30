# shellcheck shell=bash
# mod_authn_dbd and a PostgreSQL that keeps users, passwords and domains: the domain is a
# column of the row that proves the user (AUTHENTICATE_DOMAIN).

# The cluster that Debian's package made, in its only version.
set -- /etc/postgresql/*/main
cluster=$1
version=${cluster#/etc/postgresql/} version=${version%/main}
programs=/usr/lib/postgresql/$version/bin
database_pid=/var/lib/postgresql/$version/main/postmaster.pid
as_postgres() { (cd / && exec setpriv --reuid=postgres --regid=postgres --init-groups "$@"); }

# Without what only matters to data that must last.
database_up() {
    mkdir -p /run/postgresql
    chown postgres: /run/postgresql
    restorecon /run/postgresql
    as_postgres setsid "$programs/postgres" -c "config_file=$cluster/postgresql.conf" \
        -c ssl=off -c fsync=off -c jit=off -c autovacuum=off -c shared_buffers=1MB -c max_connections=20 \
        -c max_wal_senders=0 -c wal_level=minimal -c max_logical_replication_workers=0 \
        </dev/null >>/var/log/postgresql/lab.log 2>&1 {never}>&- &
    for ((i = 0; i < 400; i++)); do
        nap 0.05
        [[ ! -s $database_pid || $(<"$database_pid") != *ready* ]] || return 0
    done
    fail 'the database starts' "$(</var/log/postgresql/lab.log)"
    exit 0
}

database_down() {
    local pid
    [[ -s $database_pid ]] || return 0
    read -r pid <"$database_pid"
    kill -QUIT "$pid"
    while [[ -d /proc/$pid ]]; do nap 0.05; done
    rm -f "$database_pid"
}
trap database_down EXIT

database_up
{
    # The server's own account, known by its name at the local socket (peer).
    echo 'CREATE USER "www-data"; CREATE DATABASE web;'
    echo '\connect web'
    echo 'CREATE TABLE account (name text PRIMARY KEY, password text NOT NULL, domain text);'
    while IFS=: read -r name hash; do
        echo "INSERT INTO account VALUES ('$name', '$hash', NULL);"
    done </lab/users
    echo "UPDATE account SET domain = name || '.process:s0' WHERE name IN ('alice', 'bob');"
    echo "UPDATE account SET domain = '' WHERE name = 'four';"
    echo "UPDATE account SET domain = 'nobody.process:s0' WHERE name = 'one';"
    echo "UPDATE account SET domain = 'forbidden.process:s0' WHERE name = 'two';"
    echo "UPDATE account SET domain = 'unconfined' WHERE name = 'three';"
    echo 'GRANT SELECT ON account TO "www-data";'
} >"$work/account.sql"
said=$(as_postgres "$programs/psql" -qX -v ON_ERROR_STOP=1 <"$work/account.sql" 2>&1)
is 'users are in the database' "$said" ''
read -r pid <"$database_pid"
like 'which runs in its own domain' "$(context_of "$pid")" ':postgresql_t:s0'

dbd_server() { # MPM RULE...
    local mpm=$1
    shift
    server "$mpm" dbd authn_dbd confine < <(
        cat <<'CONF'
DBDriver pgsql
DBDParams "host=/run/postgresql dbname=web"
# A connection that broke loses its prepared statements when apr_dbd_pgsql opens it again, and
# then finds nobody: idle ones are closed.
DBDMin 0
DBDKeep 0
DBDMax 4
DBDExptime 1
<Directory /lab/www>
    AuthType Basic
    AuthName lab
    AuthBasicProvider dbd
    AuthDBDUserPWQuery "SELECT password, domain FROM account WHERE name = %s"
    Require valid-user
CONF
        printf '    %s\n' "$@" '</Directory>'
    )
}

users_by_column() {
    forget
    as alice
    serves "$mpm: her column names alice's domain" '^page of alice' /alice/index.html
    no_denial 'reaching the database needs no more policy'
    status "$mpm: bob's page is refused to her" 403 /bob/index.html
    denial 'by the kernel' 'scontext=alice\.process:s0 tcontext=bob\.readable'
    logged 'the decision is logged' 'confined GET /alice/index.html user=alice .*context=selinux:alice\.process:s0'
    as bob
    serves "$mpm: his column names bob's" '^page of bob' /bob/index.html
    status "$mpm: alice's page is refused to him" 403 /alice/index.html
    denial 'by the kernel' 'scontext=bob\.process:s0 tcontext=alice\.readable'
    for user in shop four; do # NULL and the empty text
        serves "$mpm: $user has no domain: the next rule" '^page of carol' /carol/index.html
        status "$mpm: which confines" 403 /alice/index.html
        denial 'by the kernel' 'scontext=carol\.process:s0 tcontext=alice\.readable'
    done
    for user in one two three; do # unknown, not permitted, no context at all
        status "$mpm: $user's domain cannot be entered" 500 /carol/index.html
        unlike 'and nothing is served' "$body" 'page of'
        logged 'the log says why' "refused GET /carol/index.html user=$user "
    done
    anonymous
    status "$mpm: a wrong password proves nothing" 401 /alice/index.html '' "Authorization: Basic YWxpY2U6Ym9i"
}

database_goes_away() {
    database_down
    as alice
    # 401 as long as httpd has a connection that was up: the driver then finds no such user.
    status "$mpm: without its database nobody is served" '401|500' /alice/index.html
    unlike 'nothing at all' "$body" 'page of'
    nap 1.1
    status "$mpm: nor later" 500 /bob/index.html
    unlike 'nothing at all' "$body" 'page of'
    logged 'the log says why' 'dbd.*(DBD|AH006).*'
    database_up
    for ((i = 0; i < 50; i++)); do
        fetch /alice/index.html
        [[ $code == 200 ]] && break
        nap 0.1
    done
    like "$mpm: when it is back she is served, by the same server" "$code $body" '^200 page of alice'
    status "$mpm: confined" 403 /bob/index.html
}

mpm=event
dbd_server event 'selinuxDomainEnv AUTHENTICATE_DOMAIN' 'selinuxDomainVal carol.process:s0'
users_by_column
database_goes_away

mpm=prefork
dbd_server prefork 'ConfineEnv AUTHENTICATE_DOMAIN' 'ConfineContext carol.process:s0'
users_by_column
database_goes_away

# The next one finds the cluster as Debian made it.
stop
echo 'DROP DATABASE web; DROP USER "www-data";' >"$work/account.sql"
said=$(as_postgres "$programs/psql" -qX -v ON_ERROR_STOP=1 <"$work/account.sql" 2>&1)
is 'users are out of the database' "$said" ''
