"""How every job runs: read the command line, join or start Ray, do the work, turn failures into one line and an exit code.

Exit 0: all done. 1: a failed or stopped run. 2: bad input or configuration.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console, RenderableType

from pose_diffusion import config_file
from pose_diffusion.config import Config
from pose_diffusion.distributed import sieve
from pose_diffusion.distributed.preflight import preflight
from pose_diffusion.errors import InputError, RunError
from pose_diffusion.patience import is_full

log = logging.getLogger("pose_diffusion")

_STARTS = 3
_LOG_WIDTH = 200
_ANSWER_SECONDS = 15.0


def run_job(main: Callable[[Config], int | None], summary: str, sections: Sequence[str]) -> None:
    """Runs a job's main with the command line's config and leaves the process with its exit code.

    What a main needs it imports itself: without torch and Ray, --help and a mistyped key are answered in a tenth of the time.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    for client in ("botocore", "aiobotocore"):  # which tell where they found the keys
        logging.getLogger(client).setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, _stop)
    with sieve.stderr_without(sieve.HARMLESS):
        code = exit_code(main, summary, sections)
    sys.exit(code)


def exit_code(
    main: Callable[[Config], int | None], summary: str, sections: Sequence[str], argv: Sequence[str] | None = None
) -> int:
    """The exit code of a job; its error, if any, is one line on stderr."""
    try:
        config = config_file.parse_arguments(summary, sections, argv)
        preflight(config, sections)
        return main(config) or 0
    except InputError as error:
        print(f"error: {_one_line(error)}", file=sys.stderr)
        return 2
    except RunError as error:
        print(f"failed: {_one_line(error)}", file=sys.stderr)
        return 1
    except OSError as error:
        if not is_full(error):
            raise
        print(f"failed: {_one_line(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped: run the same command again to go on", file=sys.stderr)
        return 1


def show(table: RenderableType) -> None:
    """Prints a table of rich: as wide as the terminal, and as wide as it needs in a file or the log of a submitted job."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_LOG_WIDTH)
    console.print(table)


@contextlib.contextmanager
def ray_cluster(config: Config, dashboard: bool = False) -> Iterator[None]:
    """Ray for the block: the cluster of ray.address, RAY_ADDRESS or `ray job submit`, else one started here and shut down.

    dashboard: whether one that is started here has Ray's dashboard, which costs a tenth of a core. Ray Train asks it for its
    actors' state, and frees the CPUs of a run that was stopped only then.
    """
    import ray

    from pose_diffusion.distributed import room

    if ray.is_initialized():  # a job called from another job shares its Ray
        yield
        return
    address = room.address(config)
    on_sigterm = signal.getsignal(signal.SIGTERM)
    if address:
        if not _listens(address):
            raise InputError(f"key 'ray.address': no Ray cluster answers at {address}")
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except ConnectionError as error:
            # Of a token that is missing the error does not tell.
            hint = (
                ""
                if "RAY_AUTH_MODE" in os.environ
                else "; a cluster with a token, as 'ray start' makes, wants RAY_AUTH_MODE=token"
            )
            raise InputError(f"key 'ray.address': no Ray cluster answers at {address}: {_one_line(error)}{hint}") from None
    else:
        _start_here(config, dashboard)
    if on_sigterm is _stop:  # a job's, which ray.init replaces by its own and by one that prints a C++ stack
        signal.signal(signal.SIGTERM, _stop)
    try:
        _quiet_ray_data()
        room.require_label(config)
        yield
    finally:
        ray.shutdown()


def _listens(address: str) -> bool:
    """Whether anything takes a connection at host:port; ray.init would try for many minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdigit()):
        return True  # such as 'auto', which Ray looks up
    end = time.monotonic() + _ANSWER_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection((host.strip("[]"), int(port)), _ANSWER_SECONDS):
            return True
        time.sleep(0.5)
    return False


def _start_here(config: Config, dashboard: bool) -> None:
    """Starts Ray on this machine. Ray gives its parts half a minute to answer; a busy machine gets more tries than one."""
    import ray

    for attempt in range(_STARTS):
        port = _free_port()
        try:
            with _variable("RAY_API_SERVER_ADDRESS", f"http://127.0.0.1:{port}"):
                ray.init(
                    address="local",
                    num_cpus=config.ray.num_cpus,
                    # Told no address, Train looks for a dashboard, and gives up where several Rays are on the machine.
                    include_dashboard=dashboard,
                    dashboard_host="127.0.0.1",
                    dashboard_port=port,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
            return
        except Exception as error:  # plain ones, of a part of Ray that did not answer in time
            ray.shutdown()
            if attempt + 1 == _STARTS:
                raise RunError(f"Ray did not start on this machine: {_one_line(error)}") from error
            log.warning("Ray did not start: %s; trying again", _one_line(error))


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    """An environment variable that processes started in the block inherit."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


def input_error_in(error: BaseException | None) -> InputError | None:
    """The InputError at the root of what Ray raised, if there is one."""
    for cause in _causes(error):
        if isinstance(cause, InputError):
            # Ray's error is of both types; its cause is the plain one.
            return InputError(_one_line(getattr(cause, "cause", None) or cause))
    return None


def reason(error: BaseException | None) -> str:
    """One line that says why Ray raised this: our own error at its root, else the last cause that it knows."""
    causes = list(_causes(error))
    known = [cause for cause in causes if isinstance(cause, InputError | RunError)]
    if known:
        return _one_line(getattr(known[0], "cause", None) or known[0])
    return f"{type(causes[-1]).__name__}: {_one_line(causes[-1])}" if causes else "unknown"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and all that led to it, as far as Ray tells."""
    seen: set[int] = set()
    pending = [error]
    while pending:
        current = pending.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        failures = getattr(current, "worker_failures", None) or {}
        pending += [current.__cause__, current.__context__, getattr(current, "cause", None), *failures.values()]


def _quiet_ray_data() -> None:
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.raise_original_map_exception = True  # an InputError of a task stays one
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    logging.getLogger("ray.train").setLevel(logging.ERROR)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # a trial that failed is told in the search's own words


def _one_line(error: object) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _stop(signum: int, frame: object) -> None:
    raise KeyboardInterrupt
