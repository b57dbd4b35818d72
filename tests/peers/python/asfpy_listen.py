"""One of asfpy's listeners.

Out: {"state": "ping"} for each ping, and {"received": PATH, "data": ..} for each event.
"""

import asyncio
import threading
import warnings

warnings.simplefilter("ignore", DeprecationWarning)

import asfpy.pubsub  # noqa: E402

import peer  # noqa: E402


def heard(payload):
    if "stillalive" in payload:
        peer.emit(state="ping")
    else:
        peer.emit(received=payload["pubsub_path"], data=payload)


async def listen(given):
    async for payload in asfpy.pubsub.listen(given.url, given.username, given.password):
        heard(payload)


def attach(given):
    more = {}
    if given.username:
        more["auth"] = (given.username, given.password)
    if given.since:
        more["since"] = float(given.since)
    asfpy.pubsub.Listener(given.url).attach(heard, raw=True, **more)


def end_with_the_test():
    for _ in peer.commands():
        pass
    peer.end_now()


def main():
    arguments = peer.parser(__doc__)
    arguments.add_argument("--url", required=True)
    arguments.add_argument("--listener", choices=["listen", "Listener"], required=True)
    arguments.add_argument("--username")
    arguments.add_argument("--password")
    arguments.add_argument("--since")
    given = arguments.parse_args()
    peer.end_after(given.bound)
    threading.Thread(target=end_with_the_test, daemon=True).start()
    if given.listener == "listen":
        asyncio.run(listen(given))
    else:
        attach(given)


if __name__ == "__main__":
    main()
