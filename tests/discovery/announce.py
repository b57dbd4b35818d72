"""Announces one service with python-zeroconf, as eventhive 0.5.0 does, until standard input is closed.

Argument: JSON with `name`, `port`, `txt` (a mapping, or the record in hexadecimal) and perhaps `server` and `address`.
Writes one JSON line when it is announced, and one when it is withdrawn.
"""
import json
import socket
import sys

from zeroconf import NonUniqueNameException, ServiceInfo, Zeroconf

TYPE = "_eventhive._tcp.local."
what = json.loads(sys.argv[1])
txt = what["txt"]
full = "%s.%s" % (what["name"], TYPE)
info = ServiceInfo(
    TYPE,
    full,
    addresses=[socket.inet_aton(what.get("address", "0.0.0.0"))],
    port=what["port"],
    properties=bytes.fromhex(txt) if isinstance(txt, str) else txt,
    server=what.get("server", full),
)
zeroconf = Zeroconf()
try:
    zeroconf.register_service(info)
    print(json.dumps({"announced": full}), flush=True)
    sys.stdin.read()
    zeroconf.unregister_service(info)
    print(json.dumps({"withdrawn": full}), flush=True)
except NonUniqueNameException:
    print(json.dumps({"taken": full}), flush=True)
finally:
    zeroconf.close()
