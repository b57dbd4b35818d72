#!/usr/bin/env python3
"""Makes aes-256-gcm.json: the default envelope (src/envelope/sealed/mod.rs) by another implementation.

    pip install cryptography
    python3 tests/vectors/envelope.py > tests/vectors/aes-256-gcm.json
"""
import base64
import hashlib
import hmac
import json

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NAME = "aes-256-gcm"


def derive(secret, salt, purpose, length):
    hkdf = HKDF(algorithm=SHA256(), length=length, salt=salt, info=b"eventhive/1 " + purpose)
    return hkdf.derive(secret.encode())


def b64(data):
    return base64.b64encode(data).decode()


def vector(name, secret, sender, counter, time, topic, message):
    key_id = derive(secret, None, b"key id", 8)
    encryption = derive(secret, sender, b"encryption", 32)
    signature = derive(secret, sender, b"signature", 32)
    path = topic.encode()
    header = (b"eventhive/1" + key_id + sender + counter.to_bytes(8, "big") + time.to_bytes(8, "big")
              + len(path).to_bytes(4, "big") + path)
    ciphertext = AESGCM(encryption).encrypt(counter.to_bytes(12, "big"), message.encode(), header)
    envelope = {
        "cipher": NAME,
        "key": key_id.hex(),
        "sender": b64(sender),
        "counter": counter,
        "time": time,
        "ciphertext": b64(ciphertext),
        "signature": b64(hmac.digest(signature, header + ciphertext, hashlib.sha256)),
    }
    return {
        "name": name, "secret": secret, "sender_hex": sender.hex(), "counter": counter, "time": time, "topic": topic,
        "message": message,
        "derived": {"encryption_key_hex": encryption.hex(), "signature_key_hex": signature.hex(), "header_hex": header.hex()},
        "text": json.dumps(envelope),
    }


SENDER = bytes(range(16))
TIME = 1795217286547
vectors = [
    vector("plain", "s3cret", b"\x07" * 16, 0, 1000000, "net/a/b", '{"a": 1}'),
    vector("empty object", "s3cret", SENDER, 1, TIME, "net/a/b", "{}"),
    vector("empty message", "s3cret", SENDER, 2, TIME, "net/a/b", ""),
    vector("256 bits in hex", "9f" * 32, SENDER, 3, TIME, "net/a/b", '{"a": 1}'),
    vector("text beyond ASCII everywhere", "gehäim 🐝", SENDER, 4, TIME, "net/wörk/🐝", '{"é": "\U0001f41d\\u00e9"}'),
    vector("large counter, time 0", "s3cret", SENDER, 2**63 + 5, 0, "net/a/b", '{"a": 1}'),
    vector("secret longer than a block of the hash", "x" * 100, SENDER, 5, TIME, "n/a", '{"a": 1}'),
    vector("one byte more than a block of the cipher", "s3cret", b"\xff" * 16, 6, TIME, "n/a", '{"a":"123456789"}'),
    vector("4 KiB", "s3cret", SENDER, 7, TIME, "net/a/" + "b" * 300, json.dumps({"a": "0123456789abcdef" * 256})),
]
assert [row["time"] for row in vectors].count(TIME) == 7
print(json.dumps({"made_with": "tests/vectors/envelope.py", "format": "src/envelope/sealed/mod.rs", "vectors": vectors},
                 indent=1, ensure_ascii=True))
