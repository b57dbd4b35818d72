"""A hive of Python's eventhive, driven by commands.

Out: {"state": "ready"} once every connector that listens has subscribed, {"received": EVENT, "data": ..},
{"did": "call"} or {"did": "call", "error": ..}.
In: {"do": "call", "event": .., "data": {..}}.
"""

import os
import time

import peer

import logging
import sys


def main():
    arguments = peer.parser(__doc__)
    arguments.add_argument("--config", required=True)
    arguments.add_argument("--hook", action="append", default=[], help="event to define and to listen for")
    arguments.add_argument("--define", action="append", default=[], help="remote event that will be called")
    arguments.add_argument("--answer", help="remote event to call with what a hook received, under the key `answer`")
    arguments.add_argument("--reply", action="store_true", help="answer requests with what a hook received, under `got`")
    given = arguments.parse_args()
    peer.end_after(given.bound)

    # Read when the package is imported.
    os.environ["EVENTHIVE_CONFIG"] = given.config
    import eventhive

    eventhive.logger.addHandler(logging.StreamHandler(sys.stderr))
    eventhive.logger.setLevel(logging.INFO)

    def received(message):
        event = eventhive.get_event_name()
        peer.emit(received=event, data=message)
        if given.answer:
            eventhive.EVENTS.call(given.answer, {"answer": message})
        if given.reply:
            reply(eventhive, message)

    for event in given.hook:
        eventhive.EVENTS.append(event)
        eventhive.EVENTS.hook(received, event, None)
    # Published are only the events that exist before `init`.
    for event in given.define + ([given.answer] if given.answer else []):
        eventhive.EVENTS.append(event)

    eventhive.init(required=list(eventhive.CONFIG.CONFIG["connectors"]))
    wait_for_subscriptions(eventhive)
    peer.emit(state="ready")

    for command in peer.commands():
        try:
            eventhive.EVENTS.call(command["event"], command["data"])
            peer.emit(did="call")
        except Exception as error:
            peer.emit(did="call", error=repr(error))
    eventhive.stop()
    # The connectors' threads never end.
    os._exit(0)


def reply(eventhive, request):
    """Calls the event that a request wants to be answered with."""
    metadata = request.pop("__eventhive__")
    name = metadata.get("reply_to")
    if name is None:
        return
    # `init` has made the connectors publish the events that there were, and this one is new.
    connector = eventhive.CONNECTORS[name.split("/")[0]]
    eventhive.EVENTS.append(name)
    eventhive.EVENTS.hook(lambda message: connector.send_to_pubsub(message), name, None)
    eventhive.EVENTS.call(name, {"got": request})


def wait_for_subscriptions(eventhive):
    listening = [c for c in eventhive.CONNECTORS.values() if c.conn_conf["input_channel"]]
    while not all(map(subscribed, listening)):
        time.sleep(0.01)


def subscribed(connector):
    if hasattr(connector, "PUBSUB"):
        return subscribed_at_redis(connector)
    return hasattr(connector, "SUBSCRIBER") and connector.SUBSCRIBER.is_ready()


def subscribed_at_redis(connector):
    """redis-py sends the subscription and goes on, so the server is asked whether this connection has its pattern."""
    here = "%s:%d" % connector.PUBSUB.connection._sock.getsockname()
    return any(client["addr"] == here and client["psub"] != "0" for client in connector.REDIS.client_list())


if __name__ == "__main__":
    main()
