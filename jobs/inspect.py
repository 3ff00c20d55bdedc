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
else:
    from pose_diffusion import storage
    from pose_diffusion.config import Config
    from pose_diffusion.distributed.job import run_job, show

    SECTIONS = ("inspect", "ray")

    def main(config: Config) -> None:
        from pose_diffusion.distributed.inspect import inspect
        from pose_diffusion.inspection.card import render

        found = inspect(config)
        show(render(found.figures, config.inspect.input))
        for name in found.pages:
            print(storage.join(config.inspect.output, name))

    if __name__ == "__main__":
        run_job(main, __doc__, SECTIONS)
