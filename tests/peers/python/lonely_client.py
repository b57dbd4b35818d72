"""A client of lonelypsc driven by commands: the HTTP client for http:// broadcasters, the websocket client for ws://.

Out: {"state": "ready", "url": receive url or null} once it runs; {"state": "lost" | "up" | "abandoned"} as its connection
changes; {"state": "receiving"} when messages may have been missed before and come from now on; {"received": TOPIC, "length": N,
"sha512": HEX, "text": the message if it is short text}; {"ended": WHY} when no more messages can come; and for each command
{"did": VERB, "result": ..} or {"did": VERB, "error": the exception's class, "message": ..}.
In: {"do": "subscribe" | "unsubscribe", "exact": [..], "glob": [..]}, answered when the broadcaster has confirmed it;
{"do": "notify", "topic": .., and "text": .. | "file": PATH}, answered with the number of subscribers;
{"do": "notify_many", "topic": .., "count": N, "together": N}: messages "0", "1", .., some of them on their way at a time,
answered with the sum of the subscribers. Topics are text; one that is not is given and told as {"hex": ..}.
"""

import asyncio
import hashlib
import socket
import threading

import lonely_auth
import peer
import uvicorn
from fastapi import FastAPI
from lonelypsc.client import PubSubClientConnectionStatus, PubSubError
from lonelypsc.config.http_config import make_http_pub_sub_config
from lonelypsc.config.ws_config import make_websocket_pub_sub_config
from lonelypsc.http_client import HttpPubSubClient
from lonelypsc.ws_client import WebsocketPubSubClient
from lonelypsp.auth.config import AuthConfigFromParts
from lonelypsp.tracing.impl.simple.config import SimpleTracingConfig
from lonelypsp.tracing.impl.simple.db import SimpleTracingDBSidecar
from lonelypsp.tracing.impl.simple.root import SimpleTracingSubscriberRoot

SHORT = 4096


def topic_of(value):
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value.encode()


def text_of(data):
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def named(topic):
    text = text_of(topic)
    return {"hex": topic.hex()} if text is None else text


class Status:
    async def on_connection_lost(self):
        peer.emit(state="lost")

    async def on_connection_established(self):
        peer.emit(state="up")

    async def on_connection_abandoned(self):
        peer.emit(state="abandoned")


async def receiving():
    peer.emit(state="receiving")


def http_client(given, auth, traces):
    # With the protocol named, or asyncio does not switch off Nagle's algorithm on its connections.
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", given.port))
    listener.listen(2048)
    host = f"http://127.0.0.1:{listener.getsockname()[1]}" + (f"#{given.fragment}" if given.fragment else "")

    async def serve(router):
        app = FastAPI()
        app.include_router(router)
        app.router.redirect_slashes = False
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="warning", ws="none"))
        # Not `serve`, which would take over the signals of this program.
        await server._serve(sockets=[listener])

    client = HttpPubSubClient(
        make_http_pub_sub_config(
            bind={"type": "manual", "callback": serve},
            host=host,
            broadcasters=[{"host": url} for url in given.broadcaster],
            outgoing_retries_per_broadcaster=given.retries,
            message_body_spool_size=10 * 1024 * 1024,
            outgoing_http_timeout_total=30,
            outgoing_http_timeout_connect=None,
            outgoing_http_timeout_sock_read=30,
            outgoing_http_timeout_sock_connect=5,
            outgoing_retry_ambiguous=not given.give_up_when_ambiguous,
            resubscribe_interval=given.resubscribe_interval,
            auth=auth,
            tracing=SimpleTracingSubscriberRoot(traces, traces.config).stateless,
        )
    )
    return client, client.connector._receive_url


def websocket_client(given, auth):
    return WebsocketPubSubClient(
        make_websocket_pub_sub_config(
            broadcasters=[{"host": url} for url in given.broadcaster],
            outgoing_initial_connect_retries=given.retries,
            outgoing_min_reconnect_interval=0.1,
            max_websocket_message_size=given.part_size,
            websocket_open_timeout=5,
            websocket_close_timeout=5,
            websocket_heartbeat_interval=10,
            websocket_minimal_headers=not given.expanded_headers,
            max_sent_notifications=None,
            max_unsent_notifications=None,
            max_expected_acks=None,
            max_received=None,
            max_unsent_acks=None,
            allow_compression=not given.no_compression,
            compression_dictionary_by_id={},
            initial_compression_dict_id=None,
            allow_training_compression=not given.no_compression,
            decompression_max_window_size=8 * 1024 * 1024,
            auth=auth,
        )
    )


