# shellcheck shell=bash
# What the kernel and the shipped policy promise, without httpd: one thread of several
# moves, to a bounded domain only, and there is no way back.

S=system_u:system_r
mine=/lab/www/alice/index.html
other=/lab/www/bob/index.html
as_www() { setpriv --reuid=33 --regid=33 --clear-groups /lab/bin/thread-move "$@" 2>&1; }

interface() {
    how=$1 flag=$2
    got=$(as_www "$flag" -b "$S:httpd_t:s0" "$S:alice.process:s0" "$mine" "$other")
    like "$how: a thread moves to a bounded domain" "$got" '^move=OK$'
    like "$how: the main thread stays the server" "$got" '^main=.*:httpd_t:s0'
    like "$how: a thread it makes is as confined" "$got" "^child-read $other=EACCES$"
    like "$how: it reads its own file" "$got" "^read $mine=OK$"
    like "$how: another's file is refused" "$got" "^read $other=EACCES$"
    like "$how: no way back" "$got" '^back=(EACCES|EPERM)$'
    denial "$how: the refusals are on record" 'denied .*alice\.process:s0 tcontext=bob\.readable'

    like "$how: a domain that httpd_t does not bound" "$(as_www "$flag" "$S:unbounded.process:s0")" '^move=EPERM$'
    denial "$how: the record names the bounds" 'op=security_bounded_transition .*unbounded\.process'
    like "$how: a move that the policy does not allow" "$(as_www "$flag" "$S:forbidden.process:s0")" '^move=EACCES$'
    denial "$how: the record names the move" 'denied  \{ dyntransition \}.*forbidden\.process'
    like "$how: an unknown type" "$(as_www "$flag" "$S:nobody.process:s0")" '^move=EINVAL$'
    like "$how: a type that is not for processes" "$(as_www "$flag" "$S:alice.readable:s0")" '^move=EINVAL$'
    like "$how: one thread alone needs no bounds" "$(as_www "$flag" -s "$S:unbounded.process:s0")" '^move=OK$'
    forget

    got=$(as_www "$flag" -h "$mine" "$S:bob.process:s0")
    like "$how: a file opened before the move is checked again" "$got" "^held $mine=EACCES$"
    denial "$how: and that is on record" 'denied  \{ read \}.*bob\.process:s0 tcontext=alice\.readable'
}

interface proc -p
like "another thread's attr cannot be written" "$(as_www -o "$S:alice.process:s0")" '^move=EACCES$'
case $(uname -r) in
    6.1.*) like 'this kernel has no lsm_set_self_attr' "$(as_www -l "$S:alice.process:s0")" '^move=ENOSYS$' ;;
    *) interface syscall -l ;;
esac
