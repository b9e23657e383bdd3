"""Starting the ranks: horovodrun on one machine, horovod.spark or TorchDistributor on a cluster.

A rank that dies ends the run by its launcher; one that stalls, by silence: no epoch for
``stall_s`` and the run is ended with one line. Never a hang.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pyspark.sql import SparkSession

from lib.io.errors import TrainingFailed
from lib.training.worker import Plan, run_plan

OnEpoch = Callable[[int, dict], None]  # number of the training in the plan, its epoch's figures


def launch(
    spark: SparkSession, plan: Plan, *, workers: int, on_epoch: OnEpoch, stall_s: float
) -> None:
    """Run the plan on ``workers`` ranks; ``on_epoch`` sees every epoch's figures.

    Raises
    ------
    TrainingFailed
        If a rank dies, stalls or gives up.
    """
    for training in plan.trainings:
        Path(training.folder).mkdir(parents=True, exist_ok=True)
    if plan.backend == "horovod":
        path = Path(plan.trainings[0].folder) / "plan.json"
        path.write_text(plan.to_json())
        _watch(_horovodrun(path, workers), on_epoch, stall_s)
    elif plan.backend == "horovod-spark":
        _on_spark(lambda: _horovod_spark(plan, workers))
    else:
        _on_spark(lambda: _torch_distributor(spark, plan, workers))


def _horovodrun(plan: Path, workers: int) -> list[str]:
    runner = Path(sys.executable).with_name("horovodrun")
    return [
        sys.executable, str(runner), "--gloo", "-np", str(workers), "-H", f"localhost:{workers}",
        "--network-interfaces", "lo", sys.executable, "-m", "lib.training.worker", str(plan),
    ]  # fmt: skip


def _environment() -> dict[str, str]:
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    venv = str(Path(sys.executable).parent)
    return os.environ | {
        "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "PATH": f"{venv}:{os.environ['PATH']}",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        "HOROVOD_STALL_CHECK_TIME_SECONDS": "30", "HOROVOD_STALL_SHUTDOWN_TIME_SECONDS": "90",
        "HOROVOD_GLOO_TIMEOUT_SECONDS": "90",
    }  # fmt: skip


def _watch(command: list[str], on_epoch: OnEpoch, stall_s: float) -> None:
    """Run the launcher, pass epochs on, end everything when it is silent too long."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=_environment(),
        start_new_session=True,
    )  # fmt: skip
    said: list[str] = []
    complaint, heard = None, time.monotonic()
    waiting = selectors.DefaultSelector()
    waiting.register(process.stdout, selectors.EVENT_READ)  # type: ignore[arg-type]
    try:
        while True:
            if not waiting.select(timeout=1.0):
                if time.monotonic() - heard > stall_s:
                    raise TrainingFailed(
                        f"ranks must finish an epoch within {stall_s:g} s, got silence; a rank "
                        "stalled: look at the machine's memory, or raise --stall-timeout"
                    )
                continue
            line = process.stdout.readline()  # type: ignore[union-attr]
            if not line:
                break
            said.append(line.rstrip())
            found = re.search(r"\{\"covers_(epoch|error)\".*\}", line)
            if found and found[1] == "epoch":
                heard = time.monotonic()
                message = json.loads(found[0])
                on_epoch(message["training"], message["covers_epoch"])
            elif found:
                complaint = complaint or json.loads(found[0])["covers_error"]
        code = process.wait(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if complaint:
        raise TrainingFailed(complaint)
    if code:
        raise TrainingFailed(
            f"all ranks must end well, got exit code {code}; last words: {' | '.join(said[-6:])}"
        )


def _on_spark(run: Callable[[], object]) -> None:
    try:
        run()
    except Exception as error:
        first = " ".join(str(error).split())[:400]
        raise TrainingFailed(
            f"all ranks must end well, got {type(error).__name__}: {first}"
        ) from error


def _horovod_spark(plan: Plan, workers: int) -> None:
    import horovod.spark

    env = {
        k: v
        for k, v in _environment().items()
        if k.startswith(("PYTHON", "PATH", "OMP", "HOROVOD"))
    }
    horovod.spark.run(
        run_plan, args=(plan.to_json(),), num_proc=workers, use_gloo=True, env=env, verbose=0
    )


def _torch_distributor(spark: SparkSession, plan: Plan, workers: int) -> None:
    from pyspark.ml.torch.distributor import TorchDistributor

    local = str(spark.sparkContext.master).startswith("local")
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo" if local else "")
    TorchDistributor(num_processes=workers, local_mode=local, use_gpu=False).run(
        run_plan, plan.to_json()
    )
