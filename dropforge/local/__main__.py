"""`python -m dropforge.local --home DIR`: run a local cloud in the foreground."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dropforge.local.cloud import Plan, run
from dropforge.local.home import HomeBusyError, HomeUnusableError
from dropforge.local.packaging import DeployError
from dropforge.local.project import NoProjectError, find
from dropforge.local.sagemaker.states import Pace


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m dropforge.local", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="folder for its state, keys, ports and logs")
    parser.add_argument(
        "--speed", type=float, default=0.1, help="factor on schedules, back-offs and SageMaker's patience"
    )
    parser.add_argument("--delays", type=float, default=0.0, help="how long SageMaker's states last; 1 is AWS's own")
    parser.add_argument("--seed", type=int, default=0, help="draws these delays")
    parser.add_argument("--stage", action="append", default=None, help="stage to deploy; may be given several times")
    parser.add_argument(
        "--project", type=Path, default=None, help="folder of app.py (default: here, or beside dropforge)"
    )
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when whoever started it ends")
    given = parser.parse_args()
    stages = tuple(dict.fromkeys(given.stage or ["dev"]))
    pace = Pace(given.delays, given.seed)
    try:
        project = find(given.project)
        run(Plan(given.home, project, stages, given.speed, pace, given.until_stdin_closes))
    except (NoProjectError, HomeBusyError, HomeUnusableError, DeployError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
