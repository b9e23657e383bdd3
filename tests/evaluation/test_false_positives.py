"""The report's closest wrong answers, and where they are alike."""

import numpy as np
import pytest

from covers.evaluation import systems
from covers.evaluation.systems import EvaluationSet


def seconds(stretch):
    minutes, rest = stretch.split(" to ")[0].split(":")
    return 60 * int(minutes) + int(rest)


def test_wrong_answers_are_the_nearest_strangers_with_the_stretch_they_share():
    rng = np.random.default_rng(0)
    chromas = [np.abs(rng.normal(size=(36, 480))).astype(np.float32) for _ in range(4)]
    chromas[2][:, 200:440] = chromas[0][:, 40:280]  # a minute of the first, 40 s later
    works = np.array(["a", "a", "b", "c"])
    data = EvaluationSet("s", list("pqrs"), ["one", "two", "three", "four"], works, chromas)
    d = np.ones((4, 4)) - np.eye(4)
    d[0, 1] = d[1, 0] = 0.1  # a cover
    d[0, 2] = d[2, 0] = 0.2
    first, *others = systems.false_positives(d, data)
    assert len(others) == 4
    assert (first["title"], first["its title"], first["distance"]) == ("one", "three", 0.2)
    assert seconds(first["match here"]) == pytest.approx(10, abs=7)
    assert seconds(first["match there"]) == pytest.approx(50, abs=7)
