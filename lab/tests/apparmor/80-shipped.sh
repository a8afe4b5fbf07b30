# shellcheck shell=bash
# What conf/apparmor ships, as written: the template's profile serves and confines, and a server's
# profile with its abstraction is what all these tests run in.

apparmor_parser --skip-cache --replace /etc/apparmor.d/mod_confine_blog
mkdir -p /srv/www/blog/data
echo 'page of the blog' >/srv/www/blog/index.html
echo 'page of another' >/srv/www/other.html
chown -R www-data /srv/www/blog/data
server event lua confine <<'CONF'
AddHandler lua-script .lua
Alias /blog /srv/www/blog
Alias /other /srv/www
<Directory /srv/www>
    Require all granted
    ConfineContext apparmor:mod_confine_blog
</Directory>
CONF
cp /lab/app/app.lua /srv/www/blog/
serves 'the page is served' '^page of the blog' /blog/index.html
fetch '/blog/app.lua?write=/srv/www/blog/data/x'
no_denial 'the abstraction has all that these take'
fetch '/blog/app.lua?write=/srv/www/blog/data/x&write=/srv/www/blog/x&read=/srv/www/other.html'
like 'its data is written' "$body" '^write /srv/www/blog/data/x=OK'
like 'its pages are not' "$body" '^write /srv/www/blog/x=Permission denied'
like 'nothing else is read' "$body" '^read /srv/www/other.html=Permission denied'
status 'nor served' 403 /other/other.html
denial 'by the kernel' 'apparmor="DENIED" .*profile="mod_confine_blog" name="/srv/www/other.html"'
