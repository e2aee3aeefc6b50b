"""What the resolver makes of a real name server, in a network of its own: run by test_names.py within ``unshare``.

dnsmasq listens where the system's resolver asks, for /etc/resolv.conf is another one here. Prints JSON: for each name
the addresses, or the error.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from scrapekit import kernel

# isort: split

import curio

from scrapekit.errors import FetchError
from scrapekit.headers import Headers
from scrapekit.http import Client, Resolver, Terms, Way

MANY = [f"44.0.1.{number}" for number in range(1, 51)]
RECORDS = [
    "--host-record=one.test,44.0.0.1",
    "--host-record=both.test,44.0.0.2,2606:4700::2",
    "--host-record=inside.test,127.0.0.1",
    "--txt-record=empty.test,nothing",
    *(f"--host-record=many.test,{ip}" for ip in MANY),
]
#: A name server that says nothing.
DEAF = "127.0.0.9"


def prepare(folder: Path) -> None:
    """Bring the network up, with a global address of each family, and point the system's resolver at this machine."""
    for words in ("link set lo up", "addr add 44.9.9.9/32 dev lo", "-6 addr add 2606:4700:9::9/128 dev lo"):
        subprocess.run(["ip", *words.split()], check=True)
    for name, text in {
        "resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
        "nsswitch.conf": "hosts: files dns\n",
    }.items():
        (folder / name).write_text(text)
        subprocess.run(["mount", "--bind", folder / name, f"/etc/{name}"], check=True)


def answers(words: str) -> bool:
    try:
        return bool(socket.getaddrinfo(words, 80))
    except OSError:
        return False


async def asked(resolver: Resolver, name: str) -> Any:
    began = monotonic()
    try:
        found = [address.ip for address in await resolver.resolve(name, 80)]
    except FetchError as error:
        found = [type(error).__name__, error.phase]
    return {"found": found, "seconds": round(monotonic() - began, 2)}


async def look() -> dict[str, Any]:
    """All names, while one of them is not answered."""
    resolver = Resolver()
    deaf = await curio.spawn(asked, resolver, "name.deaf")
    names = ("one.test", "both.test", "many.test", "empty.test", "missing.test", "name.elsewhere")
    said = {name: await asked(resolver, name) for name in names}
    said["name.deaf"] = await deaf.join()
    async with Client(resolver) as client:
        try:
            await client.send("GET", "http://inside.test/", Headers(), terms=Terms(way=Way(private=False)))
        except FetchError as error:
            said["inside.test"] = {"found": [type(error).__name__, error.phase]}
    await resolver.close()
    return said


def main(folder: Path) -> None:
    prepare(folder)
    options = [
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--no-hosts",
        "--no-resolv",
        "--user=root",
        "--pid-file=",
    ]
    places = ["--listen-address=127.0.0.1", "--bind-interfaces", "--local=/test/", f"--server=/deaf/{DEAF}"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((DEAF, 53))
        server = subprocess.Popen(["dnsmasq", *options, *places, *RECORDS], stderr=sys.stderr)
        try:
            until = monotonic() + 10
            while not answers("one.test") and monotonic() < until:
                sleep(0.05)
            print(json.dumps(kernel.run(look)))
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
