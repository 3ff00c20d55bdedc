"""The Ray that a job runs on: a cluster that it joins, or one that it starts on this machine and shuts down at its end."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Iterator

from pose_diffusion.config import Config
from pose_diffusion.distributed.cluster.causes import one_line
from pose_diffusion.errors import InputError, RunError

log = logging.getLogger("pose_diffusion")

_STARTS = 3
_ANSWER_SECONDS = 15.0


@contextlib.contextmanager
def ray_cluster(config: Config, dashboard: bool = False) -> Iterator[None]:
    """Ray for the block: the cluster of ray.address, RAY_ADDRESS or `ray job submit`, else one started here and shut down.

    dashboard: whether one that is started here has Ray's dashboard, which costs a tenth of a core. Ray Train asks it for its
    actors' state, and frees the CPUs of a run that was stopped only then.
    """
    import ray

    from pose_diffusion.distributed.cluster import resources

    if ray.is_initialized():  # a job called from another job shares its Ray
        yield
        return
    address = resources.address(config)
    on_sigterm = signal.getsignal(signal.SIGTERM)
    if address:
        if not listens(address):
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
            raise InputError(f"key 'ray.address': no Ray cluster answers at {address}: {one_line(error)}{hint}") from None
    else:
        _start_here(config, dashboard)
    if on_sigterm is _interrupt:  # a job's, which ray.init replaces by its own and by one that prints a C++ stack
        signal.signal(signal.SIGTERM, _interrupt)
    try:
        _quiet_ray_data()
        resources.require_label(config)
        yield
    finally:
        ray.shutdown()


def listens(address: str, seconds: float = _ANSWER_SECONDS) -> bool:
    """Whether anything takes a connection at host:port; ray.init would try for many minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdigit()):
        return True  # such as 'auto', which Ray looks up
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection((host.strip("[]"), int(port)), seconds):
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
                raise RunError(f"Ray did not start on this machine: {one_line(error)}") from error
            log.warning("Ray did not start: %s; trying again", one_line(error))


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


def _quiet_ray_data() -> None:
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.raise_original_map_exception = True  # an InputError of a task stays one
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    logging.getLogger("ray.train").setLevel(logging.ERROR)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # a trial that failed is told in the search's own words


def stop_on_sigterm() -> None:
    """Makes SIGTERM end the process as Ctrl-C does, so that a job says how to go on and Ray is shut down."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt
