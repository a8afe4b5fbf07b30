# shellcheck shell=bash
# mod_selinux's categories a virtual host: the server keeps what it hands out.

mcs_policy
server event confine <<'CONF'
selinuxServerDomain *:s0-s0:c0.c3
<Directory /lab/www>
    Require all granted
</Directory>
<VirtualHost *:80>
    ServerName one.example.com
    selinuxDomainVal *:s0:c1
</VirtualHost>
<VirtualHost *:80>
    ServerName two.example.com
    selinuxDomainVal *:s0:c2
</VirtualHost>
CONF
like 'the server has dropped the other categories' "$(server_context)" ':httpd_t:s0-s0:c0\.c3$'
anonymous
host=one.example.com
forget
serves 'the first host reads its own' '^page of one' /one/index.html
status "and not the second's" 403 /two/index.html
denial 'by the category' 'scontext=httpd_t:s0:c1 tcontext=mod_confine_mcs\.readable:s0:c2'
host=two.example.com
serves 'the second reads its own' '^page of two' /two/index.html
status "and not the first's" 403 /one/index.html
unset host
