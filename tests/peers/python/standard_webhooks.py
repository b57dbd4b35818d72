"""A subscriber by HTTP that verifies the headers of Standard Webhooks with the package `standardwebhooks`.

Out: {"state": "listening", "url": ..}, and for each request {"verified": true or the exception's class, "text": the message}.
"""

import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import peer
from standardwebhooks import Webhook


def fields(body):
    """Identifier and message of a RECEIVE."""
    at = 0
    for _ in range(2):
        at += 2 + struct.unpack_from(">H", body, at)[0]
    length = body[at]
    return body[at + 1 : at + 1 + length], body[at + 1 + length + 8 :]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        identifier, message = fields(body)
        try:
            self.server.webhook.verify(message, dict(self.headers), json_parse=False)
            verified = True
        except Exception as error:
            verified = type(error).__name__
        peer.emit(verified=verified, text=message.decode())
        answer = struct.pack(">HHHB", 8, 0, 0, len(identifier)) + identifier + struct.pack(">I", 1)
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def main():
    arguments = peer.parser(__doc__)
    arguments.add_argument("--secret", required=True, help="whsec_..")
    given = arguments.parse_args()
    peer.end_after(given.bound)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.webhook = Webhook(given.secret)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    peer.emit(state="listening", url=f"http://127.0.0.1:{server.server_port}/hook")
    sys.stdin.read()


if __name__ == "__main__":
    main()
