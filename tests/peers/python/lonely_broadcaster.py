"""The Python broadcaster: lonelypss of the environment that runs this file, without its generated entry point.

That entry point never runs, so the configuration is built here, with the values that it would have. Two differ: globs never
match on a SQLite that was built as Debian's is, so pysqlite3 takes its place, and messages to websockets are small enough for
the Python client, which takes at most 4194303 bytes.

Out: {"state": "listening", "port": N, "url": "http://127.0.0.1:N", "database": PATH}.
"""

import shutil
import socket
import sys
import tempfile
import threading
from contextlib import asynccontextmanager
from pathlib import Path

import pysqlite3

# Before the first import of lonelypss, which takes the name from here.
sys.modules["sqlite3"] = pysqlite3

import lonely_auth
import peer
import uvicorn
from fastapi import FastAPI
from lonelypsp.auth.config import AuthConfigFromParts
from lonelypss.bknd.sweep_missed import sweep_missed
from lonelypss.config.config import (
    CompressionConfigFromParts,
    ConfigFromParts,
    GenericConfigFromValues,
    MissedRetryStandard,
    NotifySessionStandard,
    TracingConfigSimple,
)
from lonelypss.config.helpers.sqlite_db_config import SqliteDBConfig
from lonelypss.config.lifespan import setup_config, teardown_config
from lonelypss.middleware.config import ConfigMiddleware
from lonelypss.middleware.ws_receiver import WSReceiverMiddleware
from lonelypss.router import router
from lonelypss.util.ws_receiver import SimpleFanoutWSReceiver

KIB = 1024
MIB = 1024 * KIB


def configuration(given, folder, database):
    to_subscriber, to_broadcaster = lonely_auth.both(given.secrets, str(folder / "recent-hmacs.db"))
    return ConfigFromParts(
        auth=AuthConfigFromParts(to_broadcaster=to_broadcaster, to_subscriber=to_subscriber),
        db=SqliteDBConfig(str(database)),
        generic=GenericConfigFromValues(
            message_body_spool_size=10 * MIB,
            outgoing_http_timeout_total=30,
            outgoing_http_timeout_connect=None,
            outgoing_http_timeout_sock_read=5,
            outgoing_http_timeout_sock_connect=5,
            websocket_accept_timeout=2,
            websocket_max_pending_sends=255,
            websocket_max_unprocessed_receives=255,
            websocket_large_direct_send_timeout=0.3,
            websocket_send_max_unacknowledged=3,
            websocket_minimal_headers=not given.expanded_headers,
            sweep_missed_interval=given.sweep_missed_interval,
        ),
        missed=MissedRetryStandard(expo_factor=1, expo_base=2, expo_max=10, max_retries=20, constant=1, jitter=2),
        compression=CompressionConfigFromParts(
            compression_allowed=not given.no_compression,
            compression_dictionary_by_id={},
            outgoing_max_ws_message_size=given.part_size,
            allow_training=True,
            compression_min_size=32,
            compression_trained_max_size=16 * KIB,
            compression_training_low_watermark=100 * KIB,
            compression_training_high_watermark=10 * MIB,
            compression_retrain_interval_seconds=60 * 60 * 60,
            decompression_max_window_size=8 * MIB,
        ),
        tracing=TracingConfigSimple(),
        notify_session=NotifySessionStandard(),
    )


def app(config, url):
    fanout = SimpleFanoutWSReceiver(
        receiver_url=f"{url}/v1/receive_for_websockets", recovery=f"{url}/v1/missed_for_websockets", db=config
    )

    @asynccontextmanager
    async def lifespan(_app):
        await setup_config(config)
        try:
            async with fanout, sweep_missed(config):
                yield
        finally:
            await teardown_config(config)

    result = FastAPI(lifespan=lifespan)
    result.add_middleware(ConfigMiddleware, config=config)
    result.add_middleware(WSReceiverMiddleware, ws_receiver=fanout)
    result.include_router(router)
    result.router.redirect_slashes = False
    return result


class Server(uvicorn.Server):
    """Tells where it is once it has started: the databases are open and connections are taken."""

    def __init__(self, config, told):
        super().__init__(config)
        self.told = told

    async def startup(self, sockets=None):
        await super().startup(sockets)
        if self.started:
            peer.emit(state="listening", **self.told)


def main():
    arguments = peer.parser(__doc__)
    arguments.add_argument("--port", type=int, default=0, help="0 = any free one")
    arguments.add_argument("--secrets", help="a broadcaster-secrets.json; without one, none in both directions")
    arguments.add_argument("--folder", help="for the databases; without one, a temporary one")
    arguments.add_argument("--delete-folder", action="store_true", help="when it ends by itself, and is not killed")
    arguments.add_argument("--database", help="the file with the subscriptions, instead of one in the folder")
    arguments.add_argument("--part-size", type=int, default=3_670_016, help="bytes of a websocket message")
    arguments.add_argument("--sweep-missed-interval", type=float, default=10, help="seconds")
    arguments.add_argument("--expanded-headers", action="store_true")
    arguments.add_argument("--no-compression", action="store_true")
    arguments.add_argument("--no-websockets", action="store_true")
    given = arguments.parse_args()
    peer.end_after(given.bound)

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(given.folder or temporary)
        database = Path(given.database or folder / "subscriptions.db")
        # With the protocol named: on sockets without one asyncio does not switch off Nagle's algorithm, and each answer,
        # whose head and body are written one after the other, would wait 40 ms for the acknowledgement of its head.
        listener = socket.socket(proto=socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", given.port))
        listener.listen(2048)
        port = listener.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        config = uvicorn.Config(
            app(configuration(given, folder, database), url),
            log_level="warning",
            timeout_graceful_shutdown=1,
            ws="none" if given.no_websockets else "auto",
        )
        server = Server(config, {"port": port, "url": url, "database": str(database)})

        def stop_with_standard_input():
            for _ in peer.commands():
                pass
            server.should_exit = True
            peer.end_after(5)

        threading.Thread(target=stop_with_standard_input, daemon=True).start()
        server.run(sockets=[listener])
        if given.delete_folder:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
