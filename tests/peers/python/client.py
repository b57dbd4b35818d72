"""A PubSubClient driven by commands.

Out: {"state": "ready", "channel": ID} after each (re)connection, {"state": "lost"}, {"received": TOPIC, "data": ..},
and for each command {"did": VERB, "result": ..} or {"did": VERB, "error": ..}.
In: {"do": "publish", "topics": [..], "data": .., "sync": .., "notifier_id": ..}, {"do": "subscribe", "topic": ..},
{"do": "unsubscribe", "topic": ..}, {"do": "disconnect"}. A null topic is ALL_TOPICS.
"""

import asyncio
import threading

from fastapi_websocket_pubsub import ALL_TOPICS, PubSubClient

import peer


async def received(data, topic):
    peer.emit(received=topic, data=data)


async def connected(_client, channel):
    answer = await channel.other._get_channel_id_()
    peer.emit(state="ready", channel=answer.result)


async def lost(_channel):
    peer.emit(state="lost")


def named(topic):
    return ALL_TOPICS if topic is None else topic


async def do(client, command):
    verb = command.pop("do")
    if verb == "publish":
        return await client.publish(**command)
    if verb == "subscribe":
        return await client.subscribe(named(command["topic"]), received)
    if verb == "unsubscribe":
        return await client.unsubscribe(named(command["topic"]))
    if verb == "disconnect":
        return await client.disconnect()
    raise ValueError(f"unknown command {verb}")


async def serve(client, queue):
    while (command := await queue.get()) is not None:
        verb = command["do"]
        try:
            answer = await do(client, command)
            peer.emit(did=verb, result=getattr(answer, "result", answer))
        except Exception as error:
            peer.emit(did=verb, error=repr(error))


def read_commands(loop, queue):
    for command in peer.commands():
        loop.call_soon_threadsafe(queue.put_nowait, command)
    loop.call_soon_threadsafe(queue.put_nowait, None)


async def main():
    arguments = peer.parser(__doc__)
    arguments.add_argument("--url", required=True)
    arguments.add_argument("--topic", action="append", default=[])
    arguments.add_argument("--all", action="store_true", help="subscribe ALL_TOPICS")
    arguments.add_argument("--keep-alive", type=float, default=0)
    given = arguments.parse_args()
    peer.end_after(given.bound)

    topics = given.topic + ([ALL_TOPICS] if given.all else [])
    client = PubSubClient(
        topics, callback=received, keep_alive=given.keep_alive, on_connect=[connected], on_disconnect=[lost]
    )
    client.start_client(given.url)
    queue = asyncio.Queue()
    threading.Thread(target=read_commands, args=(asyncio.get_running_loop(), queue), daemon=True).start()
    await serve(client, queue)
    # The client tries for ever to reach a server that is gone; the test is over, so its end is enough.
    peer.end_after(2)
    await client.disconnect()


if __name__ == "__main__":
    asyncio.run(main())
