# shellcheck shell=bash
# limit: 120
# PHP in processes of its own by the policy that is shipped, as written, loaded as docs/tomoyo.md says.

# A machine that has none of it yet, and whose server learns.
stop
printf 'delete %s //alice\n%s\nuse_profile 1\n' "$httpd_domain" "$httpd_domain" | policy
echo 'delete initialize_domain /usr/sbin/apache2 from any' | tomoyo-loadpolicy -e
tomoyo-loadpolicy -p </lab/conf/tomoyo/profile.conf
tomoyo-loadpolicy -e </lab/conf/tomoyo/php_cgi_exception_policy.conf
tomoyo-loadpolicy -d </lab/conf/tomoyo/php_cgi_domain_policy.conf

# ---- the kernel took each line, and nothing else ----
written() { sed -n "/^<kernel> .* \/\/alice$/,\$p" /lab/conf/tomoyo/php_cgi_domain_policy.conf; }
is 'the domain is what the file says' "$(domain "$httpd_domain //alice" | grep . | sort)" "$(written | sort)"
like "the server's own profile is as it was" "$(domain "$httpd_domain")" '^use_profile 1$'
like 'it may move to the domain' "$(domain "$httpd_domain")" "^task manual_domain_transition $httpd_domain //alice$"
printf '%s\nuse_profile 2\n' "$httpd_domain" | policy

# ---- a tenant ----
mkdir -p /srv/alice/www/part /srv/alice/data /srv/bob
echo 'page of alice' >/srv/alice/www/index.html
echo 'note of alice' >/srv/alice/www/note.txt
echo 'note of bob' >/srv/bob/note.txt
echo '<?php return "part of alice";' >/srv/alice/www/part/it.php
echo '<?php echo "script of bob";' >/srv/bob/script.php
cp /lab/app/pool.php /srv/alice/www/
echo '<?php file_put_contents("../data/new", "x"); echo rename("../data/new", "../data/x") ? "moved" : "not";' \
    >/srv/alice/www/move.php
cat >/srv/alice/www/visits.php <<'PHP'
<?php
// Each visit cleans up, as one in a hundred does where PHP itself is in charge of that.
ini_set('session.gc_probability', '1');
ini_set('session.gc_divisor', '1');
session_start();
$_SESSION['visits'] = ($_SESSION['visits'] ?? 0) + 1;
$moved = isset($_FILES['it']) && move_uploaded_file($_FILES['it']['tmp_name'], '/srv/alice/data/upload');
header('Content-Type: text/plain');
echo 'visit ', $_SESSION['visits'], ' ', $moved ? 'moved' : 'nothing', ' ', error_get_last()['message'] ?? 'no error', "\n";
PHP
# OPcache takes no file that is younger than two seconds.
touch -d '1 minute ago' /srv/alice/www/part/it.php
chown -R www-data /srv/alice/data

server event proxy proxy_fcgi confine <<'CONF'
<ConfineFastCGI php>
    Program   /usr/bin/php-cgi
    Processes 2
</ConfineFastCGI>
DirectoryIndex pool.php
Alias /other /srv/bob
<Directory /srv>
    Require all granted
</Directory>
<VirtualHost *:80>
    ServerName localhost
    DocumentRoot /srv/alice/www
    <FilesMatch "\.php$">
        SetHandler confine-fastcgi:php
    </FilesMatch>
    ConfineContext tomoyo://alice
</VirtualHost>
CONF

forget_refusals
like 'the server is where the policy says' "$(domain_of "$(server_pid)")" "^$httpd_domain$"
serves 'a page is served by a thread' '^page of alice' /index.html
serves 'a script by a process, which knows the context' '^context=tomoyo://alice' '/pool.php?context'
serves 'the index of a folder, too' '^context=tomoyo://alice' '/?context'
serves 'it includes others, and OPcache keeps them' '^cached=/srv/alice/www/part/it.php' \
    '/pool.php?include=/srv/alice/www/part/it.php&cached'
serves 'it writes its data' '^write /srv/alice/data/x=OK' '/pool.php?write=/srv/alice/data/x'
serves 'puts a new file in the place of another' '^moved' /move.php
serves 'has a database there' '^table /srv/alice/data/table=OK' '/pool.php?table=/srv/alice/data/table'
serves 'a temporary file' '^temporary=OK /run/apache2/confine-tmp/' '/pool.php?temporary'
serves 'a session begins' '^visit 1 nothing no error' /visits.php
cookie=${headers#*PHPSESSID=} cookie=${cookie%%;*}
serves 'and is found again' '^visit 2 nothing no error' /visits.php '' "Cookie: PHPSESSID=$cookie"
upload=$'--x\r\nContent-Disposition: form-data; name="it"; filename="it"\r\n\r\nuploaded\r\n--x--\r\n'
method=POST serves 'an upload becomes data' '^visit 1 moved no error' /visits.php "$upload" \
    'Content-Type: multipart/form-data; boundary=x'
is 'with its content' "$(</srv/alice/data/upload)" uploaded
no_refusal 'nothing of this was refused' '//alice:'

# ---- what is outside ----
forget_refusals
fetch '/pool.php?read=/srv/alice/www/note.txt&read=/srv/bob/note.txt&write=/srv/alice/www/x&run=/usr/bin/id'
like 'a script reads what is its own' "$body" '^read /srv/alice/www/note.txt=OK'
like 'and not what is outside' "$body" '^read /srv/bob/note.txt=refused'
refused 'by the kernel' "^enforcing $httpd_domain //alice: file read /srv/bob/note.txt"
like 'it does not write its pages' "$body" '^write /srv/alice/www/x=refused'
like 'it starts no program' "$body" '^run /usr/bin/id=refused'
status 'a page outside is refused' 403 /other/note.txt
status 'a script outside, too' '403|404' /other/script.php
unlike 'and did not run' "$body" 'script of bob'
refused 'by the kernel' "^enforcing $httpd_domain //alice: file (read|getattr) /srv/bob/script.php"
stop
printf 'delete %s //alice\n' "$httpd_domain" | policy
