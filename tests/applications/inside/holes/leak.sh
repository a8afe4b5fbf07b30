#!/bin/sh
# A hole in the server's configuration: a program that anybody may run.
printf 'Content-Type: text/plain\n\n'
exec /usr/bin/factor 7
