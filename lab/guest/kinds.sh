# shellcheck shell=bash
# Ways by which content of a tenant could run beside its context, the same under every LSM.
# A test names the LSM and the kind:
#
#   . /lab/kinds.sh selinux
#   modes handlers_that_lead_on
#
# What alice's code says it may read tells where it ran: `other=page of bob` is the server's.
own='own=page of alice' refused='other=refused'

case $1 in
    selinux)
        alice=selinux:alice.process:s0 bob=selinux:bob.process:s0 early=$alice early_rule=$alice
        # There a rule behind an early move takes mod_confine.own_proc, which alice's domain has not.
        [[ $(uname -r) != 6.1.* ]] || early_rule=
        ;;
    apparmor) alice=apparmor:lab_alice bob=apparmor:lab_bob early='"apparmor:stack lab_people"' early_rule='"apparmor:stack lab_alice"' ;;
    tomoyo)
        alice=tomoyo://alice bob=tomoyo://bob early=tomoyo://early early_rule='"tomoyo://early //alice"'
        policy </lab/kinds.tomoyo
        ;;
esac

# modes FUNCTION: the function under each gate, and with workers that are kept.
modes() {
    local mode
    for mode in process handler kept; do
        case $mode in
            process) gate='ConfineGate process' ;;
            handler) gate='ConfineGate handler' ;;
            kept) gate=$'ConfineGate handler\nConfineWorkers per-context idle=1' ;;
        esac
        "$1" "$mode"
    done
}

# said WORD: what alice's code said in the error log since it was emptied, a line each.
said_by() { grep -oE "SAID $1 [^\\[]*" "$log" | sed 's/, referer.*//; s/ *$//' | sort -u; }

tenants="
<Directory /lab/www>
    Require all granted
</Directory>
AddHandler lua-script .lua
"

# A map handler of mod_lua runs whatever handler a request has. Rewriting in a directory, and root's type maps,
# lead on before the final resource is decided about.
handlers_that_lead_on() { # MODE
    server event lua rewrite negotiation confine <<CONF
$gate
$tenants
AddHandler type-map .var
LuaMapHandler ^/alice/kinds/(lead|plain)$ /lab/www/alice/kinds/who.lua handle
LuaMapHandler ^/alice/kinds/lead[.]var$ /lab/www/alice/kinds/who.lua handle
<Directory /lab/www/alice/kinds>
    Options FollowSymLinks
    RewriteEngine on
    RewriteRule ^(lead|on)$ /alice/index.html [L]
</Directory>
<Location /alice>
    ConfineContext $alice
</Location>
CONF
    serves "$1: a map handler runs in its context" "^$own $refused" /alice/kinds/plain
    serves "$1: a rewriting in a directory leads on" '^page of alice' /alice/kinds/on
    serves "$1: so does a type map" '^page of alice, among the kinds' /alice/kinds/plain.var
    : >"$log"
    fetch /alice/kinds/lead
    unlike "$1: a map handler on the way does not answer as the server" "$body" 'page of bob'
    fetch /alice/kinds/lead.var
    unlike "$1: nor in place of the type map" "$body" 'page of bob'
    unlike "$1: nor does it run as the server" "$(said_by handler)" 'page of bob'
}

# A handler that names another one, and declines: content of another process is refused as ever.
handlers_that_decline() { # MODE
    # ScriptSock's folder is the server's.
    server event lua cgid proxy proxy_http confine <<CONF
$gate
$tenants
ScriptSock /run/apache2/cgid.sock
LuaMapHandler ^/alice/kinds/cgi$ /lab/www/alice/kinds/decline.lua cgi
LuaMapHandler ^/alice/kinds/proxy$ /lab/www/alice/kinds/decline.lua proxy
LuaMapHandler ^/alice/kinds/proxy-handler$ /lab/www/alice/kinds/decline.lua proxy_handler
<Directory /lab/www/alice>
    Options ExecCGI
</Directory>
<Location /alice>
    ConfineContext $alice
</Location>
CONF
    local way
    serves "$1: a handler runs in its context" "^$own $refused" /alice/kinds/who.lua
    serves "$1: the page behind the proxy is there" '^page of bob' /bob/index.html
    for way in cgi proxy proxy-handler; do
        : >"$log"
        status "$1: a handler that names $way and declines is refused" 403 "/alice/kinds/$way"
        logged "$1: as content of another process" "refused GET /alice/kinds/$way .*another process"
    done
}

