"""The Python hub: fastapi_websocket_pubsub of the environment that runs this file."""

import socket
import threading

import uvicorn
from fastapi import FastAPI
from fastapi.routing import APIRouter
from fastapi_websocket_pubsub import PubSubEndpoint

import peer


def app(endpoint):
    result = FastAPI()
    router = APIRouter()
    PubSubEndpoint().register_route(router, path=endpoint)
    result.include_router(router)
    return result


def main():
    arguments = peer.parser(__doc__)
    arguments.add_argument("--port", type=int, default=0, help="0 = any free one")
    arguments.add_argument("--endpoint", default="/pubsub")
    given = arguments.parse_args()
    peer.end_after(given.bound)

    # With the protocol named, or asyncio does not switch off Nagle's algorithm on its connections.
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", given.port))
    listener.listen(2048)
    config = uvicorn.Config(app(given.endpoint), log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)

    def stop_with_standard_input():
        for _ in peer.commands():
            pass
        server.should_exit = True
        # A handler that waits for a subscriber's answer holds the server up for ever.
        peer.end_after(3)

    threading.Thread(target=stop_with_standard_input, daemon=True).start()
    # Connections wait in the listener's queue until the loop runs, so the port can be told now.
    peer.emit(state="listening", port=listener.getsockname()[1])
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
