"""A receiver of webhooks with nothing but Python's own library: what one in any language has to do.

    python webhook_receiver.py [PORT]

It listens on 127.0.0.1, port 8000 if none is given and a free one for 0, confirms what is posted to it, and prints it. It has no
secrets, so it is for a broadcaster that has none either, such as `hive-cli serve` without a configuration. README says how to
subscribe it.
"""

import base64
import hashlib
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def split(body, width):
    """A field behind its length of `width` bytes, big-endian, and what comes after it."""
    end = width + int.from_bytes(body[:width], "big")
    if len(body) < end:
        raise ValueError("the body is too short")
    return body[width:end], body[end:]


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body go out together: in two writes the second waits some 40 ms until the first is acknowledged.
    wbufsize = -1

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            answer = self.missed(body) if self.path == "/recover" else self.message(body)
            self.answer(200, answer)
        except ValueError as error:
            print(f"refused: {error}", flush=True)
            self.answer(400, b"")

    def message(self, body):
        _tracing, body = split(body, 2)
        topic, body = split(body, 2)
        identifier, body = split(body, 1)
        message, rest = split(body, 8)
        digest = "sha-512=" + base64.b64encode(hashlib.sha512(message).digest()).decode()
        if rest or self.headers["Repr-Digest"] != digest:
            raise ValueError("these are not the bytes that were sent")
        print(f"{topic.decode()}: {message.decode(errors='replace')}", flush=True)
        # Number 8, no authorization, no tracing, the identifier, and for how many subscribers.
        return b"\0\x08" + b"\0\0" + b"\0\0" + bytes([len(identifier)]) + identifier + b"\0\0\0\x01"

    def missed(self, body):
        _tracing, body = split(body, 2)
        topic, _ = split(body, 2)
        print(f"{topic.decode()}: messages may have been missed", flush=True)
        # Number 9, no authorization, no tracing.
        return b"\0\x09" + b"\0\0" + b"\0\0"

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
    server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
