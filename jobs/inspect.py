"""A shard folder's card: what is in it, what looks wrong and why, and pages of its poses to look at."""

import importlib
import os
import sys

# Python looks for modules in a script's folder first, so that each job would find this file when a library imports the
# standard library's `inspect`. So the folder is left out of the search, and who comes here by that name is sent on.
_FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [path for path in sys.path if os.path.abspath(path) != _FOLDER]

if __name__ == "inspect":
    del sys.modules["inspect"]
    importlib.import_module("inspect")
elif __name__ == "__main__":
    from pose_diffusion.cli import run_job

    run_job("inspect")
