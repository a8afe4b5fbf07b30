# shellcheck shell=bash disable=SC2034,SC2164 # the story reads it, and ends where something fails
# A script in Perl that mod_perl keeps in the server (ModPerl::Registry): CGI.pm, a database of SQLite's, files.
MODULES=(perl)
HOLE=/perl/leak.pl

prepare() {
    mkdir -p "/srv/$1/perl" "/srv/$1/data/files" "/srv/$1/tmp"
    chown -R www-data: "/srv/$1/data" "/srv/$1/tmp"
    cp holes/leak.pl "/srv/$1/perl/leak.pl"
    cat >"/srv/$1/perl/notes.pl" <<END
use strict;
use warnings;
use CGI ();
use DBI ();
use POSIX qw(strftime);
use Encode qw(decode_utf8);

my \$q = CGI->new;
my \$db = DBI->connect('dbi:SQLite:dbname=/srv/$1/data/notes.db', '', '', { RaiseError => 1 });
\$db->do('CREATE TABLE IF NOT EXISTS notes (text TEXT, day TEXT)');
if (my \$text = \$q->param('text')) {
    \$db->do('INSERT INTO notes VALUES (?, ?)', undef, \$text, strftime('%A', localtime));
}
if (my \$in = \$q->upload('file')) {
    my (\$name) = \$q->param('file') =~ /([\\w-]+)\$/ or die 'no name';
    open(my \$out, '>', "/srv/$1/data/files/\$name") or die "\$name: \$!";
    print \$out \$_ while <\$in>;
    close(\$out);
}
print \$q->header(-type => 'text/html', -charset => 'utf-8');
my \$rows = \$db->selectall_arrayref('SELECT text, day FROM notes WHERE text LIKE ?', undef, '%' . (\$q->param('search') // '') . '%');
print '<p>', \$q->escapeHTML(\$_->[0]), " (\$_->[1])\\n" for @\$rows;
if (my (\$name) = (\$q->param('get') // '') =~ /^([\\w-]+)\$/) {
    open(my \$in, '<', "/srv/$1/data/files/\$name") or die "\$name: \$!";
    print <\$in>;
}
END
}

server() { echo "ConfineTrustScripts mod_perl"; }

host() {
    cat <<END
    PerlSetEnv TMPDIR "/srv/$1/tmp"
    Alias "/perl/" "/srv/$1/perl/"
    <Location "/perl">
        SetHandler perl-script
        PerlResponseHandler ModPerl::Registry
        PerlOptions +ParseHeaders
        Options +ExecCGI
    </Location>
END
}

walk() {
    local notes=http://$1.example.org/perl/notes.pl
    browse --data "text=a note of $1, $2" "$notes" | says "a note of $1, $2"
    browse --data "text=another <b>note, $2" "$notes" | says "another &lt;b&gt;note, $2 ($(date +%A))"
    browse "$notes?search=note+of" | says "a note of $1, $2"
    head -c 300000 /dev/zero | tr '\0' "$2" >"/tmp/large-$2"
    browse --form "file=@/tmp/large-$2" "$notes" | says "a note of $1, $2"
    browse "$notes?search=nothing&get=large-$2" | cmp - "/tmp/large-$2"
}
