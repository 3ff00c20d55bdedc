"""The only package that imports Ray.

Ray reads its environment once, when it is imported, and hands it to the workers of a cluster that it starts, so what they
are to find there is set before any module here imports it.
"""

import os
import sys

_ENVIRONMENT = {
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",  # with it each line of a worker appears twice
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",  # a report waits for the controller's next look, by default 2 s
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_DATA_LIST_FILES_THREADED_NUM_WORKERS": "32",  # training names its files, and Ray asks for each one's size
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # trials' runs write their own curves
    "RAY_AIR_NEW_OUTPUT": "0",  # the newer one prints boxes however quiet it is asked to be
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends a search as it ends the other jobs
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # tasks without a GPU keep the variables they were given
    "RAY_USAGE_STATS_ENABLED": "0",
    # On few CPUs Ray warns of more than 8 workers, which a training run has; most of them only wait.
    "RAY_worker_maximum_startup_concurrency": str(max(8, os.cpu_count() or 1)),
    # Threads that wait for each other sleep: spinning, two on a core that others use too are 14 times as slow.
    "OMP_WAIT_POLICY": "PASSIVE",
}
if "RAY_ADDRESS" not in os.environ and "ray" not in sys.modules:
    # Ray's commands differ in what they take for granted; a cluster that a job starts for itself has a token. Where a program
    # has imported Ray already, what Ray took for granted stays: half of it would know of a token, and the cluster not start.
    _ENVIRONMENT["RAY_AUTH_MODE"] = "token"
for _name, _value in _ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)
