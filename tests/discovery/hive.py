"""The real eventhive 0.5.0 with the configuration in the file $EVENTHIVE_CONFIG, until standard input is closed.

Writes one JSON line after `init`: the settings that each connector has then.
"""
import json
import os
import sys

import eventhive

if __name__ == "__main__":
    eventhive.init()
    connectors = {name: eventhive.CONFIG.CONFIG["connectors"][name]["init"] for name in eventhive.CONNECTORS}
    print(json.dumps({"connectors": connectors, "servers": list(eventhive.SERVERS)}), flush=True)
    sys.stdin.read()
    eventhive.stop()
    print(json.dumps({"stopped": True}), flush=True)
    # Its publisher threads never end.
    os._exit(0)
