# shellcheck shell=bash
# What a lab test is written with. A test is a shell file of small steps:
#
#   server event <<'CONF'                     start httpd with this configuration
#   ...
#   CONF
#   as alice                                  the HTTP user of the requests that follow
#   serves 'her own page' 'page of alice' /alice/index.html
#   status 'the page of bob' 403 /bob/index.html
#   denial 'the kernel said no' 'alice.process.*bob.readable'
#
# Every check prints `ok NAME` or `not ok NAME: why`; `#` lines are for the reader.

# A place whose files the server may read.
work=/run/apache2/lab
log=/var/log/apache2/error.log
pid_file=/run/apache2/lab.pid
mkdir -p "$work"

# nap SECONDS: sleep, without starting a program.
[[ -p $work/never ]] || mkfifo "$work/never"
exec {never}<>"$work/never"
nap() { read -rt "$1" -u "$never"; }

uptime_s() {
    local up rest
    read -r up rest </proc/uptime
    echo "$up"
}

context_of() {
    local context
    IFS= read -r -d '' context 2>/dev/null <"/proc/$1/attr/current"
    echo "${context%$'\n'}"
}

own_context() { context_of "$BASHPID"; }

# ---- checks ---------------------------------------------------------------

pass() { echo "ok $1"; }

fail() {
    echo "not ok $1: ${2//$'\n'/|}"
    log_lines 2
}

skip() { echo "skip $1: $2"; }

# matching TEXT PATTERN: is there a line like this? It is in $line.
matching() {
    while IFS= read -r line; do
        [[ $line =~ $2 ]] && return 0
    done <<<"$1"
    return 1
}

is() { # NAME GOT WANTED
    if [[ $2 == "$3" ]]; then pass "$1"; else fail "$1" "got '$2', wanted '$3'"; fi
}

like() { # NAME TEXT PATTERN
    if matching "$2" "$3"; then pass "$1"; else fail "$1" "wanted /$3/ in: ${2:0:400}"; fi
}

unlike() { # NAME TEXT PATTERN
    if matching "$2" "$3"; then fail "$1" "did not want /$3/, got: $line"; else pass "$1"; fi
}

# ---- requests -------------------------------------------------------------

# The user's name twice, in base64.
declare -A credentials
while read -r user code; do credentials[$user]=$code; done </lab/credentials
user=
as() { user=$1; }
anonymous() { user=; }

