"""What the scripts that measure have in common: the program, built as scripts/setup builds it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def build():
    """Builds the program; returns the folder of builds, and the environment that scripts/setup prepared."""
    done = subprocess.run(["bash", "-c", "source scripts/setup >&2 && env -0"], cwd=ROOT, stdout=subprocess.PIPE)
    if done.returncode:
        raise SystemExit(f"{Path(sys.argv[0]).name}: scripts/setup ended with status {done.returncode}")
    variables = done.stdout.decode().rstrip("\0").split("\0")
    environment = dict(variable.split("=", 1) for variable in variables)
    return ROOT / environment.get("CARGO_TARGET_DIR", "target"), environment
