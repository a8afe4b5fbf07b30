# shellcheck shell=bash
# The application itself tries to get away: by self_domain, by the server's own descriptors, a new
# thread, a new process.

shipped_policy
D=${httpd_domain// /+}
mine=/srv/www/dog.example.com/blog/note.txt other=/srv/www/cat.example.com/shop/note.txt

tries() { # MPM
    server "$1" lab_escape confine </lab/programs.conf
    host=dog.example.com
    fetch "/blog/escape?domain=$D&held=$D&held=$D+//cat.example.com+//shop&held=$D+//evil&read=$mine&read=$other&thread=$mine&thread=$other&fork=$mine&fork=$other&read=/etc/shadow&read=$tomoyo/domain_policy"
    like "$1: not back to the server's domain" "$body" "^domain $httpd_domain=EPERM"
    like "$1: nor by the server's descriptor" "$body" '^held self_domain=EPERM select=OK domain=EPERM allow=EPERM'
    unlike "$1: the policy cannot be written by it" "$body" '^held .*(domain|allow)=OK'
    like "$1: a new thread is as confined" "$body" "^thread $other=EPERM"
    like "$1: and as free" "$body" "^thread $mine=OK"
    like "$1: a new process is as confined" "$body" "^fork $other=EPERM"
    like "$1: and as free" "$body" "^fork $mine=OK"
    like "$1: after all that, its file is open, the other is not" "$body" "^read $other=EPERM"
    like "$1: what is no part of its policy" "$body" '^read /etc/shadow=E'
    is "$1: no domain was made" "$(domain "$httpd_domain //evil")" ''
    serves "$1: and the next request is served" '^page of' /blog/index.html
}
tries event
tries prefork

# A domain whose own policy leads back is found when the server starts.
policy <<P
$httpd_domain //dog.example.com //blog
task manual_domain_transition $httpd_domain
P
stop
server event lab_escape confine </lab/programs.conf
logged 'a line that leads back is warned of' "an application in $httpd_domain //dog.example.com //blog may leave it for $httpd_domain, the server's own domain; remove the line"
fetch "/blog/escape?domain=$D&held=$D"
like 'for it works' "$body" '^held self_domain=OK'
policy <<P
$httpd_domain //dog.example.com //blog
delete task manual_domain_transition $httpd_domain
P
stop
