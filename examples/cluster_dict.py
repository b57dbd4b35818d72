"""A member of the replicated dictionary of cluster_dict.rs, on Python's eventhive.

    pip install eventhive==0.5.0 'redis>=4.5.1' 'uvicorn==0.34.3'
    python cluster_dict.py NAME [redis://HOST:PORT | ws://HOST:PORT/ENDPOINT]

Without a place the members find each other by mDNS. Type `set KEY VALUE` or `del KEY`; after each change the dictionary is
printed. The end of the input ends the member. How it works is written in cluster_dict.rs.
"""

import json
import os
import socket
import sys
import threading
import time
from urllib.parse import urlsplit

import eventhive

# How long a newcomer takes answers, and remembers writes.
JOINING = 5


class Replica:
    """What this member has. Only the connector's thread touches it."""

    def __init__(self):
        self.store = {}
        self.created = self.oldest = time.time()
        self.joining_until = time.monotonic() + JOINING
        self.since = []

    def is_joining(self):
        if time.monotonic() >= self.joining_until:
            self.since = []
            return False
        return True

    def change(self, change):
        if self.is_joining():
            self.since.append(change)
        self.apply(change)

    def apply(self, change):
        key, *value = change
        if value:
            self.store[key] = value[0]
        else:
            self.store.pop(key, None)

    def adopt(self, created, store):
        if self.is_joining() and created <= self.oldest:
            self.oldest, self.store = created, dict(store)
            for change in self.since:
                self.apply(change)


def configuration(name, place):
    """The connector and, where the members find each other by themselves, the server."""
    network = "clusterdict-" + name
    connector = {"input_channel": name}
    result = {"connectors": {network: connector}}
    if place is None:
        connector.update(pubsub_type="fastapi", from_broadcast=10)
        # The port is announced as it is written, so it cannot be left to the system.
        with socket.socket() as probe:
            probe.bind(("", 0))
            port = probe.getsockname()[1]
        init = {"host": "0.0.0.0", "port": port, "endpoint": "/pubsub"}
        server = {"pubsub_type": "fastapi", "create": "needed", "broadcast": True, "init": init}
        result["servers"] = {network: server}
        return result
    url = urlsplit(place)
    if url.scheme == "redis":
        connector.update(pubsub_type="redis", init={"host": url.hostname, "port": url.port or 6379})
    else:
        init = {"host": url.hostname, "port": url.port, "endpoint": url.path}
        connector.update(pubsub_type="fastapi", init=init)
    return result


def main():
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    name = sys.argv[1].lower()
    if not name.isalnum() or "clusterdict-".startswith(name):
        sys.exit("NAME is letters and digits, and no beginning of `clusterdict`")
    replica = Replica()
    joined = threading.Event()
    events = "clusterdict-%s/%s/" % (name, name)

    def changed():
        print(json.dumps(replica.store), flush=True)

    def setitem(message):
        replica.change((message["key"], message["value"]))
        changed()

    def delitem(message):
        replica.change((message["key"],))
        changed()

    def getall_req(message):
        joined.set()
        eventhive.EVENTS.call(events + "getall-resp", {"created": replica.created, "store": dict(replica.store)})

    def getall_resp(message):
        replica.adopt(message["created"], message["store"])
        changed()

    hooks = {"setitem": setitem, "delitem": delitem, "getall-req": getall_req, "getall-resp": getall_resp}
    # Known to the connector are only the events that exist before `init`.
    for event, hook in hooks.items():
        eventhive.EVENTS.append(name + "/" + event)
        eventhive.EVENTS.hook(hook, name + "/" + event, None)
        eventhive.EVENTS.append(events + event)
    place = sys.argv[2] if len(sys.argv) == 3 else None
    eventhive.CONFIG.read_string(json.dumps(configuration(name, place)))
    eventhive.init(required=["clusterdict-" + name])

    # The connection is made in the background, and a request that does not come back was published too early.
    while not joined.is_set():
        eventhive.EVENTS.call(events + "getall-req", {})
        joined.wait(1)
    print("a member of clusterdict-%s: type `set KEY VALUE` or `del KEY`" % name, file=sys.stderr)
    for line in sys.stdin:
        words = line.strip().split(" ", 2)
        if words[0] == "set" and len(words) == 3:
            try:
                value = json.loads(words[2])
            except ValueError:
                value = words[2]
            eventhive.EVENTS.call(events + "setitem", {"key": words[1], "value": value})
        elif words[0] == "del" and len(words) == 2:
            eventhive.EVENTS.call(events + "delitem", {"key": words[1]})
        else:
            print("type `set KEY VALUE` or `del KEY`", file=sys.stderr)
    # A publish on a hub has a thread of its own, which may not be done yet.
    time.sleep(1)
    eventhive.stop()
    # The connectors' threads never end.
    os._exit(0)


if __name__ == "__main__":
    main()
