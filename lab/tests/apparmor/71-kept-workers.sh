# shellcheck shell=bash
# ConfineWorkers per-context: each user's worker serves that user again, and nobody else.

server event lab_escape confine <<'CONF'
ConfineGate handler
ConfineWorkers per-context idle=120
<Directory /lab/www>
    Include /lab/users.conf
    ConfineMap /lab/people.map
</Directory>
<LocationMatch ^/[a-z]+/escape$>
    SetHandler lab-escape
</LocationMatch>
CONF
kept_workers 'back=changeprofile+lab_bob&back=changeprofile+apache2&back=stack+lab_carol'
like "not to another user's profile" "$tries" '^back changeprofile lab_bob=EACCES (EACCES|ENOSYS)$'
like "not back to the server's" "$tries" '^back changeprofile apache2=EACCES (EACCES|ENOSYS)$'
like 'not to both' "$tries" '^back stack lab_carol=EACCES (EACCES|ENOSYS)$'
denial 'the kernel refused his page' 'apparmor="DENIED" .*profile="lab_alice" name="/lab/www/bob/index.html"'
worker alice context
like 'her worker is where it was' "$body" '^context=lab_alice \(enforce\)'
anonymous
