# shellcheck shell=bash
# A kernel without TOMOYO: a rule that wants it stops the server; nothing is served unconfined.

printf '/srv/\\* //dog\n' >"$work/table"
for rule in 'ConfineContext tomoyo://dog' "TOMOYO_TransitionMap $work/table"; do
    configure event confine <<<"$rule"
    refuses_to_start "${rule%% *} without TOMOYO" 'tomoyo is not active in this kernel: it is not among the active security modules'
    echo "#   ${line:0:400}"
done
configure event confine <<'CONF'
ConfineBackend tomoyo
<Location />
    ConfineExpr //dog
</Location>
CONF
refuses_to_start 'an expression without TOMOYO' 'httpd.conf:[0-9]+: ConfineExpr: tomoyo is not active'
