# shellcheck shell=bash
# mod_selinux's configurations as its users wrote them: a map of users, then a variable,
# then a default; and its habit of letting the unmatched run as the server.

mod_selinux() { # the directives of a test, on standard input
    {
        echo 'LoadModule selinux_module /lab/modules/mod_confine.so'
        cat
    } | server event setenvif confine
}

printf '%s\n' '# user   domain' 'alice    alice.process:s0   # a comment' \
    '__anonymous__ carol.process:s0' >"$work/mod_selinux.map"
mod_selinux <<CONF
<IfModule mod_selinux.c>
    <Directory /lab/www>
        Include /lab/users.conf
        SetEnvIf X-Place office TARGETDOMAIN=bob.process:s0
        selinuxDomainMap $work/mod_selinux.map
        selinuxDomainEnv TARGETDOMAIN
        selinuxAllowCaches Off
    </Directory>
</IfModule>
CONF
as alice
serves 'the map names her domain' '^page of alice' /alice/index.html
status "bob's page is refused" 403 /bob/index.html
denial 'by the kernel' 'scontext=alice\.process:s0 tcontext=bob\.readable'
as bob
serves 'the variable names the domain of whom the map leaves out' '^page of bob' \
    /bob/index.html '' 'X-Place: office'
status 'and confines him' 403 /alice/index.html '' 'X-Place: office'
denial 'by the kernel' 'scontext=bob\.process:s0 tcontext=alice\.readable'
serves 'with neither he runs as the server, as he did there' '^page of alice' /alice/index.html

mod_selinux <<'CONF'
<Directory /lab/www>
    Include /lab/users.conf
    SetEnvIf X-Place office TARGETDOMAIN=bob.process:s0
    SetEnvIf X-Place server TARGETDOMAIN=*:s0
    selinuxDomainEnv TARGETDOMAIN
    selinuxDomainVal *:s0
</Directory>
CONF
as alice
serves "the server's own domain and range exempt" '^page of bob' /bob/index.html
status 'but not where a variable names them' 500 /bob/index.html '' 'X-Place: server'
logged 'a value does not exempt' "it is the server's own context"
serves 'the variable comes first' '^page of bob' /bob/index.html '' 'X-Place: office'
status 'and confines' 403 /alice/index.html '' 'X-Place: office'

mod_selinux <<'CONF'
<Directory /lab/www>
    Include /lab/users.conf
    selinuxDomainVal alice.process:s0
    ConfineUnmatched deny
</Directory>
CONF
as bob
status 'a domain for everybody' 403 /bob/index.html
denial 'is entered' 'scontext=alice\.process:s0 tcontext=bob\.readable'

configure event confine <<'CONF'
selinuxDomainVal nobody_declared_this_t:s0
CONF
refuses_to_start 'stricter: an unknown domain stops the start' 'selinuxDomainVal: .*nobody_declared_this_t'
