"""``python -m tests.fuzz --seconds 60 [--seed 1] [--target wire]``: fuzz for that long; what fails is told by its seed.

``--only`` plays one seed again. A single input that takes ten seconds ends the run with a traceback: it is a hang.
"""

from __future__ import annotations

import argparse
import faulthandler
import sys
import time
import traceback
from collections.abc import Sequence
from random import Random

from tests.fuzz.targets import TARGETS


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--only", type=int, default=None)
    parser.add_argument("--target", choices=TARGETS, action="append")
    asked = parser.parse_args(argv)
    targets = asked.target or list(TARGETS)
    if asked.only is not None:
        for name in targets:
            TARGETS[name](Random(asked.only))
        return 0
    first = asked.seed if asked.seed is not None else Random().randrange(2**48)
    return fuzz(targets, first, asked.seconds)


def fuzz(targets: Sequence[str], first: int, seconds: float) -> int:
    """Play seed after seed; as many as failed, of which the first ten are shown."""
    print(f"seeds from {first}")
    failed, slowest, end, seed = 0, 0.0, time.monotonic() + seconds, first
    while time.monotonic() < end:
        for name in targets:
            faulthandler.dump_traceback_later(10.0, exit=True)
            began = time.process_time()
            try:
                TARGETS[name](Random(seed))
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                failed += 1
                if failed <= 10:
                    print(f"--only {seed} --target {name}:", file=sys.stderr)
                    traceback.print_exc(limit=-3)
            slowest = max(slowest, time.process_time() - began)
        seed += 1
    faulthandler.cancel_dump_traceback_later()
    print(f"{seed - first} seeds, {failed} failed, the slowest took {slowest:.2f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
