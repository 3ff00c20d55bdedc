"""The command line: `pose-diffusion VERB --config FILE section.key=value ...`, and `python jobs/VERB.py ...`, the same.

Exit 0: all done. 1: a failed or stopped run. 2: bad input or configuration, told in one line.
A verb imports what it needs when it runs: without torch and Ray, --help and a mistyped key are answered in a tenth of the time.
"""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pose_diffusion import pretrained, storage
from pose_diffusion.config import Config, SourceName, lift_arguments, loading
from pose_diffusion.distributed.cluster.causes import one_line
from pose_diffusion.distributed.cluster.preflight import preflight
from pose_diffusion.distributed.cluster.session import ray_cluster, stop_on_sigterm
from pose_diffusion.errors import InputError, RunError
from pose_diffusion.storage.retry import is_storage_full

if TYPE_CHECKING:
    from rich.console import RenderableType

log = logging.getLogger("pose_diffusion")

_LOG_WIDTH = 200
_MOST_PATHS = 4


@dataclass(frozen=True)
class Verb:
    """run: takes a config of the class `kind` and returns an exit code or None; its docstring is the summary of --help.

    sections: of the config, in the order of --help. parse: makes the config of the command line.
    """

    run: Callable[[Any], int | None]
    sections: tuple[str, ...]
    kind: type[Config] = Config
    parse: Callable[..., Config] = loading.parse_arguments


def prepare(config: Config) -> int:
    """Turns a data set, a 2D archive or synthetic motion into GMM pose shards; again, it makes the files that are missing.

    Exit code 0: all done. 1: complete but for what prepare.on_error=skip left out, or stopped. 2: bad input or configuration.
    """
    from pose_diffusion.distributed.prepare.driver import prepare

    return 1 if prepare(config).skipped else 0


def inspect(config: Config) -> None:
    """A shard folder's card: what is in it, what looks wrong and why, and pages of its poses to look at."""
    from pose_diffusion.distributed.inspect import inspect
    from pose_diffusion.inspection.card import render

    inspection = inspect(config)
    show(render(inspection.figures, config.inspect.input))
    for name in inspection.pages:
        print(storage.join(config.inspect.output, name))


def train(config: Config) -> None:
    """Trains the lifter and the denoiser, or the video model, on GMM pose shards; the same command again resumes a run."""
    from pose_diffusion.distributed.train.driver import train

    train(config)


def tune(config: Config) -> None:
    """Searches settings of training, or of sampling alone, on held-out training subjects; the same command again goes on."""
    from pose_diffusion.distributed.tune.driver import tune
    from pose_diffusion.tuning.console import render

    search = tune(config)
    show(render(search))
    print(f"train the best: pose-diffusion train --config {storage.join(config.tune.output, 'best.yaml')}")
    print(f"curves of all trials: tensorboard --logdir {storage.join(config.tune.output, 'trials')}")


def infer(config: Config) -> None:
    """Lifts GMM pose shards to 3D with a model bundle, and reports how good the poses are; again, it does what is missing."""
    from pose_diffusion.distributed.infer.driver import infer
    from pose_diffusion.report.table import table

    print(table(infer(config)))
    print(f"report and pictures: {config.infer.output}")


def lift(config: Config) -> int:
    """Keypoints of any tool to 3D with the model that comes with the package: one file or folder, on this machine, without Ray.

    pose-diffusion lift keypoints.json --image-size 1920x1080 -o out --format npz,bvh

    Exit code 0: all done. 1: complete but for what prepare.on_error=skip left out, or stopped. 2: bad input or configuration.
    """
    from pose_diffusion.export import lifted_files
    from pose_diffusion.inference.file_lifting import lift_files
    from pose_diffusion.report.lift_lines import lines
    from pose_diffusion.viewer import write_pages

    folder = lifted_files.output_folder(config)
    lifted = lift_files(config)
    pages = functools.partial(write_pages, published=folder, video=config.lift.video)
    paths = lifted_files.write(lifted, config, folder, pages)
    print("\n".join([*lines(lifted), f"{'wrote':<9}{shown_paths(paths)}"]))
    if config.lift.view:
        _open(next(path for path in paths if path.endswith(".html")))
    return 1 if lifted.skipped else 0


def report(config: Config) -> None:
    """Builds the report again from predictions alone: report.json, report.html, poses.png and the table on the console."""
    from pose_diffusion.distributed.report import report
    from pose_diffusion.report.build import PAGE

    print(report(config).table)
    print(f"report: {storage.join(config.report.output or config.report.input, PAGE)}")


def export(config: Config) -> None:
    """Writes predictions for other programs: .bvh for Blender, or VideoPose3D's .npz."""
    from pose_diffusion.export import export

    print(shown_paths(export(config.export)))


def import_official(config: Config) -> None:
    """Turns a pair of published checkpoints (.pth) into a model bundle.

    pose-diffusion import_official official.lifter=lifter.pth official.denoiser=diffusion.pth official.output=models/published
    """
    from pose_diffusion.inference.official_checkpoints import import_official

    model = import_official(config.official, config.model, config.diffusion)
    print(f"{config.official.output}: bundle of width {model.width}, {model.layers} layers")


