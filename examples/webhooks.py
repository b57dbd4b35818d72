"""A subscriber of webhooks on Python's lonelypsc, beside webhooks.rs: it says what it hears, and publishes once.

    pip install 'lonelypsc[standard]==0.0.18'
    python webhooks.py http://127.0.0.1:3003 [subscriber-secrets.json]

The first argument is the broadcaster, such as `hive-cli serve`; the second the secrets that `hive-cli setup webhook` wrote,
where the broadcaster has some. The broadcaster posts to port 3002 of this machine, so its `allow` has to have `loopback`, as
it has in what `setup` writes. Another hive, or curl, may publish to `orders/..` meanwhile.
"""

import asyncio
import sys

from lonelypsc.config.file_config import get_auth_config_from_file
from lonelypsc.config.http_config import make_http_pub_sub_config
from lonelypsc.http_client import HttpPubSubClient
from lonelypsp.auth.config import AuthConfigFromParts
from lonelypsp.auth.helpers.none_auth_config import ToBroadcasterNoneAuth, ToSubscriberNoneAuth
from lonelypsp.tracing.impl.simple.config import SimpleTracingConfig
from lonelypsp.tracing.impl.simple.db import SimpleTracingDBSidecar
from lonelypsp.tracing.impl.simple.root import SimpleTracingSubscriberRoot

LISTEN = {"type": "uvicorn", "host": "127.0.0.1", "port": 3002}


def authorization(secrets):
    if secrets is None:
        to_subscriber, to_broadcaster = ToSubscriberNoneAuth(), ToBroadcasterNoneAuth()
    else:
        to_subscriber, to_broadcaster = get_auth_config_from_file(secrets)
    return AuthConfigFromParts(to_subscriber=to_subscriber, to_broadcaster=to_broadcaster)


def configuration(broadcaster, secrets, traces):
    return make_http_pub_sub_config(
        bind=LISTEN,
        # Where the broadcaster posts to; `/v1/receive` and `/v1/recover` are added.
        host=f"http://{LISTEN['host']}:{LISTEN['port']}",
        broadcasters=[{"host": broadcaster}],
        outgoing_retries_per_broadcaster=2,
        message_body_spool_size=10 * 1024 * 1024,
        outgoing_http_timeout_total=30,
        outgoing_http_timeout_connect=None,
        outgoing_http_timeout_sock_read=30,
        outgoing_http_timeout_sock_connect=5,
        outgoing_retry_ambiguous=True,
        auth=authorization(secrets),
        tracing=SimpleTracingSubscriberRoot(traces, traces.config).stateless,
    )


async def publish(client):
    told = await client.notify(trace_initializer=None, topic=b"orders/17", data=b"paid")
    print(f"orders/17 reached {told.notified} subscriber(s)", flush=True)


async def main(broadcaster, secrets=None):
    async with (
        SimpleTracingDBSidecar(SimpleTracingConfig(), ":memory:") as traces,
        HttpPubSubClient(configuration(broadcaster, secrets, traces)) as client,
        client.subscribe_glob("orders/*") as subscription,
    ):
        messages = await subscription.messages()
        # Beside what follows: the broadcaster is answered when a message has been taken here, and notify when all have it.
        publishing = asyncio.create_task(publish(client))
        async for message in messages:
            print(f"heard {message.topic.decode()}: {message.data.read().decode()}", flush=True)
        await publishing


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    try:
        asyncio.run(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        pass
