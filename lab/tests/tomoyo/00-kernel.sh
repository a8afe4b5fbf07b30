# shellcheck shell=bash
# TOMOYO is active, and the policy it loaded is the tests' own.

tomoyo=/sys/kernel/security/tomoyo
like 'TOMOYO is among the active security modules' "$(</sys/kernel/security/lsm)" '(^|,)tomoyo(,|$)'
like 'this shell is in a domain' "$(<$tomoyo/self_domain)" '^<kernel> /.* /lab/run$'
like 'the policy is the one from lab/policy/tomoyo' "$(<$tomoyo/exception_policy)" \
    '^initialize_domain /usr/sbin/apache2 from any$'
