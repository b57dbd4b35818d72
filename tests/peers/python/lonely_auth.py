"""The two authorizations of a secrets file, for a broadcaster and for a subscriber."""

import json

from lonelypsp.auth.helpers.hmac_auth_config import (
    IncomingHmacAuthDBReentrantConfig,
    IncomingHmacAuthSqliteDBConfig,
    ToBroadcasterHmacAuth,
    ToSubscriberHmacAuth,
)
from lonelypsp.auth.helpers.none_auth_config import ToBroadcasterNoneAuth, ToSubscriberNoneAuth
from lonelypsp.auth.helpers.token_auth_config import ToBroadcasterTokenAuth, ToSubscriberTokenAuth


def one(secrets, direction, kinds, codes):
    if direction not in secrets:
        return kinds["none"]()
    kind, secret = secrets[direction]["type"], secrets[direction]["secret"]
    if kind == "token":
        return kinds["token"](token=secret)
    return kinds["hmac"](secret=secret, db_config=codes)


def both(path, codes_seen):
    """(to subscribers, to broadcasters). Codes of both directions are remembered in one store."""
    secrets = {"version": "2"}
    if path is not None:
        with open(path) as file:
            secrets = json.load(file)
    if secrets.get("version") != "2":
        raise ValueError(f"{path}: version {secrets.get('version')}")
    codes = IncomingHmacAuthDBReentrantConfig(IncomingHmacAuthSqliteDBConfig(codes_seen))
    to_subscriber = {"none": ToSubscriberNoneAuth, "token": ToSubscriberTokenAuth, "hmac": ToSubscriberHmacAuth}
    to_broadcaster = {"none": ToBroadcasterNoneAuth, "token": ToBroadcasterTokenAuth, "hmac": ToBroadcasterHmacAuth}
    return one(secrets, "to-subscriber", to_subscriber, codes), one(secrets, "to-broadcaster", to_broadcaster, codes)
