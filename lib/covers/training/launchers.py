"""Starting the ranks: horovodrun on one machine, horovod.spark or TorchDistributor on a cluster.

While the launcher runs, a watchdog thread reads the ranks' messages (`covers.training.heartbeat`). A
rank that dies ends the run through its launcher. A rank that stalls blocks the others in the next
collective operation: when none has written for ``stall_timeout_s``, the watchdog ends the run with one
line. A run never hangs.
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
from typing import TYPE_CHECKING

import psutil

from covers.errors import TrainingFailed
from covers.training.heartbeat import ProgressReader
from covers.training.worker import Plan, run_plan

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

OnMessage = Callable[[int, dict], None]  # number of the training in the plan, a rank's message
START_TIMEOUT_S = 600.0  # until the first heartbeat: a cluster may have to find machines


def launch(
    spark: SparkSession | None,
    plan: Plan,
    *,
    workers: int,
    on_message: OnMessage,
    stall_timeout_s: float,
) -> None:
    """Run a plan on ``workers`` ranks, and return when all have finished.

    Parameters
    ----------
    spark : SparkSession or None
        Backend torch-distributor needs one.
    plan : Plan
    workers : int
    on_message : callable
        Gets the number of the training and the message, for all messages but heartbeats and errors.
    stall_timeout_s : float
        Silence of all ranks after which the run is ended [s].

    Raises
    ------
    TrainingFailed
        If a rank dies, stalls or gives up.
    """
    for run in plan.runs:
        Path(run.folder).mkdir(parents=True, exist_ok=True)
    backends: dict[str, Callable[[], None]] = {
        "horovod": lambda: _horovodrun(plan, workers),
        "horovod-spark": lambda: _horovod_spark(plan, workers),
        "torch-distributor": lambda: _torch_distributor(spark, plan, workers),
    }
    reader = ProgressReader(plan.folder, plan.run_id)
    watchdog = Watchdog(reader, on_message, stall_timeout_s, spark)
    error: Exception | None = None
    try:
        backends[plan.backend]()  # in this thread: Horovod's launchers install signal handlers
    except Exception as failure:  # raised below, unless the watchdog knows the cause
        error = failure
    finally:
        watchdog.stop()
    if watchdog.failure:
        raise watchdog.failure from error
    if error:
        first = " ".join(str(error).split())[:600]
        raise TrainingFailed(
            f"all ranks must end well, got {type(error).__name__}: {first}; use --resume to continue"
        ) from error


class Watchdog:
    """A thread that passes on the ranks' messages, and ends the ranks when they fail or stall.

    Attributes
    ----------
    failure : Exception or None
        Why the watchdog ended the run.
    """

    def __init__(
        self,
        reader: ProgressReader,
        on_message: OnMessage,
        stall_timeout_s: float,
        spark: SparkSession | None,
    ) -> None:
        self.reader, self.on_message, self.spark = reader, on_message, spark
        self.stall_timeout_s = stall_timeout_s
        self.failure: Exception | None = None
        self.error_text = ""
        self.children_before = set(psutil.Process().children())
        self.finished = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """Read the last messages, and leave no process behind."""
        self.finished.set()
        self.thread.join()
        self._kill()

    def _watch(self) -> None:
        read_at, timeout_s = time.monotonic(), max(self.stall_timeout_s, START_TIMEOUT_S)
        try:
            while True:
                last = self.finished.wait(0.2)  # before the read, so that no message is missed
                if self._read():
                    read_at, timeout_s = time.monotonic(), self.stall_timeout_s
                silence_s = time.monotonic() - read_at
                # After an error the ranks get 5 s to end by themselves.
                if self.error_text and (last or silence_s > 5):
                    raise TrainingFailed(self.error_text)
                if last:
                    return
                if silence_s > timeout_s:
                    raise TrainingFailed(
                        f"ranks must write a heartbeat within {timeout_s:g} s, got none: a rank stalled; "
                        "check the machines' memory, or raise stall_timeout_s; use --resume to continue"
                    )
        except Exception as error:
            self.failure = error
            if self.spark is not None:
                self.spark.sparkContext.cancelAllJobs()
            self._kill()

    def _read(self) -> bool:
        messages = self.reader.read()
        for message in messages:
            if message["kind"] == "error":
                self.error_text = self.error_text or message["text"]
            elif message["kind"] != "alive":
                self.on_message(message["training"], message)
        return bool(messages)

    def _kill(self) -> None:
        """Kill the processes that the launcher started, and wait until they are gone.

        One by one: some are in sessions of their own, which a process group's signal does not reach.
        """
        killed = []
        for child in set(psutil.Process().children()) - self.children_before:
            with contextlib.suppress(psutil.NoSuchProcess):
                for process in (*child.children(recursive=True), child):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()
                        killed.append(process)
        psutil.wait_procs(killed, timeout=10)


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
    path = plan.folder / "plan.json"
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
        raise ChildProcessError(f"exit code {done.returncode}; last output: {last}")


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


def _torch_distributor(spark: SparkSession | None, plan: Plan, workers: int) -> None:
    if spark is None:
        raise ValueError("backend torch-distributor must have a Spark session, got none")
    from pyspark.ml.torch.distributor import TorchDistributor

    local = str(spark.sparkContext.master).startswith("local")
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo" if local else "")
    # Without use_gpu a task of a cluster sees no GPU; with it, Spark must have GPUs to assign.
    n_gpus = float(spark.sparkContext.getConf().get("spark.task.resource.gpu.amount", "0"))
    TorchDistributor(
        num_processes=workers, local_mode=local, use_gpu=not local and n_gpus >= 1
    ).run(run_plan, plan.to_json())
