#!/usr/bin/perl
# mixed.pl REQUESTS AT-A-TIME [--keep] TENANT...: each tenant asks for the own page and for the next
# tenant's, in turn, all at the same time. Prints how many were answered rightly (own: 200
# and the page; other's: 403 and no page) and the first few that were not. With --keep, each of
# the AT-A-TIME asks over one connection, for as long as the server keeps it.
use strict;
use warnings;
use IO::Socket::INET;

my ($requests, $workers, @tenants) = @ARGV;
my $keep = $tenants[0] eq '--keep' && shift @tenants;
my $kept;

sub base64 {
    my $text = pack 'u', $_[0];    # uuencode differs by its alphabet and a length byte
    $text =~ s/^.|\n//mg;
    $text =~ tr{` -_}{AA-Za-z0-9+/};
    substr $text, -$_, $_, '=' x $_ for grep $_, (3 - length($_[0]) % 3) % 3;
    return $text;
}

# All that the server says, or where it keeps the connection, one answer.
sub answer_of {
    my ($server) = @_;
    if (!$keep) { local $/; return <$server> // ''; }
    my ($answer, $body) = ('', '');
    while (defined(my $line = <$server>)) {
        $answer .= $line;
        last if $line eq "\r\n";
    }
    my ($length) = $answer =~ /^Content-Length: (\d+)/mi or return '';
    read $server, $body, $length;
    $kept = $answer =~ /^Connection: close/mi ? undef : $server;
    return "$answer$body";
}

sub ask {
    my ($user, $target) = @_;
    my $server = $kept // IO::Socket::INET->new(PeerAddr => '127.0.0.1:80', Timeout => 20)
        or return "no connection: $!";
    $kept = undef;
    my $version = $keep ? '1.1' : '1.0';
    print $server "GET /$target/index.html HTTP/$version\r\nHost: localhost\r\n",
        'Authorization: Basic ', base64("$user:$user"), "\r\n\r\n";
    my $answer = answer_of($server);
    my ($code) = $answer =~ m{^HTTP/1\.1 (\d+)};
    my ($page) = $answer =~ /^page of (\w+)/m;
    $code //= 0;
    $page //= '';
    return '' if $user eq $target ? $code == 200 && $page eq $user : $code == 403 && $page eq '';
    return "$user asked for $target: $code $page; ";
}

pipe my $results, my $out or die;
for my $worker (0 .. $workers - 1) {
    next if fork;
    for (my $i = $worker; $i < $requests; $i += $workers) {
        my $user = $tenants[$i % @tenants];
        my $own = int($i / @tenants) % 2;
        my $wrong = ask($user, $own ? $user : $tenants[($i + 1) % @tenants]);
        syswrite $out, ($wrong || 'right') . "\n";
    }
    exit;
}
close $out;
my ($right, $wrong) = (0, '');
while (<$results>) {
    if ($_ eq "right\n") { $right++ } else { chomp; $wrong .= $_ if length $wrong < 300 }
}
print "$right $wrong";
