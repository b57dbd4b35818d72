"""Looks for one service with python-zeroconf, as eventhive 0.5.0 does. Arguments: its name, and seconds to wait.

Writes one JSON line: what was found, or null.
"""
import json
import sys

from zeroconf import Zeroconf

TYPE = "_eventhive._tcp.local."
zeroconf = Zeroconf()
info = zeroconf.get_service_info(TYPE, "%s.%s" % (sys.argv[1], TYPE), timeout=float(sys.argv[2]) * 1000)
zeroconf.close()
found = info and {
    "txt": [[key.decode(), value and value.decode()] for key, value in info.properties.items()],
    "port": info.port,
    "server": info.server,
    "addresses": info.parsed_addresses(),
    "priority": info.priority,
    "weight": info.weight,
}
print(json.dumps({"found": found}), flush=True)
