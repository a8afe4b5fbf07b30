# shellcheck shell=bash
# Report mode: nothing moves, and the log says what would.

server event lab_escape confine <<'CONF'
ConfineMode report
<Directory /lab/www>
    Include /lab/users.conf
    ConfineMap /lab/people.map
</Directory>
<LocationMatch ^/[a-z]+/escape$>
    SetHandler lab-escape
</LocationMatch>
CONF
as alice
serves "bob's page is served" '^page of bob' /bob/index.html
logged 'and the log says where she would be' 'would confine GET /bob/index.html user=alice .*context=apparmor:lab_alice'
fetch '/alice/escape?context'
like 'the thread has not moved' "$body" '^context=apache2 \(enforce\)'
