# shellcheck shell=bash
# The configuration of the documentation of TOMOYO's own module, as it stands there.

mkdir -p /etc/ccs /var/www/html/sub /var/www/cgi-bin /usr/share/horde/imp /home/cat/html/a /home/dog/html/a
cat >/etc/ccs/apache2_transition_table.conf <<'T'
/var/www/cgi-bin/\*        <kernel> //apache /www.example.com /cgi-programs
/usr/share/horde/\{\*\}/\* <kernel> //apache /www.example.com /horde
/var/www/html/\{\*\}/\*    <kernel> //apache /www.example.com /static-files
T
for pet in cat dog; do
    printf '/home/%s/html/\\*          <kernel> //apache /%s.example.com\n/home/%s/html/\\{\\*\\}/\\*   <kernel> //apache /%s.example.com\n' \
        $pet $pet $pet $pet >/home/$pet/apache2_transition_table.conf
    echo "page of $pet" >/home/$pet/html/index.html
    echo "page of $pet" >/home/$pet/html/a/index.html
done
echo 'static' >/var/www/html/sub/index.html
echo 'not covered' >/var/www/html/top.html
policy <<P
$httpd_domain
task manual_domain_transition <kernel> //apache /www.example.com /cgi-programs
task manual_domain_transition <kernel> //apache /www.example.com /horde
task manual_domain_transition <kernel> //apache /www.example.com /static-files
task manual_domain_transition <kernel> //apache /cat.example.com
task manual_domain_transition <kernel> //apache /dog.example.com

<kernel> //apache /www.example.com /cgi-programs
use_profile 3

<kernel> //apache /www.example.com /horde
use_profile 3

<kernel> //apache /www.example.com /static-files
use_profile 3
file read /var/www/html/\\{\\*\\}/\\*

<kernel> //apache /cat.example.com
use_profile 3
file read /home/cat/html/\\*
file read /home/cat/html/\\{\\*\\}/\\*

<kernel> //apache /dog.example.com
use_profile 3
file read /home/dog/html/\\*
file read /home/dog/html/\\{\\*\\}/\\*
P
for directive in CCS_TransitionMap TOMOYO_TransitionMap; do
    server event lab_escape confine <<CONF
<Directory />
    Require all granted
</Directory>
<LocationMatch /escape$>
    SetHandler lab-escape
</LocationMatch>
# The server of these three lines is the first virtual host in httpd 2.4, where others share its address.
<VirtualHost *:80>
    DocumentRoot /var/www/html/
    ServerName www.example.com
    $directive /etc/ccs/apache2_transition_table.conf
</VirtualHost>

<VirtualHost *:80>
    DocumentRoot /home/cat/html/
    ServerName cat.example.com
    $directive /home/cat/apache2_transition_table.conf
</VirtualHost>

<VirtualHost *:80>
    DocumentRoot /home/dog/html/
    ServerName dog.example.com
    $directive /home/dog/apache2_transition_table.conf
</VirtualHost>
CONF
    host=cat.example.com
    serves "$directive: cat" '^page of cat' /a/index.html
    serves "$directive: and at the top" '^page of cat' /index.html
    fetch '/escape?read=/home/dog/html/index.html&read=/home/cat/html/index.html'
    like "$directive: cat is refused dog's" "$body" '^read /home/dog/html/index.html=EPERM'
    like "$directive: and reads its own" "$body" '^read /home/cat/html/index.html=OK'
    logged "$directive: in the domain of the table" 'context="tomoyo:<kernel> //apache /cat.example.com"'
    host=www.example.com
    serves "$directive: static files" '^static' /sub/index.html
    status "$directive: a file that no line covers is an internal error" 500 /top.html
    logged "$directive: which is logged" 'no pattern of /etc/ccs/apache2_transition_table.conf matches ./var/www/html/top.html'
done
stop
