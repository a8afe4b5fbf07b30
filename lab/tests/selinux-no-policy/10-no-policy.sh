# shellcheck shell=bash
# SELinux is active and no policy was loaded at boot, so the kernel permits everything: a
# rule that wants it stops the server; nothing is served unconfined.

like 'the kernel has SELinux' "$(</sys/kernel/security/lsm)" '(^|,)selinux(,|$)'
like 'and no policy' "$(own_context)" '^kernel$|^$'

stops() { # NAME RULE...: the server does not start, and says that a policy lacks
    local name=$1
    shift
    configure event confine < <(printf '%s\n' '<Directory /lab/www>' 'Require all granted' "$@" '</Directory>')
    refuses_to_start "$name" 'selinux is not active.*no policy'
    echo "#   ${line:0:300}"
}
printf 'alice alice.process:s0\n' >"$work/no-policy.map"
stops 'a context' 'ConfineContext alice.process:s0'
stops 'a map' "ConfineMap $work/no-policy.map"
stops 'an environment variable' 'ConfineEnv TENANT'
stops "mod_selinux's directives" 'selinuxDomainVal alice.process:s0'
said=$(httpd -t)
like 'httpd -t says the same' "$said" 'selinux is not active.*no policy'

server event confine <<'CONF'
<Directory /lab/www>
    Require all granted
</Directory>
CONF
serves 'a server without rules serves' '^page of alice' /alice/index.html