# Threads that mod_http2 makes for a connection live longer than a request. None is made in a context.
threads_of_a_connection() { # MODE
    local host_rule='' rule=$alice what='' first=/alice/kinds/up.lua
    if [[ $1 == early ]]; then
        host_rule="ConfineEarly $early" rule=$early_rule what=--ask first=/alice/kinds/slow.lua gate='ConfineGate process'
    fi
    server event lua include http2 confine <<CONF
$gate
$tenants
Protocols h2c http/1.1
H2MinWorkers 1
H2MaxWorkers 8
<Files up.lua>
    SetOutputFilter INCLUDES
    Options +Includes
</Files>
<VirtualHost *:80>
    ServerName free.test
</VirtualHost>
<VirtualHost *:80>
    ServerName alice.test
    $host_rule
    <Location /alice>
        ${rule:+ConfineContext $rule}
    </Location>
</VirtualHost>
CONF
    like "$1: where no rule is, a client may change to HTTP/2" \
        "$(perl /lab/upgrade.pl --ask free.test /free/page.html /free/page.html 1)" '^changed'
    host=alice.test
    serves "$1: alice's code runs in her context" "^$own $refused" /alice/kinds/who.lua
    # shellcheck disable=SC2086 # an option or nothing
    like "$1: not in her context, and she is answered" "$(perl /lab/upgrade.pl $what alice.test "$first" /alice/kinds/slow.lua 8)" '^stays, 200'
    unset host
    nap 2.5 # a worker that is kept is in its context, until it rested for a second
    is "$1: no thread of the server stays in a context" "$(strays)" ''
}

# strays: the contexts of threads of the server's children that are not the server's.
strays() {
    local child task here server
    server=$(thread_context "$(server_pid)" "$(server_pid)")
    while read -r child; do
        for task in "/proc/$child/task/"*; do
            here=$(thread_context "$child" "${task##*/}")
            [[ -z $here || $here == "$server" ]] || echo "$here"
        done
    done < <(pgrep -P "$(server_pid)") | sort | uniq -c
}

# TOMOYO has no file of a thread for it.
thread_context() { # PROCESS THREAD
    local number profile name
    if [[ -e $tomoyo/self_domain ]]; then
        exec {status}<>"$tomoyo/.process_status"
        echo "$2" >&"$status"
        read -r number profile name <&"$status"
        exec {status}>&-
        echo "$name"
    else
        context_of "$1/task/$2"
    fi
}

# Filters of a resource that was refused do not see its body, nor the error.
filters_of_a_refused_request() { # MODE
    printf 'bob %s\n' "$bob" >"$work/bob.map"
    server event lua include confine <<CONF
$gate
$tenants
Alias /ok /lab/www/alice
LuaInputFilter in /lab/www/alice/kinds/who.lua input
LuaOutputFilter out /lab/www/alice/kinds/who.lua output
<Directory /lab/www/alice>
    SetInputFilter in
    SetOutputFilter out
</Directory>
<Directory /lab/www/free>
    Options +Includes
    SetOutputFilter INCLUDES
</Directory>
<Location /ok>
    ConfineContext $alice
</Location>
<Location /alice>
    ConfineMap $work/bob.map
</Location>
CONF
    method=POST serves "$1: where she is allowed, she is served" "^$own $refused" /ok/kinds/who.lua "$(printf '%100s' x)"
    is "$1: and the filters run in her context" "$(said_by '(input|output)' | tr '\n' ';')" \
        "SAID input $own $refused;SAID output $own $refused;"
    serves "$1: a part of a page, too" '^start page of alice' /free/ok.shtml
    : >"$log"
    method=POST status "$1: where she is not, she is refused" 403 /alice/kinds/who.lua "$(printf '%100s' x)"
    fetch /free/alice.shtml
    like "$1: and so is a part of a page" "$body" '^start'
    unlike "$1: of which nothing is sent" "$body" 'page of alice'
    logged "$1: by the rules" 'refused (GET|POST) /alice/'
    is "$1: and no filter ran" "$(said_by '(input|output)' | tr '\n' ';')" ''
}

