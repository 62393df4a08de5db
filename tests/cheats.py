"""``python -m tests.cheats``: answers that return 0 everywhere and try to be marked right; none may score.

Each is judged behind bubblewrap, where it is, and without it. Exit status 1 when one scores or has no reason.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

from bookpress.course import cage
from tests.course.test_judge import CHEATS, WRONG, judged


def without_wall() -> None:
    """From here on neither this process nor a judge that it starts finds bubblewrap."""
    os.environ["PATH"] = ""
    cage.isolated.cache_clear()
    assert not cage.isolated()


def main(argv: list[str] | None = None) -> int:
    argparse.ArgumentParser(prog="python -m tests.cheats", description=__doc__.splitlines()[0]).parse_args(argv)
    found = 0
    for where in ("behind bubblewrap", "without it"):
        if where == "without it":
            without_wall()
        elif not cage.isolated():
            print("bubblewrap is not here")
            continue
        begun, scored = time.monotonic(), []
        for name, cheat in CHEATS.items():
            mark = judged(f"{WRONG}\n{cheat}")
            if mark.passed or not mark.reason:
                scored.append(name)
                print(f"{where}: {name} scores")
        found += len(scored)
        honest = judged("def twice(x):\n    return np.asarray(x) + x\n\nname = 'Sncg'")
        print(f"{where}: {len(scored)} of {len(CHEATS)} cheats score, an honest answer "
              f"{'does' if honest.passed else 'DOES NOT'}; {time.monotonic() - begun:.0f} s", flush=True)
        found += not honest.passed
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
