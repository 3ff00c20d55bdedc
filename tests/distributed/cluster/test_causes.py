"""What is at the root of an error that Ray raised."""

from __future__ import annotations

import pytest

from pose_diffusion.distributed.cluster.causes import input_error_in, reason
from pose_diffusion.errors import InputError, RunError


def raising(error):
    def main(config):
        raise error

    return main


def test_bad_input_within_a_ray_task_is_found(ray_session):
    import ray

    with pytest.raises(ray.exceptions.RayTaskError) as error:
        ray.get(ray.remote(num_cpus=0)(raising(InputError("a.npz: key 'x': expected"))).remote(None))
    assert str(input_error_in(error.value)) == "a.npz: key 'x': expected"


def test_another_fault_is_not_taken_for_bad_input():
    assert input_error_in(ValueError("x")) is None


def test_the_reason_of_a_failure_is_our_own_error_wherever_it_lies(ray_session):
    import ray

    with pytest.raises(ray.exceptions.RayTaskError) as error:
        ray.get(ray.remote(num_cpus=0)(raising(RunError("the loss is not finite"))).remote(None))
    assert reason(error.value) == "the loss is not finite"


def test_the_reason_of_another_failure_is_its_cause():
    error = RuntimeError("a task failed")
    error.__cause__ = MemoryError("cannot have 8 GiB")
    assert reason(error) == "MemoryError: cannot have 8 GiB"