def quickstart(config: Config) -> None:
    """Lifts a sample with the shipped model, then takes synthetic motion the whole path: shards, a small model, its errors."""
    from pose_diffusion.distributed.infer.driver import infer
    from pose_diffusion.distributed.prepare.driver import prepare
    from pose_diffusion.distributed.train.driver import train
    from pose_diffusion.report.table import table

    log.info("1 of 4: lifting %s with the model that comes with the package", pretrained.SAMPLE)
    lift(_of_sample(config))
    with ray_cluster(config, dashboard=True):
        log.info("2 of 4: synthetic motion -> GMM pose shards in %s", config.prepare.output)
        prepare(config)
        log.info("3 of 4: training the lifter, then the denoiser, in %s", config.train.output)
        train(config)
        log.info("4 of 4: lifting the test subjects, which training never saw, into %s", config.infer.output)
        print(table(infer(config)))
    log.info("report: %s", storage.join(config.infer.output, "report.html"))
    log.info("pictures of the worst, median and best poses: %s", storage.join(config.infer.output, "poses.png"))
    log.info("training curves: tensorboard --logdir %s", config.train.output)


VERBS = {
    "prepare": Verb(prepare, ("prepare", *get_args(SourceName), "ray")),
    "inspect": Verb(inspect, ("inspect", "ray")),
    "train": Verb(train, ("data", "model", "diffusion", "video", "train", "ray")),
    "tune": Verb(tune, ("tune", "data", "model", "diffusion", "video", "train", "infer", "ray")),
    "infer": Verb(infer, ("infer", "data", "ray")),
    "lift": Verb(lift, ("lift", "infer", "prepare", *get_args(SourceName)), parse=lift_arguments.parse),
    "report": Verb(report, ("report", "ray")),
    "export": Verb(export, ("export",)),
    "import_official": Verb(import_official, ("official", "model", "diffusion")),
    "quickstart": Verb(quickstart, ("lift", "prepare", "synthetic", "data", "model", "diffusion", "train", "infer", "ray")),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point `pose-diffusion`: runs the verb that the first argument names and leaves the process."""
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("-h", "--help"):
        print(_overview())
        sys.exit(0)
    if name not in VERBS:
        print(f"error: no verb '{name}': expected {', '.join(VERBS)}", file=sys.stderr)
        sys.exit(2)
    run(VERBS[name], rest, f"pose-diffusion {name}")


def run_job(name: str) -> None:
    """What jobs/NAME.py does: the verb of that name with the command line's arguments."""
    run(VERBS[name], sys.argv[1:])


def run(verb: Verb, arguments: Sequence[str], program: str | None = None) -> None:
    """Runs a verb and leaves the process with its exit code. program: its name in --help; by default the script's."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    for client in ("botocore", "aiobotocore"):  # which tell where they found the keys
        logging.getLogger(client).setLevel(logging.WARNING)
    stop_on_sigterm()
    sys.exit(exit_code(verb, arguments, program))


def exit_code(verb: Verb, arguments: Sequence[str], program: str | None = None) -> int:
    """The exit code of a verb; its error, if any, is one line on stderr."""
    try:
        summary = _summary(verb)
        config = verb.parse(summary, verb.sections, arguments, verb.kind, program)
        preflight(config, verb.sections)
        return verb.run(config) or 0
    except InputError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    except RunError as error:
        print(f"failed: {one_line(error)}", file=sys.stderr)
        return 1
    except OSError as error:
        if not is_storage_full(error):
            raise
        print(f"failed: {one_line(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped: run the same command again to go on", file=sys.stderr)
        return 1


def show(table: RenderableType) -> None:
    """Prints a table of rich: as wide as the terminal, and as wide as it needs in a file or the log of a submitted job."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=_LOG_WIDTH)
    console.print(table)


def shown_paths(paths: Sequence[str]) -> str:
    """The paths where they are few, else how many."""
    return ", ".join(paths) if len(paths) <= _MOST_PATHS else f"{len(paths)} files, the first: {paths[0]}"


def _of_sample(config: Config) -> Config:
    """The settings by which `lift` lifts the sample with the shipped model, whatever the rest of the config trains on."""
    return Config(lift=config.lift.model_copy(update={"input": str(pretrained.SAMPLE)}))


def _open(page: str) -> None:
    """Opens a local page in the browser, where there is one."""
    import webbrowser

    if not storage.is_remote(page):
        webbrowser.open(Path(page).resolve().as_uri())


def _summary(verb: Verb) -> str:
    lines = (verb.run.__doc__ or "").splitlines()
    return "\n".join(line.removeprefix("    ") for line in lines).rstrip()


def _overview() -> str:
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {name:<{width}}  {_summary(verb).splitlines()[0]}" for name, verb in VERBS.items())
    return (
        "usage: pose-diffusion VERB [--config FILE] [--root FOLDER] [section.key=value ...]\n\n"
        f"verbs:\n{verbs}\n\n`pose-diffusion VERB --help` lists the keys of a verb, each with its sentence."
    )
