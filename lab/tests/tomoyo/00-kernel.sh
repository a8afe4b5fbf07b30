# shellcheck shell=bash
# TOMOYO is active, and the policy it loaded is the tests' own.

tomoyo=/sys/kernel/security/tomoyo
like 'TOMOYO is among the active security modules' "$(</sys/kernel/security/lsm)" '(^|,)tomoyo(,|$)'
like 'this shell is in a domain' "$(<$tomoyo/self_domain)" '^<kernel> /.* /lab/run$'
like 'the policy is the one from lab/policy/tomoyo' "$(<$tomoyo/exception_policy)" \
    '^initialize_domain /usr/sbin/apache2 from any$'

# What the kernel promises, without httpd. One process, first as root, then as www-data.
perl='<kernel> /usr/bin/perl'
printf 'initialize_domain /usr/bin/perl from any\n' | tomoyo-loadpolicy -e
policy <<P
$perl
use_profile 2
task manual_domain_transition $perl //dog
task manual_domain_transition $perl //absent

$perl //dog
use_profile 3
file read /etc/hostname
file getattr /etc/hostname
P
cat >"$work/facts.pl" <<'PL'
use strict;
use Fcntl;
use POSIX;
my $folder = '/sys/kernel/security/tomoyo';
my $perl = '<kernel> /usr/bin/perl';
sysopen(my $policy, "$folder/domain_policy", O_RDWR) or die "domain_policy: $!";
sysopen(my $self, "$folder/self_domain", O_WRONLY) or die "self_domain: $!";
POSIX::setgid(33);
POSIX::setuid(33);

sub outcome { defined $_[0] ? 'OK' : (sort grep { $!{$_} } keys %!)[0] }
sub ask {
    my ($question) = @_;
    return outcome(undef) unless defined syswrite($policy, "select $question\n");
    sysread($policy, my $answer, 4096);
    $answer =~ s/\n/|/g;
    return $answer;
}
sub move { my $done = syswrite($self, $_[0]); return outcome($done) }
sub peek { my $done = sysopen(my $file, $_[0], O_RDONLY) ? 1 : undef; return outcome($done) }

print 'open=', peek("$folder/domain_policy"), "\n";
print 'there=', ask("domain=$perl //dog"), "\n";
print 'not there=', ask("domain=$perl //absent"), "\n";
print 'write=', outcome(syswrite($policy, "$perl //evil\n")), "\n";
print 'written=', ask("domain=$perl //evil"), "\n";
print 'forbidden=', move("$perl //forbidden"), "\n";
print 'syntax=', move('dog'), "\n";
print 'empty=', move(''), "\n";
print 'long=', move('<kernel> /' . 'a' x 4090), "\n";
print 'move=', move("$perl //dog"), "\n";
print 'self=', ask("pid=$$"), "\n";
print 'own=', peek('/etc/hostname'), "\n";
print 'other=', peek('/etc/passwd'), "\n";
print 'back=', move($perl), "\n";
PL
facts=$(perl "$work/facts.pl" 2>&1)
like 'domain_policy is for root alone to open' "$facts" '^open=EACCES$'
like 'a descriptor that root opened answers everyone' "$facts" "^there=# select domain=$perl //dog.$perl //dog.use_profile 3."
like 'also that there is no such domain' "$facts" "^not there=# select domain=$perl //absent.$"
like 'it takes changes from no one else' "$facts" '^write=EPERM$'
like 'and makes none' "$facts" "^written=# select domain=$perl //evil.$"
like 'a move without its line' "$facts" '^forbidden=EPERM$'
like 'what is no name' "$facts" '^syntax=EINVAL$'
like 'an empty name' "$facts" '^empty=ENOMEM$'
like 'a name that is too long' "$facts" '^long=ENOMEM$'
like 'a move' "$facts" '^move=OK$'
like 'a thread can be asked for by its number' "$facts" "^self=# select pid=[0-9]+.$perl //dog.use_profile 3."
like 'its own file' "$facts" '^own=OK$'
like "another's" "$facts" '^other=EPERM$'
like 'no way back' "$facts" '^back=EPERM$'
like 'a permitted domain that is not there is made, with the profile of the one who asks' \
    "$(perl -e 'open(S, ">", "/sys/kernel/security/tomoyo/self_domain"); syswrite(S, "<kernel> /usr/bin/perl //absent")'; domain "$perl //absent")" '^use_profile 2$'
printf 'delete %s\ndelete %s //dog\ndelete %s //absent\n' "$perl" "$perl" "$perl" | policy
