"""Browses with python-zeroconf until standard input is closed; a JSON line for each change."""
import json
import sys

from zeroconf import ServiceBrowser, Zeroconf

TYPE = "_eventhive._tcp.local."


def changed(zeroconf, service_type, name, state_change):
    print(json.dumps({"change": state_change.name, "name": name[: -len(TYPE) - 1]}), flush=True)


zeroconf = Zeroconf()
browser = ServiceBrowser(zeroconf, TYPE, handlers=[changed])
print(json.dumps({"watching": TYPE}), flush=True)
sys.stdin.read()
zeroconf.close()
