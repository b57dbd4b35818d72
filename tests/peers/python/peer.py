"""What the peers share: one JSON object a line out, one a line in, and an end in any case.

A peer ends when its standard input is closed (the test is over, or died), and at the latest after `--bound` seconds.
"""

import argparse
import json
import os
import sys
import threading
import time

_lock = threading.Lock()


def emit(**fields):
    """Prints one line. `at` is the machine's monotonic clock, so lines of different processes can be compared."""
    with _lock:
        print(json.dumps({"at": time.monotonic(), **fields}), flush=True)


def parser(description):
    result = argparse.ArgumentParser(description=description)
    result.add_argument("--bound", type=float, default=120.0, help="seconds after which the process ends anyhow")
    return result


def end_after(seconds):
    def end():
        emit(error=f"still running after {seconds} s")
        os._exit(70)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def end_now():
    os._exit(0)


def commands():
    """The commands as they come; ends when standard input is closed."""
    for line in sys.stdin:
        yield json.loads(line)
