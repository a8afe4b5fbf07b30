# shellcheck shell=bash
# confinectl doctor, in a guest: what it says of SELinux is so.

configure event confine <<'CONF'
<Location />
    ConfineContext alice.process:s0
</Location>
CONF
said=$(/lab/bin/confinectl doctor --config "$work/httpd.conf")
is 'no errors' $? 0
like 'SELinux is among the modules' "$said" '^ok .*active security modules: .*selinux'
like 'it enforces' "$said" '^ok       selinux: enforcing$'
like 'the policy lets threads move' "$said" '^ok       selinux: threads of a server in .*:httpd_t:s0 may set their context$'
like 'the module is found' "$said" '^ok       httpd: confine_module is loaded'
said=$(/lab/bin/confinectl doctor --config "$work/httpd.conf" --server-context system_u:system_r:alice.process:s0)
like 'a domain without the rule is told from it' "$said" '^error    selinux: no thread of a server in .*:alice.process:s0 may move'
