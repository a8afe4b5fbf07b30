# shellcheck shell=bash
# A tenant in the server's own domain has the server's rights; the range tells them apart. It gets neither into
# the domain of another application nor at its files, and its CGI programs are bound by its category.

mcs_policy
S=system_u:system_r
place() { # TYPE LEVEL FILE
    mkdir -p "${3%/*}"
    cat >"$3"
    chmod 755 "$3"
    chcon -t "$1" -l "$2" "$3"
    chcon -t httpd_sys_content_t -l "$2" "${3%/*}"
}
echo 'note of two' | place httpd_sys_content_t s0:c2 /lab/www/scripts-two/note.txt
place httpd_sys_script_exec_t s0:c1 /lab/www/scripts-one/show <<'CGI'
#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n'
read -r context </proc/self/attr/current
echo "context=$context"
for file in /lab/www/scripts-one/note.txt /lab/www/scripts-two/note.txt; do
    if read -r line <"$file"; then echo "read $file=OK $line"; else echo "read $file=refused"; fi
done 2>/dev/null
CGI
echo 'note of one' | place httpd_sys_content_t s0:c1 /lab/www/scripts-one/note.txt
boolean httpd_enable_cgi 1

server prefork cgi lab_escape confine <<'CONF'
<Directory /lab/www>
    Require all granted
</Directory>
<Location /one>
    ConfineContext *:s0:c1
</Location>
<Location /alice>
    ConfineContext alice.process:s0
</Location>
<Location /one/escape>
    SetHandler lab-escape
</Location>
<Location /scripts-one>
    ConfineContext *:s0:c1
    Options ExecCGI
    SetHandler cgi-script
</Location>
CONF

serves 'a tenant is served' '^page of one' /one/index.html
serves 'so is an application in a domain of its own' '^page of alice' /alice/index.html
forget
fetch "/one/escape?read=/lab/www/one/index.html&read=/lab/www/alice/index.html&back=$S:alice.process:s0&read=/lab/www/alice/index.html&write=/lab/www/alice/data/by-one"
like 'the tenant reads its own' "$body" '^read /lab/www/one/index.html=OK$'
like "and does not get into the application's domain" "$body" "^back $S:alice.process:s0=EACCES (EACCES|ENOSYS)$"
unlike "nor at its files" "$body" '/alice/.*=OK$'
denial 'by the kernel' 'denied  \{ (dyntransition|search) \}.*httpd_t:s0:c1 tcontext=(alice\.process|httpd_t)'

fetch /scripts-one/show
like 'a CGI program has the category' "$body" '^context=.*:httpd_sys_script_t:s0:c1'
like 'and reads its own' "$body" '^read /lab/www/scripts-one/note.txt=OK note of one'
like "and is refused the other's" "$body" '^read /lab/www/scripts-two/note.txt=refused'
denial 'by the category' 'httpd_sys_script_t:s0:c1 tcontext=httpd_sys_content_t:s0:c2'