# Hooks that .htaccess names run in the context or not at all.
hooks_of_htaccess() { # MODE
    local hook
    server event lua confine <<CONF
$gate
$tenants
<Directory /lab/www/alice/kinds/hook>
    AllowOverride Indexes
</Directory>
<Location /alice>
    ConfineContext $alice
</Location>
CONF
    place /lab/www/alice/kinds/hook/.htaccess ''
    serves "$1: a folder with .htaccess" '^page of alice, in the folder of hooks' /alice/kinds/hook/page.html
    for hook in LuaHookFixups LuaHookAccessChecker LuaHookTypeChecker LuaHookLog; do
        place /lab/www/alice/kinds/hook/.htaccess "$hook /lab/www/alice/kinds/who.lua hook"
        : >"$log"
        fetch /alice/kinds/hook/page.html
        nap 0.1
        unlike "$1: $hook does not run as the server" "$headers"$'\n'"$(said_by hook)" 'page of bob'
    done
    rm -f /lab/www/alice/kinds/hook/.htaccess
}

# Pages about the server answer under a rule only where the configuration put them there.
pages_about_the_server() { # MODE
    local page
    server event lua status info confine <<CONF
$gate
$tenants
<Directory /lab/www/alice/kinds/status>
    AllowOverride FileInfo
</Directory>
<Location /alice>
    ConfineContext $alice
</Location>
<Location /adm/confine-status>
    SetHandler confine-status
    ConfineContext unconfined
</Location>
<Location /adm/server-status>
    SetHandler server-status
    ConfineContext unconfined
</Location>
<Location /adm/server-info>
    SetHandler server-info
    ConfineContext unconfined
</Location>
CONF
    for page in confine-status:confine_ server-status:'Server (Version|uptime)' server-info:'Module Name'; do
        fetch "/adm/${page%%:*}"
        like "$1: the administrator sees ${page%%:*}" "$body" "${page#*:}"
        place /lab/www/alice/kinds/status/.htaccess "SetHandler ${page%%:*}"
        fetch /alice/kinds/status/page.html
        unlike "$1: a tenant does not" "$body" "${page#*:}"
    done
    rm -f /lab/www/alice/kinds/status/.htaccess
}

# Native code is not mapped by a script, not even from what the application may read.
native_code() { # MODE
    server event lua confine <<CONF
$gate
$tenants
<Location /alice>
    ConfineContext $alice
</Location>
CONF
    cp /lab/modules/mod_lab_escape.so /lab/www/alice/kinds/code.so
    [[ ! -e /sys/fs/selinux/enforce ]] || restorecon /lab/www/alice/kinds/code.so
    serves "$1: alice's code runs in her context" "^$own $refused" /alice/kinds/who.lua
    serves "$1: where no rule is, a script maps native code" '^linked' /free/native.lua?/lab/modules/mod_lab_escape.so
    serves "$1: a confined one does not" '^refused' /alice/kinds/native.lua?/lab/www/alice/kinds/code.so
}

# OPcache lies in the memory of all: what another tenant's requests compiled is not to be had.
compiled_by_another() { # MODE
    server prefork php confine <<CONF
$gate
<Directory /lab/www>
    Require all granted
</Directory>
AddHandler application/x-httpd-php .php
<Location /alice>
    ConfineContext $alice
</Location>
<Location /bob>
    ConfineContext $bob
</Location>
CONF
    serves "$1: bob's page runs" '^page of bob, in PHP' /bob/config.php
    serves "$1: and again" '^page of bob, in PHP' /bob/config.php
    serves "$1: alice includes her own file, and not his" '^own=password of alice other=refused' /alice/kinds/include.php
}

# place FILE TEXT: written by an administrator, labelled as its folder says.
place() {
    printf '%s\n' "$2" >"$1"
    chmod 644 "$1"
    [[ ! -e /sys/fs/selinux/enforce ]] || restorecon "$1"
}

