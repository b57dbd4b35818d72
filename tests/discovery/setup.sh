#!/bin/sh
# Makes the Python environments that tests/discovery talks with, in the folder $1 (default: target/peers): `eventhive` has
# eventhive 0.5.0 with the zeroconf 0.47.4 that it demands, `zeroconf` a recent zeroconf. What is there is kept.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/../../target/peers}

environment() { # name, list of packages, what must be importable
    if "$folder/$1/bin/python" -c "import $3" 2>/dev/null; then return; fi
    mkdir -p "$folder"
    python3 -m venv --clear "$folder/$1"
    "$folder/$1/bin/pip" install --quiet --no-deps --requirement "$here/$2"
}

environment eventhive requirements.txt eventhive,zeroconf
environment zeroconf requirements-current.txt zeroconf
