# shellcheck shell=bash
# SELinux and Landlock on one rule: each refuses what it does not grant, and the second failing after the
# first succeeded serves nothing.

note=/lab/www/alice/data/note.txt page=/lab/www/alice/index.html other=/lab/www/bob/index.html
mine=/lab/www/dave/index.html
server event lab_escape confine <<CONF
<ConfineLandlock both>
    LandlockABI 1
    LandlockRead $page $other $mine
    LandlockConnect any
    LandlockBind any
    LandlockScope none
</ConfineLandlock>
<Directory /lab/www>
    Require all granted
</Directory>
<LocationMatch ^/(alice|dave)/both>
    SetHandler lab-escape
</LocationMatch>
<Location /alice/both>
    ConfineContext alice.process:s0 landlock:both
</Location>
<Location /dave/both>
    ConfineContext landlock:both dave.process:s0
</Location>
CONF
forget
fetch "/alice/both?read=$page&read=$note&read=$other"
like 'what both grant' "$body" "^read $page=OK"
like 'what SELinux alone grants, Landlock refuses' "$body" "^read $note=EACCES"
like 'what Landlock alone grants, SELinux refuses' "$body" "^read $other=EACCES"
denial 'as the kernel wrote down' 'scontext=alice\.process:s0 tcontext=bob\.readable'

# Before Linux 6.8 the SELinux move writes to /proc, which this ruleset takes away.
fetch "/dave/both?read=$mine"
case $(uname -r) in
    6.1.*)
        is 'Landlock first, then SELinux by /proc: an error' "$code" 500
        unlike 'nothing is served' "$body" '^read '
        logged 'which the log explains' 'name the SELinux context first'
        ;;
    *)
        like 'Landlock first, then SELinux' "$body" "^read $mine=OK"
        boolean lab_dave_allowed 0
        fetch "/dave/both?read=$mine"
        is 'Landlock entered, SELinux refused: an error' "$code" 500
        unlike 'nothing is served' "$body" '^read '
        logged 'the refusal names the second' 'refused GET /dave/both.*context="landlock:both selinux:dave.process:s0".*EACCES'
        boolean lab_dave_allowed 1
        ;;
esac

seventeenth_ruleset SELinux selinux:alice.process:s0
