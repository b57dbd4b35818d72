#!/usr/bin/env python3
"""Takes from Wycheproof's vectors what concerns our primitives, one test a line.

    python3 extract.py FOLDER_WITH_THE_VECTORS_OF_WYCHEPROOF

Source: https://github.com/C2SP/wycheproof, testvectors, Apache-2.0; as packed in the crate `wycheproof` 0.7.0. The crate is
no dependency, because it unpacks to 98 MB.
"""
import json
import pathlib
import sys

GROUPS = {
    # The nonce and tag sizes that envelopes have.
    "aes_gcm": lambda group: (group["keySize"], group["ivSize"], group["tagSize"]) == (256, 96, 128),
    "hmac_sha256": lambda group: True,
    "hmac_sha1": lambda group: True,
    "hkdf_sha256": lambda group: True,
}
FIELDS = ["tcId", "comment", "key", "iv", "aad", "msg", "ct", "tag", "ikm", "salt", "info", "size", "okm", "result"]

here = pathlib.Path(__file__).parent
for name, wanted in GROUPS.items():
    vectors = json.loads((pathlib.Path(sys.argv[1]) / f"{name}_test.json").read_text())
    rows = [
        json.dumps({field: test[field] for field in FIELDS if field in test} | {"tagSize": group.get("tagSize")})
        for group in vectors["testGroups"] if wanted(group)
        for test in group["tests"]
    ]
    (here / f"{name}.json").write_text("[\n" + ",\n".join(rows) + "\n]\n")
    print(name, len(rows))
