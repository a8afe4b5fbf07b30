#!/usr/bin/perl
# upgrade.pl [--ask] HOST FIRST PATH COUNT: a request for FIRST over HTTP/1.1, with --ask by a client that wants
# h2c; where the server changes to HTTP/2, COUNT requests for PATH on that connection, one after the other and
# all at a time. Says whether it changed.
use strict;
use warnings;
use IO::Socket::INET;

my $ask = $ARGV[0] eq '--ask' && shift;
my ($host, $first, $path, $count) = @ARGV;
my $settings_seen = "\x00\x00\x06\x04\x00";

sub frame { my ($kind, $flags, $stream, $payload) = @_; return substr(pack('N', length $payload), 1) . pack('CCN', $kind, $flags, $stream) . $payload }
sub literal { my ($name, $value) = @_; return "\0" . chr(length $name) . $name . chr(length $value) . $value }
sub get { return frame(1, 5, $_[0], literal(':method', 'GET') . literal(':scheme', 'http') . literal(':authority', $host) . literal(':path', $path)) }

# What comes until the server has said PATTERN, is silent, or closes.
sub hear {
    my ($server, $seconds, $pattern) = @_;
    my ($heard, $until) = ('', time + $seconds);
    while ($heard !~ /$pattern/s && time < $until) {
        my $ready = '';
        vec($ready, fileno $server, 1) = 1;
        select $ready, undef, undef, 1 or next;
        sysread $server, my $part, 65536 or last;
        $heard .= $part;
    }
    return $heard;
}

my $server = IO::Socket::INET->new(PeerAddr => '127.0.0.1:80') or die "no connection: $!";
$server->autoflush(1);
print $server "GET $first HTTP/1.1\r\nHost: $host\r\n",
    ($ask ? "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n" : ''), "\r\n";
my $heard = hear($server, 3, quotemeta $settings_seen);
if (index($heard, $settings_seen) < 0) {
    my ($status) = $heard =~ m{^HTTP/1.1 (\d+)};
    printf "stays, %s\n", $status // 'no answer';
    exit;
}
print $server "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frame(4, 0, 0, '');
for my $i (1 .. $count) {
    print $server get(1 + 2 * $i);
    select undef, undef, undef, 0.1;    # the threads that there are are busy: the session makes the next one
}
hear($server, 6, quotemeta("\x00\x01" . pack('N', 1 + 2 * $count)));    # the end of the last one's body
print "changed to HTTP/2\n";
