"""One rank and several, interrupted and resumed, dead and stalled: on made files, without Spark."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from covers.io.delta_reader import Snapshot
from covers.schemas.spectrograms import SPECTROGRAMS
from covers.schemas.triplets import TRIPLETS
from covers.training import checkpoints, launchers, loop
from covers.training.config import preset
from covers.training.worker import Plan, TrainingRun, run_plan
from tests.rows import tiny_rows

pytestmark = pytest.mark.slow
ON_A_GPU = """
import torch
from covers.training.process_group import HorovodGroup

HorovodGroup._movable = lambda self, tensor: tensor.detach().clone()  # as from a GPU's memory
group = HorovodGroup()
network = torch.nn.Linear(2, 1, bias=False)
network.weight.data.fill_(group.rank + 1)
group.broadcast_weights(network)
network(torch.full((1, 2), float(group.rank))).sum().backward()
group.average_gradients(network)
torch.optim.SGD(network.parameters(), 1.0).step()
print("weights", network.weight.tolist(), group.average(torch.ones(1) * group.rank, "mean"))
group.close()
"""


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory):
    """Both tables as files, as Delta would have them."""
    folder, made = tmp_path_factory.mktemp("files"), []
    for table, rows in zip((SPECTROGRAMS, TRIPLETS), tiny_rows(), strict=True):
        columns = dict(zip(table.column_names, zip(*rows, strict=True), strict=True))
        path = folder / f"{table.name}.parquet"
        nulls = {"distance_positive": pa.float64(), "augmentation": pa.string()}
        nulls["distance_negative"] = pa.float64()
        arrays = {k: pa.array(v, type=nulls.get(k)) for k, v in columns.items()}
        pq.write_table(pa.table(arrays), path)
        made.append(Snapshot(table.name, 1, (str(path),), len(rows)))
    return made


def plan(snapshots, folder, backend="single", *, steps=0, resume=False, **changes):
    settings = preset("covernet", **({"epochs": 2, "batch_size": 8, "crop_s": 10.0} | changes))
    run = TrainingRun(settings, "clique", 1, str(folder))
    return Plan((run,), *snapshots, backend, resume, checkpoint_steps=steps)


def epochs_of(folder):
    """Metrics of the epochs, without times."""
    found = checkpoints.load_newest(folder).epochs
    return [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in found]


def test_training_learns_the_made_works(snapshots, tmp_path):
    run_plan(plan(snapshots, tmp_path, epochs=25).to_json())
    epochs = epochs_of(tmp_path)
    assert epochs[-1]["loss"] < 0.7 * epochs[0]["loss"]
    assert epochs[-1]["validation_triplet_accuracy"] > 0.7


@pytest.mark.parametrize(("step", "kept"), [(2, "epoch-0003."), (0, "epoch-0003")])
def test_training_resumed_anywhere_ends_where_the_uninterrupted_one_does(
    snapshots, tmp_path, step, kept
):
    run_plan(plan(snapshots, tmp_path / "whole", epochs=3).to_json())
    broken = plan(snapshots, tmp_path / "broken", epochs=3, steps=step)
    run_plan(broken.to_json())
    for path in (tmp_path / "broken").glob(f"{kept}*"):
        path.unlink()
    assert checkpoints.load_newest(tmp_path / "broken").step == step
    run_plan(plan(snapshots, tmp_path / "broken", epochs=3, steps=step, resume=True).to_json())
    one, other = (checkpoints.load_newest(tmp_path / f) for f in ("whole", "broken"))
    assert checkpoints.hash_of(one.weights) == checkpoints.hash_of(other.weights)
    assert epochs_of(tmp_path / "whole") == epochs_of(tmp_path / "broken")


def test_horovod_averages_through_the_cpus_memory_what_it_does_not_take(tmp_path):
    script = tmp_path / "step.py"
    script.write_text(ON_A_GPU)
    runner = Path(sys.executable).with_name("horovodrun")
    command = [
        sys.executable, runner, "--gloo", "-np", "2", "-H", "localhost:2", "--network-interfaces", "lo",
        sys.executable, script,
    ]  # fmt: skip
    path = {"PYTHONPATH": str(Path(__file__).parents[2] / "lib"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [str(c) for c in command],
        env=os.environ | path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    # Rank 0's weights of 1, less the mean of the gradients 0 and 1, on both ranks.
    assert done.stdout.count("weights [[0.5, 0.5]] tensor([0.5000])") == 2, done.stdout


@pytest.mark.parametrize(
    ("master", "n_gpus", "use_gpu"),
    [("spark://host:7077", "1", True), ("spark://host:7077", "0", False), ("local[2]", "1", False)],
)
def test_tasks_of_a_cluster_see_the_gpus_that_spark_assigns(
    snapshots, tmp_path, monkeypatch, master, n_gpus, use_gpu
):
    asked = []

    class Distributor:
        def __init__(self, **settings):
            asked.append(settings)

        def run(self, *_):
            pass

    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    monkeypatch.setattr("pyspark.ml.torch.distributor.TorchDistributor", Distributor)
    conf = SimpleNamespace(get=lambda key, other: n_gpus if "gpu" in key else other)
    spark = SimpleNamespace(sparkContext=SimpleNamespace(master=master, getConf=lambda: conf))
    launchers._torch_distributor(spark, plan(snapshots, tmp_path, "torch-distributor"), 2)
    assert [(s["local_mode"], s["use_gpu"]) for s in asked] == [(master == "local[2]", use_gpu)]


def test_two_micro_batches_resumed_in_mid_epoch_end_where_the_uninterrupted_ones_do(
    snapshots, tmp_path
):
    made = partial(plan, snapshots, epochs=2, micro_batches=2, steps=2)
    run_plan(made(tmp_path / "whole").to_json())
    run_plan(made(tmp_path / "broken").to_json())
    for path in (tmp_path / "broken").glob("epoch-0002.*"):
        path.unlink()
    run_plan(made(tmp_path / "broken", resume=True).to_json())
    one, other = (checkpoints.load_newest(tmp_path / f) for f in ("whole", "broken"))
    assert checkpoints.hash_of(one.weights) == checkpoints.hash_of(other.weights)
    assert epochs_of(tmp_path / "whole") == epochs_of(tmp_path / "broken")


def test_two_horovod_ranks_resume_where_one_was_interrupted(snapshots, tmp_path):
    made = partial(plan, snapshots, epochs=3, micro_batches=2)
    run_plan(made(tmp_path / "whole").to_json())
    run_plan(made(tmp_path / "broken").to_json())
    for path in (tmp_path / "broken").glob("epoch-0003.*"):
        path.unlink()
    process = start(made(tmp_path / "broken", "horovod", resume=True))
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    one, other = (checkpoints.load_newest(tmp_path / f) for f in ("whole", "broken"))
    assert [epoch["n_ranks"] for epoch in other.epochs] == [1, 1, 2]
    for name in ("loss", "validation_loss", "validation_triplet_accuracy", "embedding_std"):
        assert other.epochs[-1][name] == pytest.approx(one.epochs[-1][name], abs=1e-6)


def test_a_compiled_network_learns_what_the_plain_one_does(snapshots, tmp_path, monkeypatch):
    # Without a code generator, which takes a minute: what is handed over and how is the same.
    compiled = partial(torch.compile, backend="eager")
    monkeypatch.setattr("torch.compile", compiled)
    settings = {"epochs": 1, "mixed_precision": False}
    run_plan(plan(snapshots, tmp_path / "plain", **settings).to_json())
    run_plan(plan(snapshots, tmp_path / "compiled", compile=True, **settings).to_json())
    one, other = (epochs_of(tmp_path / f)[0] for f in ("plain", "compiled"))
    assert other["loss"] == pytest.approx(one["loss"], abs=1e-3)
    assert other["validation_loss"] == pytest.approx(one["validation_loss"], abs=0.05)


def test_bfloat16_is_used_on_a_cpu_only_where_the_network_is_compiled(monkeypatch):
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: True)
    has = partial(loop._has_bfloat16, torch.device("cpu"))
    assert has(compiled=True)
    assert not has(compiled=False)


def test_patience_ends_a_training_that_does_not_improve(snapshots, tmp_path):
    run_plan(plan(snapshots, tmp_path, epochs=9, patience=1, learning_rate=1e-9).to_json())
    assert 1 < len(epochs_of(tmp_path)) < 9
    run_plan(
        plan(snapshots, tmp_path, epochs=9, patience=1, learning_rate=1e-9, resume=True).to_json()
    )
    assert 1 < len(epochs_of(tmp_path)) < 9


def test_embeddings_that_hardly_differ_are_warned_of_with_a_way_out(
    snapshots, tmp_path, monkeypatch
):
    monkeypatch.setattr("covers.training.loop.MIN_WIDTH", 1.1)
    run_plan(plan(snapshots, tmp_path, epochs=1).to_json())
    messages = [
        json.loads(line) for line in (tmp_path / "progress-0.jsonl").read_text().splitlines()
    ]
    (warning,) = [m["text"] for m in messages if m["kind"] == "warning"]
    assert "about to collapse; lower --learning-rate" in warning


LAUNCH = """import sys
from covers.training import launchers, worker
plan = worker.plan_from_json(open(sys.argv[1]).read())
on_message = lambda _, m: m["kind"] == "epoch" and print("epoch", flush=True)
launchers.launch(None, plan, workers=2, on_message=on_message, stall_timeout_s=float(sys.argv[2]))
"""


def start(made, stall_timeout_s=60):
    """Launch a plan on two ranks of Horovod."""
    folder = Path(made.runs[0].folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "given.json").write_text(made.to_json())
    command = [sys.executable, "-c", LAUNCH, str(folder / "given.json"), str(stall_timeout_s)]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    )


@pytest.mark.parametrize(
    ("by", "words"),
    [(signal.SIGKILL, "all ranks must end well"), (signal.SIGSTOP, "a rank stalled")],
)
def test_rank_that_dies_or_stalls_ends_the_training_with_one_line(snapshots, tmp_path, by, words):
    process = start(plan(snapshots, tmp_path, "horovod", epochs=5000), stall_timeout_s=40)
    assert process.stdout.readline() == "epoch\n"
    found = subprocess.run(
        ["pgrep", "-f", f"covers.training.worker {tmp_path}/plan.json"],
        capture_output=True,
        text=True,
    )
    ranks = [int(p) for p in found.stdout.split() if _is_rank(int(p))]
    os.kill(ranks[-1], by)
    started = time.monotonic()
    _, errors = process.communicate(timeout=120)
    assert "TrainingFailed" in errors
    assert words in errors
    assert time.monotonic() - started < 120
    assert not [pid for pid in ranks if Path(f"/proc/{pid}").exists()]


def _is_rank(pid):
    command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return command[1:3] == [b"-m", b"covers.training.worker"]
