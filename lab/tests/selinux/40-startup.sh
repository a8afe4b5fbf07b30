# shellcheck shell=bash
# What cannot work is found at startup, all of it at once, with file, line and the line of
# policy that lacks.

printf 'alice alice.process:s0\nbob unbounded.process:s0\n' >"$work/bad.map"
configure event confine <<CONF
<Directory /lab/www>
    Require all granted
</Directory>
<Location /1>
    ConfineContext unbounded.process:s0
</Location>
<Location /2>
    ConfineContext forbidden.process:s0
</Location>
<Location /3>
    ConfineContext nobody.process:s0
</Location>
<Location /4>
    ConfineContext alice.readable:s0
</Location>
<Location /5>
    ConfineContext nonsense:::
</Location>
<Location /6>
    ConfineContext *:s0:c5000
</Location>
<Location /7>
    ConfineMap $work/bad.map
</Location>
CONF

refuses_to_start 'an unbounded domain' 'httpd.conf:[0-9]+: .*\(typebounds httpd_t unbounded.process\)'
says() {
    like "$1" "$said" "$2"
    echo "#   ${line:0:500}"
}
says 'a move that is not allowed' 'httpd.conf:[0-9]+: .*\(allow httpd_t forbidden.process \(process \(dyntransition\)\)\)'
says 'an unknown type' 'httpd.conf:[0-9]+: .*\(type nobody.process\)'
says 'a type of files' 'httpd.conf:[0-9]+: .*alice.readable'
says 'no context at all' 'httpd.conf:[0-9]+: .*nonsense'
says 'a category that does not exist' 'httpd.conf:[0-9]+: .*c5000'
says 'a map with such a line' 'bad.map:2: .*unbounded.process'

said=$(httpd -t)
like 'httpd -t says the same' "$said" 'httpd.conf:[0-9]+: .*\(typebounds httpd_t unbounded.process\)'
