# shellcheck shell=bash
# The application itself tries to get away: to the server's profile, to none, by tokens, by
# another thread's file, by a new thread, by a new process.

people_server
mine=/lab/www/alice/index.html other=/lab/www/bob/index.html

as alice
tries='back=changeprofile+apache2&back=changeprofile+unconfined&back=changeprofile+u&back=changeprofile+lab_bob'
tries+='&back=stack+lab_bob&back=changeprofile+:root:unconfined'
tries+='&back=changehat+0000000000000000^&back=changehat+00000000deadbeef^&back=changehat+00000000deadbeef^carol'
tries+='&leader=changeprofile+lab_bob'
fetch "/alice/escape?$tries&read=$mine&read=$other&thread=$mine&thread=$other&fork=$mine&fork=$other&read=/etc/shadow&context"
# The first word is the file's answer, the second the system call's, which 6.1 has not.
refused='=(EACCES|EPERM|ENOENT) (EACCES|EPERM|ENOENT|ENOSYS)$'
for profile in apache2 unconfined u lab_bob; do
    like "no change to $profile" "$body" "^back changeprofile $profile$refused"
done
like 'nor out of the namespace' "$body" "^back changeprofile :root:unconfined$refused"
like "nor another tenant's on top" "$body" "^back stack lab_bob$refused"
like 'no hat of her own profile' "$body" '^back changehat 00000000deadbeef.carol=E'
like "another thread's file cannot be written" "$body" '^leader .*=(EACCES|EPERM)$'
like 'a new thread is as confined' "$body" "^thread $other=EACCES$"
like 'and as free' "$body" "^thread $mine=OK$"
like 'a new process is as confined' "$body" "^fork $other=EACCES$"
like 'and as free' "$body" "^fork $mine=OK$"
like 'after all that, her file is open, his is not' "$body" "^read $other=EACCES$"
like 'and she is where she was' "$body" '^context=lab_alice \(enforce\)'
denial 'the attempts are on record' 'apparmor="DENIED" operation="(change_profile|open)" .*profile="lab_alice"'
look
echo "$records" | sed 's/^/#   /' | head -n 8

as carol
forget
fetch "/carol/escape?$tries&read=/lab/www/carol/index.html&read=$other&context"
like 'from a hat no change to its parent' "$body" "^back changeprofile apache2$refused"
like 'no token leads out of it' "$body" '^context=apache2//carol \(enforce\)'
like 'its file is open' "$body" '^read /lab/www/carol/index.html=OK'
like "the other's is not" "$body" "^read $other=EACCES"
is 'the server is alive: no token killed it' "$(server_context)" 'apache2 (enforce)'
