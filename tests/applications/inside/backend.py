"""A service behind the server: WebSockets that answer each message, and events that it sends by itself.

usage: backend.py NAME PORT, and PORT + 1 for the events
"""
import asyncio
import http.server
import sys
import threading
import time

import websockets

name, port = sys.argv[1], int(sys.argv[2])


class Events(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Type', 'text/event-stream')
        self.end_headers()
        for number in range(3):
            self.wfile.write(f'data: event {number} of {name}\n\n'.encode())
            self.wfile.flush()
            time.sleep(0.5)

    def log_message(self, *arguments):
        pass


async def answer(socket):
    async for message in socket:
        await socket.send(f'{name} heard {message}')


async def main():
    async with websockets.serve(answer, '127.0.0.1', port):
        await asyncio.Future()


server = http.server.ThreadingHTTPServer(('127.0.0.1', port + 1), Events)
threading.Thread(target=server.serve_forever, daemon=True).start()
asyncio.run(main())
