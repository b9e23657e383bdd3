"""Starting the ranks: horovodrun on one machine, horovod.spark or TorchDistributor on a cluster.

While the launcher runs, a thread listens to what the ranks say (`covers.training.heartbeat`). A
rank that dies ends the run by its launcher; one that stalls, by silence: nobody said anything for
``stall_s``, and the run is ended with one line. Never a hang.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from pyspark.sql import SparkSession

from covers.errors import TrainingFailed
from covers.training.heartbeat import Ear
from covers.training.worker import Plan, run_plan

OnMessage = Callable[[int, dict], None]  # number of the training in the plan, what a rank said
START_S = 600.0  # until the first sign of life: a cluster may have to find machines


def launch(
    spark: SparkSession, plan: Plan, *, workers: int, on_message: OnMessage, stall_s: float
) -> None:
    """Run the plan on ``workers`` ranks; ``on_message`` gets all that they say.

    Raises
    ------
    TrainingFailed
        If a rank dies, stalls or gives up.
    """
    for training in plan.trainings:
        Path(training.folder).mkdir(parents=True, exist_ok=True)
    runs: dict[str, Callable[[], None]] = {
        "horovod": lambda: _horovodrun(plan, workers),
        "horovod-spark": lambda: _horovod_spark(plan, workers),
        "torch-distributor": lambda: _torch_distributor(spark, plan, workers),
    }
    ear = Ear(Path(plan.trainings[0].folder), plan.run_id)
    follower = Follower(ear, on_message, stall_s, spark)
    error: Exception | None = None
    try:
        runs[plan.backend]()  # in this thread: Horovod's launchers listen to signals
    except Exception as failure:  # told below
        error = failure
    finally:
        follower.stop()
    if follower.failure:
        raise follower.failure from error
    if error:
        first = " ".join(str(error).split())[:600]
        raise TrainingFailed(
            f"all ranks must end well, got {type(error).__name__}: {first}; --resume goes on"
        ) from error


class Follower:
    """A thread that passes on what the ranks say, and ends them when they fail or fall silent."""

    def __init__(
        self, ear: Ear, on_message: OnMessage, stall_s: float, spark: SparkSession | None
    ) -> None:
        self.ear, self.on_message, self.stall_s, self.spark = ear, on_message, stall_s, spark
        self.failure: Exception | None = None
        self.complaint = ""
        self.before = set(psutil.Process().children())
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._follow, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """Hear the rest, and leave no process behind."""
        self.done.set()
        self.thread.join()
        self._end()

    def _follow(self) -> None:
        heard, limit_s = time.monotonic(), max(self.stall_s, START_S)
        try:
            while True:
                last = self.done.wait(0.2)  # asked first: then all was said that will be
                if self._listen():
                    heard, limit_s = time.monotonic(), self.stall_s
                silent = time.monotonic() - heard
                if self.complaint and (last or silent > 5):
                    raise TrainingFailed(self.complaint)
                if last:
                    return
                if silent > limit_s:
                    raise TrainingFailed(
                        f"ranks must give a sign of life within {limit_s:g} s, got silence: a rank "
                        "stalled; look at the machines' memory, or raise --stall-timeout; --resume goes on"
                    )
        except Exception as error:
            self.failure = error
            if self.spark is not None:
                self.spark.sparkContext.cancelAllJobs()
            self._end()

    def _listen(self) -> bool:
        messages = self.ear.listen()
        for message in messages:
            if message["kind"] == "error":
                self.complaint = self.complaint or message["text"]
            elif message["kind"] != "alive":
                self.on_message(message["training"], message)
        return bool(messages)

    def _end(self) -> None:
        """Kill what the launcher started, and wait until it is gone; some of it is in sessions of
        its own, so one by one.
        """
        ended = []
        for child in set(psutil.Process().children()) - self.before:
            with contextlib.suppress(psutil.NoSuchProcess):
                for each in (*child.children(recursive=True), child):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        each.kill()
                        ended.append(each)
        psutil.wait_procs(ended, timeout=10)


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


def _horovodrun(plan: Plan, workers: int) -> None:
    path = Path(plan.trainings[0].folder) / "plan.json"
    path.write_text(plan.to_json())
    runner = Path(sys.executable).with_name("horovodrun")
    command = [
        sys.executable, str(runner), "--gloo", "-np", str(workers), "-H", f"localhost:{workers}",
        "--network-interfaces", "lo", sys.executable, "-m", "covers.training.worker", str(path),
    ]  # fmt: skip
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=_environment()
    )
    if done.returncode:
        last = " | ".join(done.stdout.splitlines()[-6:])
        raise ChildProcessError(f"exit code {done.returncode}; last words: {last}")


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
    # Without use_gpu a task of a cluster sees no GPU; with it, Spark must have some to deal out.
    dealt = float(spark.sparkContext.getConf().get("spark.task.resource.gpu.amount", "0"))
    TorchDistributor(num_processes=workers, local_mode=local, use_gpu=not local and dealt >= 1).run(
        run_plan, plan.to_json()
    )