def digest(stream):
    """Length, SHA-512 and the first bytes of a message."""
    hashed, length, start = hashlib.sha512(), 0, b""
    while piece := stream.read(65536):
        hashed.update(piece)
        length += len(piece)
        start += piece[: max(0, SHORT - len(start))]
    return length, hashed.hexdigest(), start


async def tell_messages(messages):
    try:
        async for message in messages:
            length, sha512, start = digest(message.data)
            text = text_of(start) if length <= SHORT else None
            peer.emit(received=named(message.topic), length=length, sha512=sha512, text=text)
    except Exception as error:
        peer.emit(ended=repr(error))


async def confirmed(client):
    """The websocket client only queues what it is asked for."""
    while client.receiver.connection_status != PubSubClientConnectionStatus.OK:
        if client.receiver.connection_status == PubSubClientConnectionStatus.ABANDONED:
            raise ConnectionError("abandoned")
        await asyncio.sleep(0.005)


async def notify(client, topic, **message):
    done = await client.notify(trace_initializer=None, topic=topic, **message)
    return done.notified


async def notify_many(client, topic, count, together):
    numbers = iter(range(count))

    async def some():
        return sum([await notify(client, topic, data=str(number).encode()) for number in numbers])

    return sum(await asyncio.gather(*(some() for _ in range(together))))


async def do(client, subscription, command):
    verb = command["do"]
    if verb == "notify" and "file" in command:
        with open(command["file"], "rb") as file:
            return await notify(client, topic_of(command["topic"]), sync_file=file)
    if verb == "notify":
        return await notify(client, topic_of(command["topic"]), data=command["text"].encode())
    if verb == "notify_many":
        return await notify_many(client, topic_of(command["topic"]), command["count"], command.get("together", 1))
    if verb not in ("subscribe", "unsubscribe"):
        raise ValueError(f"unknown command {verb}")
    for topic in command.get("exact", []):
        await getattr(subscription, f"{verb}_exact")(topic_of(topic))
    for glob in command.get("glob", []):
        await getattr(subscription, f"{verb}_glob")(glob)
    await confirmed(client)


async def obey(client, subscription, queue):
    while (command := await queue.get()) is not None:
        verb = command["do"]
        try:
            peer.emit(did=verb, result=await do(client, subscription, command))
        except Exception as error:
            peer.emit(did=verb, error=type(error).__name__, message=str(error))


def read_commands(loop, queue):
    for command in peer.commands():
        loop.call_soon_threadsafe(queue.put_nowait, command)
    loop.call_soon_threadsafe(queue.put_nowait, None)


async def run(client, receive_url):
    async with client:
        await client.direct_register_status_handler(receiver=Status())
        async with client.subscribe_multi(on_receiving=receiving) as subscription:
            listening = asyncio.create_task(tell_messages(await subscription.messages()))
            queue = asyncio.Queue()
            threading.Thread(target=read_commands, args=(asyncio.get_running_loop(), queue), daemon=True).start()
            peer.emit(state="ready", url=receive_url)
            await obey(client, subscription, queue)
            peer.end_after(5)
            listening.cancel()


async def main():
    arguments = peer.parser(__doc__)
    arguments.add_argument("--broadcaster", action="append", required=True, help="http://.. or ws://..; may be repeated")
    arguments.add_argument("--secrets", help="a subscriber-secrets.json; without one, none in both directions")
    arguments.add_argument("--port", type=int, default=0, help="of the HTTP client's listener; 0 = any free one")
    arguments.add_argument("--fragment", help="of the HTTP client's receive url")
    arguments.add_argument("--retries", type=int, default=3)
    arguments.add_argument("--give-up-when-ambiguous", action="store_true")
    arguments.add_argument("--resubscribe-interval", type=float, default=300, help="seconds")
    arguments.add_argument("--part-size", type=int, default=3_670_016, help="bytes of a websocket message")
    arguments.add_argument("--expanded-headers", action="store_true")
    arguments.add_argument("--no-compression", action="store_true")
    given = arguments.parse_args()
    peer.end_after(given.bound)

    to_subscriber, to_broadcaster = lonely_auth.both(given.secrets, ":memory:")
    auth = AuthConfigFromParts(to_broadcaster=to_broadcaster, to_subscriber=to_subscriber)
    try:
        if given.broadcaster[0].startswith("ws"):
            return await run(websocket_client(given, auth), None)
        async with SimpleTracingDBSidecar(SimpleTracingConfig(), ":memory:") as traces:
            await run(*http_client(given, auth, traces))
    except PubSubError as error:
        # A broadcaster that refuses it, or that is gone when it takes its leave.
        peer.emit(ended=repr(error))


if __name__ == "__main__":
    asyncio.run(main())