# request METHOD PATH [BODY [HEADER...]]: $code, $headers, $body. Spoken by bash itself,
# as curl takes 0.4 s to start here; ciphers, HTTP/2 and big files are curl's.
request() {
    local method=$1 path=$2 content=${3-} header reply=
    shift 2
    (($# == 0)) || shift
    code=000 headers='' body=''
    exec {http}<>/dev/tcp/127.0.0.1/80 || return 0
    {
        printf '%s %s HTTP/1.0\r\nHost: %s\r\n' "$method" "$path" "${host:-localhost}"
        [[ -z $user ]] || printf 'Authorization: Basic %s\r\n' "${credentials[$user]}"
        [[ -z $content ]] || printf 'Content-Length: %s\r\n' "${#content}"
        for header in "$@"; do printf '%s\r\n' "$header"; done
        printf '\r\n%s' "$content"
    } >&"$http"
    # By number of bytes, as only then bash reads more than one at a time from a socket.
    IFS= read -r -t 20 -N 9000000 reply <&"$http"
    if [[ $reply == HTTP/* ]]; then
        code=${reply:9:3}
        headers=${reply%%$'\r\n\r\n'*}
        body=${reply:${#headers}+4}
        headers=${headers//$'\r'/}
    fi
    exec {http}>&-
}

fetch() { request GET "$@"; }

status() { # NAME CODE PATH [BODY [HEADER...]]
    local name=$1 wanted=$2
    shift 2
    request "${method:-GET}" "$@"
    if [[ $code =~ ^($wanted)$ ]]; then
        pass "$name"
    else
        fail "$name" "status $code, wanted $wanted; body: ${body:0:200}"
    fi
}

serves() { # NAME PATTERN PATH [BODY [HEADER...]]: a 200 with such a line
    local name=$1 pattern=$2
    shift 2
    request "${method:-GET}" "$@"
    if [[ $code == 200 ]] && matching "$body" "$pattern"; then
        pass "$name"
    else
        fail "$name" "wanted 200 and /$pattern/, got $code: ${body:0:300}"
    fi
}

# ---- what the kernel and the server wrote ---------------------------------

# Audit records since the last `forget`, into $records; shortened for reading.
records=
look() {
    local record
    while IFS= read -r record; do
        [[ $record =~ type=(1400|1401|1403|1404)' audit('[^')']*'): '+(.*) ]] || continue
        record=${BASH_REMATCH[1]} line=${BASH_REMATCH[2]}
        [[ $line != *'comm="dmesg"'* ]] || continue
        line=${line//system_u:system_r:/}
        line=${line//system_u:object_r:/}
        [[ $line =~ ^(.*)' pid='[0-9]+(.*)$ ]] && line=${BASH_REMATCH[1]}${BASH_REMATCH[2]}
        [[ $line =~ ^(.*)' dev="'[^\"]*'" ino='[0-9]+(.*)$ ]] && line=${BASH_REMATCH[1]}${BASH_REMATCH[2]}
        records+="$record ${line% permissive=0}"$'\n'
    done < <(dmesg -c)
}

forget() { dmesg -C; records=; }

denial() { # NAME PATTERN: there is a record like this; show it
    look
    if matching "$records" "$2"; then
        pass "$1"
        echo "#   $line"
    else
        fail "$1" "no audit record like /$2/; there are: ${records:0:600}"
    fi
}

no_denial() { # NAME [PATTERN]: nothing was refused since `forget`
    look
    if matching "$records" "${2:-denied}"; then fail "$1" "$line"; else pass "$1"; fi
}

log_lines() {
    local lines=()
    [[ -e $log ]] && mapfile -t lines <"$log"
    ((${#lines[@]})) || return 0
    printf '#   log: %.300s\n' "${lines[@]: -$1}"
}

logged() { # NAME PATTERN: the error log has such a line; show it
    if matching "$(<"$log")" "$2"; then
        pass "$1"
        echo "#   ${line#*] }"
    else
        fail "$1" "no line like /$2/ in the error log"
    fi
}

not_logged() { # NAME PATTERN
    if matching "$(<"$log")" "$2"; then fail "$1" "$line"; else pass "$1"; fi
}

# The policy of tenants in the server's own domain (conf/selinux/mod_confine_mcs.cil).
mcs_policy() {
    stop
    [[ -e $work/mcs ]] || dd if=/etc/selinux/mcs.policy of=/sys/fs/selinux/load bs=16M status=none
    : >"$work/mcs"
}

# boolean NAME 0|1: setsebool(8), without starting it.
boolean() {
    echo "$2" >"/sys/fs/selinux/booleans/$1"
    echo 1 >/sys/fs/selinux/commit_pending_bools
}

# ---- TOMOYO ---------------------------------------------------------------

tomoyo=/sys/kernel/security/tomoyo
httpd_domain='<kernel> /usr/sbin/apache2'

# policy <LINES: into the kernel's domain policy, as tomoyo-loadpolicy -d would, without starting it.
policy() {
    local lines
    mapfile -t lines
    printf '%s\n' "${lines[@]}" >"$tomoyo/domain_policy"
}

# domain NAME: what the loaded policy has below this name; nothing if it has no such domain.
domain() {
    local found='' line
    while IFS= read -r line; do
        case $line in
            "$1") found=1 ;;
            '<'*) found= ;;
        esac
        [[ -z $found ]] || printf '%s\n' "$line"
    done < <(tomoyo-savepolicy -d)
}

# domain_of PROCESS: where the kernel says that it is.
domain_of() {
    local answer line
    exec {answer}<>"$tomoyo/domain_policy"
    echo "select pid=$1" >&"$answer"
    line=$(cat <&"$answer")
    exec {answer}>&-
    echo "$line"
}

# Refusals since the last `forget_refusals`, a line each: domain, and what it was refused. The kernel
# keeps the first thousand lines that nobody read, those of permissive domains among them.
refusals=
forget_refusals() { cat "$tomoyo/audit" >/dev/null; refusals=; }
look_at_refusals() {
    local text head='' name=''
    while IFS= read -r text; do
        case $text in
            '#'*) head=$text name= ;;
            '') ;;
            *)
                if [[ -z $name ]]; then
                    name=$text
                elif [[ $head == *mode=enforcing*granted=no* ]]; then
                    refusals+="enforcing $name: $text"$'\n'
                fi
                ;;
        esac
    done < <(cat "$tomoyo/audit")
}

refused() { # NAME PATTERN
    look_at_refusals
    if matching "$refusals" "$2"; then
        pass "$1"
        echo "#   tomoyo: $line"
    else
        fail "$1" "no refusal like /$2/; there are: ${refusals:0:600}"
    fi
}

no_refusal() { # NAME PATTERN
    look_at_refusals
    if matching "$refusals" "$2"; then fail "$1" "$line"; else pass "$1"; fi
}

# The shipped policy, with the folders that it is about: four programs, each with a note.
programs='dog.example.com/blog dog.example.com/shop cat.example.com/blog cat.example.com/shop'
shipped_policy() {
    local program
    tomoyo-loadpolicy -e </lab/conf/tomoyo/exception_policy.conf
    policy </lab/conf/tomoyo/domain_policy.conf
    for program in $programs; do
        mkdir -p "/srv/www/$program"
        echo "page of $program" >"/srv/www/$program/index.html"
        echo "note of $program" >"/srv/www/$program/note.txt"
    done
}

# ---- the server -----------------------------------------------------------

# configure MPM [MODULE...] <CONF: the modules that a test needs beside the usual ones;
# `lab_escape` and `confine` are ours.
configure() {
    local mpm=$1 module
    shift
    {
        echo "LoadModule mpm_${mpm}_module /usr/lib/apache2/modules/mod_mpm_$mpm.so"
        echo "$(</lab/httpd.conf)"
        for module in "$@"; do
            case $module in
                php) echo 'LoadModule php_module /usr/lib/apache2/modules/libphp8.2.so' ;;
                confine | lab_*) echo "LoadModule ${module}_module /lab/modules/mod_$module.so" ;;
                *) echo "LoadModule ${module}_module /usr/lib/apache2/modules/mod_$module.so" ;;
            esac
        done
        cat
    } >"$work/httpd.conf"
}

# As an administrator would, from initrc_t, in a session of its own, because it signals
# its whole process group when it stops. It may not use the terminal: call it in $(...).
httpd() { setsid -w apache2 -f "$work/httpd.conf" "$@" 2>&1 {never}>&-; }

listening() { { exec {probe}<>/dev/tcp/127.0.0.1/80; } 2>/dev/null && exec {probe}>&-; }

server_pid() { [[ -s $pid_file ]] && echo "$(<"$pid_file")"; }

server_context() { context_of "$(<"$pid_file")"; }

# A test cannot go on without its server.
start() {
    local tries=0
    : >"$log"
    forget
    said=$(httpd -k start) || tries=200
    until [[ -s $pid_file ]] && listening; do
        if ((++tries > 200)); then
            fail 'httpd starts' "$said"
            log_lines 4
            exit 0
        fi
        nap 0.03
    done
}

stop() {
    local pid tries=0
    [[ ! -e $work/running.conf ]] || : >"$work/running.conf"
    pid=$(server_pid) || return 0
    kill -TERM "$pid" 2>/dev/null
    while [[ -d /proc/$pid ]] && ((++tries < 400)); do nap 0.03; done
    kill -KILL "$pid" 2>/dev/null
    rm -f "$pid_file"
}

# server MPM [MODULE...] <CONF: a server that runs with exactly this is taken as it is.
server() {
    configure "$@"
    if [[ -s $pid_file && -e $work/running.conf && $(<"$work/httpd.conf") == "$(<"$work/running.conf")" ]]; then
        : >"$log"
        forget
        return
    fi
    stop
    start
    echo "$(<"$work/httpd.conf")" >"$work/running.conf"
}

# The server of most tests: event MPM, all tenants of users.map, each way of serving.
tenants_server() { server event lua dav dav_fs ssl http2 lab_escape confine </lab/tenants.conf; }

# The same in PHP, which wants prefork.
php_server() { server prefork php confine </lab/php.conf; }

# graceful: a new generation of children, the old ones finish.
graceful() {
    kill -USR1 "$(server_pid)"
    nap "${1:-0.5}"
}

# refuses_to_start NAME PATTERN: and says so
refuses_to_start() {
    stop
    : >"$log"
    forget
    said=$(httpd -k start)
    nap 0.2
    like "$1" "$said"$'\n'"$(<"$log")" "$2"
    [[ ! -s $pid_file ]] || fail "$1: nothing runs" 'a server does'
}

# ---- AppArmor -------------------------------------------------------------

# The server of most tests under AppArmor, in a profile of its own.
people_server() { server event lua lab_escape confine </lab/people.conf; }

# A server with alice's CGI programs, whose users are in MAP. LINE is one more line of its configuration.
cgi_server() { # MPM MODULE MAP [LINE]
    server "$1" "$2" confine <<CONF
${4-}
<Directory /lab/www>
    Include /lab/users.conf
    ConfineMap $3
</Directory>
<Directory /lab/www/alice/cgi>
    Options ExecCGI
    SetHandler cgi-script
</Directory>
CONF
}

# Writes an authentication hook in Lua. It reads the first line of FILE, and X-Outside says what it got.
hook_that_reads() { # SCRIPT FILE
    cat >"$1" <<LUA
function check(r)
    local file, why = io.open("$2", "r")
    r.user = "somebody"
    r.headers_out["X-Outside"] = file and file:read("*l") or why
    return apache2.OK
end
LUA
    chmod 644 "$1"
}

# The kernel takes 16 rulesets on one thread, so the seventeenth fails after the LSM has moved the thread to CONTEXT.
seventeenth_ruleset() { # LSM CONTEXT (with its prefix)
    local i layers=
    for i in {1..17}; do layers+=" landlock:layer$i"; done
    stop
    server event confine < <(
        for i in {1..17}; do
            printf '%s\n' "<ConfineLandlock layer$i>" 'LandlockABI 1' 'LandlockRead /' 'LandlockWrite /' '</ConfineLandlock>'
        done
        printf '%s\n' '<Directory /lab/www>' 'Require all granted' '</Directory>' \
            '<Location /alice>' "ConfineContext $2${layers% *}" '</Location>' \
            '<Location /alice/data>' "ConfineContext $2$layers" '</Location>'
    )
    serves 'sixteen rulesets: served' '^page of alice' /alice/index.html
    status "the seventeenth is refused after $1 moved the thread: an error" 500 /alice/data/note.txt
    unlike 'nothing is served' "$body" 'kept by'
    logged 'the log says why' "refused GET /alice/data/note.txt .*context=\"$2 landlock:layer1 .*E2BIG"
    logged 'the rule before it was fine' 'confined GET /alice/index.html .*landlock:layer16"'
}

# ---- workers kept per context ---------------------------------------------

# worker USER [QUERY]: the id of the thread that serves this user's application, in $tid.
worker() {
    as "$1"
    fetch "/$1/escape?tid&${2-}"
    tid=none
    [[ $code == 200 && $body =~ ^tid=([0-9]+) ]] && tid=${BASH_REMATCH[1]}
}

# Two users in turn, then what alice's application tries in her worker (QUERY), then many requests
# over few connections. For a server with `ConfineWorkers per-context` and lab-escape.
kept_workers() { # QUERY
    local user i alice='' bob=''
    for i in 1 2 3 4; do
        for user in alice bob; do
            worker "$user" "read=/lab/www/alice/index.html&read=/lab/www/bob/index.html"
            like "$user, round $i: reads the own page" "$body" "^read /lab/www/$user/index.html=OK"
            unlike "$user, round $i: and no other" "${body//"/$user/index.html=OK"/}" '=OK'
            [[ $user == alice ]] && alice+=" $tid" || bob+=" $tid"
        done
    done
    # shellcheck disable=SC2086
    set -- "$1" $alice $bob
    is 'four requests of alice, one thread' "$alice" " $2 $2 $2 $2"
    is 'four requests of bob, one thread' "$bob" " $6 $6 $6 $6"
    if [[ $2 != none && $2 != "$6" ]]; then pass 'not the same'; else fail 'not the same' "$2, $6"; fi

    worker alice "$1&read=/lab/www/bob/index.html&thread=/lab/www/bob/index.html"
    is 'alice tries to get across, in her worker' "$tid" "$2"
    like 'his page stays closed to her' "$body" '^read /lab/www/bob/index.html=E(ACCES|PERM)'
    like 'to a new thread, too' "$body" '^thread /lab/www/bob/index.html=E(ACCES|PERM)'
    tries=$body
    worker bob
    is "bob's worker is still his" "$tid" "$6"
    is '200 mixed requests over 3 connections, each answered as it should be' \
        "$(perl /lab/mixed.pl 200 3 --keep alice bob)" '200 '
    worker alice "read=/lab/www/alice/index.html&read=/lab/www/bob/index.html"
    # By now each may have several workers.
    if [[ $tid != none && $tid != "$6" ]]; then pass "alice is in none of bob's"; else fail "alice is in none of bob's" "$tid"; fi
    like 'where she reads her page' "$body" '^read /lab/www/alice/index.html=OK'
    like 'and not his' "$body" '^read /lab/www/bob/index.html=E(ACCES|PERM)'
    anonymous
}
