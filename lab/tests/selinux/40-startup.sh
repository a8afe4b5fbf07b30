# shellcheck shell=bash
# What cannot work is found at startup, with file, line and the line of policy that lacks.

refused_context() { # NAME CONTEXT PATTERN
    configure event confine <<CONF
<Directory /lab/www>
    Require all granted
    ConfineContext $2
</Directory>
CONF
    refuses_to_start "$1" "$3"
    echo "#   ${line:0:400}"
}
refused_context 'an unbounded domain' unbounded.process:s0 'httpd.conf:[0-9]+: .*\(typebounds httpd_t unbounded.process\)'
refused_context 'a move that is not allowed' forbidden.process:s0 'httpd.conf:[0-9]+: .*\(allow httpd_t forbidden.process \(process \(dyntransition\)\)\)'
refused_context 'an unknown type' nobody.process:s0 'httpd.conf:[0-9]+: .*nobody.process'
refused_context 'a type of files' alice.readable:s0 'httpd.conf:[0-9]+: .*alice.readable'
refused_context 'no context at all' 'nonsense:::' 'httpd.conf:[0-9]+: .*nonsense'
refused_context 'a category that does not exist' '*:s0:c5000' 'httpd.conf:[0-9]+: .*c5000'

printf 'alice alice.process:s0\nbob unbounded.process:s0\n' >"$work/bad.map"
configure event confine <<CONF
<Directory /lab/www>
    Require all granted
    ConfineMap $work/bad.map
</Directory>
CONF
refuses_to_start 'a map with such a line' 'bad.map:2.*unbounded.process'
echo "#   ${line:0:400}"
