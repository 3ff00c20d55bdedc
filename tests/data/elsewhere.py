"""An executor that stands for one on other machines."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator

from cloudpickle import dumps

from pose_diffusion.runtime.executor import Outcome, outcome_of


class Elsewhere:
    """An executor for which all that goes to another machine, or comes from it, is pickled."""

    def map(self, function: Callable, items: Iterable) -> Iterator[Outcome]:
        for item in items:
            there, its_item = pickle.loads(dumps((function, item)))
            yield pickle.loads(dumps(outcome_of(there, its_item)))
