# shellcheck shell=bash
# Names that an expression builds, for every virtual host and with bytes that TOMOYO escapes.

mkdir -p /srv/www/names
echo 'a page' >/srv/www/names/index.html
policy <<P
$httpd_domain
task manual_domain_transition $httpd_domain //dog.example.com
task manual_domain_transition $httpd_domain //dog.example.com //app
task manual_domain_transition $httpd_domain //d\\303\\266g
task manual_domain_transition $httpd_domain //a\\\\b
task manual_domain_transition $httpd_domain //absent

$httpd_domain //dog.example.com
use_profile 3
file read /srv/www/names/\\*

$httpd_domain //dog.example.com //app
use_profile 3
file read /srv/www/names/\\*

$httpd_domain //d\\303\\266g
use_profile 3
file read /srv/www/names/\\*

$httpd_domain //a\\\\b
use_profile 3
file read /srv/www/names/\\*
P
server event confine headers <<'CONF'
ConfineBackend tomoyo
DocumentRoot /srv/www
<Directory /srv/www>
    Require all granted
</Directory>
<VirtualHost *:80>
    ServerName dog.example.com
    <Location /names>
        ConfineExpr "//%{SERVER_NAME}"
    </Location>
    <LocationMatch ^/names/index>
        ConfineExpr "%{HTTP:X-Domain}"
    </LocationMatch>
    Alias /further /srv/www/names
    <Location /further>
        ConfineExpr "//%{SERVER_NAME} //app"
    </Location>
</VirtualHost>
CONF
host=dog.example.com
serves 'a domain for the virtual host' '^a page' /names/index.html
logged 'by its name' 'confined GET /names/index.html.*context=tomoyo://dog.example.com$'
serves 'and further down' '^a page' /further/index.html
logged 'two words, one context' 'context="tomoyo://dog.example.com //app"'
serves 'bytes outside of ASCII are escaped' '^a page' /names/index.html '' 'X-Domain: //dög'
serves 'so is a backslash' '^a page' /names/index.html '' 'X-Domain: //a\b'
status 'an escape in a value is no escape' 500 /names/index.html '' 'X-Domain: //d\303\266g'
logged 'it is another name' 'no domain <kernel> /usr/sbin/apache2 //d.*303.*266g'
status 'a word without a slash' 500 /names/index.html '' 'X-Domain: dog.example.com'
logged 'is no name' 'does not begin with /'
status 'a value goes no deeper' 500 /names/index.html '' 'X-Domain: //dog.example.com //app'
logged 'it is one word' 'U\+0020, a blank'
status 'nor is it a whole domain' 500 /names/index.html '' 'X-Domain: <kernel>'
logged 'which only a configuration names' 'begins a whole domain'
status "the server's own domain is no way out" 500 /names/index.html '' "X-Domain: $httpd_domain"
status 'nor is a domain of another namespace' 500 /names/index.html '' 'X-Domain: <web> /x'
