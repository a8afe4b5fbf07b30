# shellcheck shell=bash
# A profile in complain mode is warned of; where that cannot be read, it is said, and the server runs.

conf='<Location />
    Require all granted
    ConfineContext apparmor:lab_complains
</Location>'
server event confine <<<"$conf"
serves 'a profile in complain mode works' '^page of alice' /alice/index.html
logged 'and is warned of' 'the profile lab_complains is in complain mode: .*aa-enforce'
denial 'the kernel logs what it would refuse' 'apparmor="ALLOWED" .*profile="lab_complains" name="/lab/www/alice/index.html"'

stop
umount /sys/kernel/security
server event confine <<<"${conf/lab_complains/lab_alice}"
serves 'without securityfs the server runs' '^page of alice' /alice/index.html
forget
status 'and confines' 403 /bob/index.html
denial 'by the kernel' 'apparmor="DENIED" .*profile="lab_alice" name="/lab/www/bob/index.html"'
logged 'and says what it could not see' 'complain mode could not be read from /sys/kernel/security/apparmor/profiles: .*mount securityfs'
configure event confine <<<"${conf/lab_complains/lab_absent}"
refuses_to_start 'a profile that is absent is found without it' 'no profile lab_absent is loaded \(ENOENT\)'
mount -t securityfs securityfs /sys/kernel/security
