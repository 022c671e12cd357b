# A small web server, such as deploy.sh restarts: one process that answers each request after a
# while with the commit it was started with. Begins to listen a moment after it was started, as
# real ones do. Ends when it is told to, when its pid file is gone, or after some minutes.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(sleep time);

my ($port, $commit, $pid_file) = @ARGV;
alarm 180;
sleep 0.3;
my $listener = IO::Socket::INET->new(
    LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 128, ReuseAddr => 1,
) or die "cannot listen: $!";
my $sockets = IO::Select->new($listener);
my (%seen, @due);

while (-e $pid_file) {
    for my $socket ($sockets->can_read(0.005)) {
        if ($socket == $listener) {
            my $client = $listener->accept or next;
            $sockets->add($client);
            $seen{$client} = '';
            next;
        }
        if (!sysread $socket, $seen{$socket}, 8192, length $seen{$socket}) {
            $sockets->remove($socket);
            delete $seen{$socket};
            close $socket;
            next;
        }
        while ($seen{$socket} =~ s/^(.*?)\r\n\r\n//s) {
            my $pause = $1 =~ m{^GET /health } ? 0 : 0.03;
            push @due, [time + $pause, $socket];
        }
    }
    my $now = time;
    while (@due && $due[0][0] <= $now) {
        my $socket = (shift @due)->[1];
        my $length = length $commit;
        syswrite $socket, "HTTP/1.1 200 OK\r\nContent-Length: $length\r\n\r\n$commit"
            if exists $seen{$socket};
    }
    @due = sort { $a->[0] <=> $b->[0] } @due;
}
