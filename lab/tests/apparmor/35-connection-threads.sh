# shellcheck shell=bash
# Long-lived threads of HTTP/2 are not made in a context.

. /lab/kinds.sh apparmor
modes threads_of_a_connection
threads_of_a_connection early
