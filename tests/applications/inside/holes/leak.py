"""A hole that an application has, and nobody knows of."""
import socket
import subprocess


def leak(do, what):
    try:
        if do == 'read':
            with open(what) as file:
                return file.read()
        if do == 'connect':
            socket.create_connection(('127.0.0.1', int(what)), 2)
            return 'connected'
        return subprocess.run(['/usr/bin/factor', '7'], capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.SubprocessError) as error:
        return f'nothing: {error}'
