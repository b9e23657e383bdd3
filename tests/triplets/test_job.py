"""generate_triplets on a small lake: drawn, mined, and again."""

import numpy as np
import pytest

from covers.jobs import generate_triplets
from covers.schemas.embeddings import EMBEDDINGS
from covers.schemas.recordings import RECORDINGS
from covers.schemas.triplets import TRIPLETS
from tests.rows import recording_row

pytestmark = pytest.mark.spark


def test_job_writes_a_set_a_strategy_and_nothing_the_second_time(spark, lake):
    ids = [(w, f"w{w}-{v}") for w in range(6) for v in range(2)]
    recordings, embeddings = [], []
    rng = np.random.default_rng(0)
    for w, i in ids:
        recordings.append(recording_row(i, f"w{w}", title=f"t{w}"))
        v = rng.standard_normal(24)
        vector = (v / np.linalg.norm(v)).tolist()
        embeddings.append((i, "file", 0, vector, [12, 2], "p", "0" * 64))
    lake.upsert_rows(recordings, RECORDINGS)
    lake.upsert_rows([(i, "untrained-covernet", *rest) for i, _, *rest in embeddings], EMBEDDINGS)

    def run(*argv):
        args = generate_triplets.parse_args(["--lake", lake.uri, "--per-anchor", "2", *argv])
        assert generate_triplets.JOB.execute(spark, args) == 0
        found = lake.read(TRIPLETS).groupBy("strategy").count().collect()
        return {r["strategy"]: r["count"] for r in found}, lake.version(TRIPLETS)

    drawn, _ = run("--strategy", "clique", "title")
    assert drawn == {"clique": 24, "title": 24}
    mined = ("--mine", "hard", "--model", "untrained")
    found, version = run(*mined)
    assert found == drawn | {"clique-hard": 24}
    assert run(*mined) == (found, version)
