"""A server that answers at once, but for one stall: the request after `STALL_AFTER` others waits, and all with it.

python stall_server.py SECONDS          prints its port
"""

import http.server
import sys
import threading

STALL_AFTER = 50


class Stalling(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stall_seconds = 0.0
    answered = 0
    never = threading.Event()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if Stalling.answered == STALL_AFTER:
            self.never.wait(self.stall_seconds)
        Stalling.answered += 1
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        return None


if __name__ == "__main__":
    Stalling.stall_seconds = float(sys.argv[1])
    server = http.server.HTTPServer(("127.0.0.1", 0), Stalling)  # one request at a time: a stall hits all
    print(server.server_port, flush=True)
    server.serve_forever()
