"""spark-submit.sh against a real standalone master with two workers on loopback."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from deltalake import DeltaTable

ROOT = Path(__file__).resolve().parent.parent
pytestmark = [pytest.mark.spark, pytest.mark.slow]


def free_port():
    with contextlib.closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="module")
def master(tmp_path_factory):
    """URL of a master with two workers of one core each; without access to the repository."""
    import pyspark

    home = Path(pyspark.__path__[0])
    work = tmp_path_factory.mktemp("cluster")
    env = {"PATH": os.environ["PATH"], "HOME": str(work), "SPARK_HOME": str(home)}
    env |= {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_NO_DAEMONIZE": "1"}
    port = free_port()
    url = f"spark://127.0.0.1:{port}"
    run = str(home / "bin" / "spark-class")
    common = ["--host", "127.0.0.1", "--webui-port", "0"]
    processes = []

    def start(name, *argv):
        with (work / f"{name}.log").open("w") as log:
            processes.append(
                subprocess.Popen([run, *argv], env=env, cwd=work, stdout=log, stderr=log)
            )

    start("master", "org.apache.spark.deploy.master.Master", *common, "--port", str(port))
    for i in range(2):
        start(
            f"worker{i}", "org.apache.spark.deploy.worker.Worker", *common, "--cores", "1",
            "--memory", "2g", "--work-dir", str(work / f"w{i}"), url,
        )  # fmt: skip
    deadline = time.monotonic() + 60
    while (work / "master.log").read_text().count("Registering worker") < 2:
        assert time.monotonic() < deadline, (work / "master.log").read_text()
        time.sleep(0.5)
    yield url, work
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(timeout=30)


def submit(master, job, *argv):
    env = os.environ | {"MASTER": master, "EXECUTOR_MEMORY": "1g", "DRIVER_MEMORY": "1g"}
    env |= {"COVERS_PYTHON": sys.executable}
    env.pop("PYTHONPATH", None)
    return subprocess.run(
        [str(ROOT / "spark-submit.sh"), job, *map(str, argv)],
        env=env, capture_output=True, text=True, timeout=420, cwd="/",
    )  # fmt: skip


def test_two_workers_decode_with_the_code_that_was_shipped(master, tmp_path):
    url, work = master
    t = np.arange(2 * 16_000) / 16_000
    (tmp_path / "audio").mkdir()
    for i in range(6):
        tone = 0.3 * np.sin(2 * np.pi * 220 * 2 ** (i / 12) * t)
        soundfile.write(tmp_path / "audio" / f"{i}.wav", tone, 16_000)
    lake = ["--lake", tmp_path / "lake"]
    ingest = [*lake, "--data-set", "x", "--audio-root", tmp_path / "audio", "--layout", "flat"]
    done = submit(url, "ingest_recordings", *ingest)
    assert done.returncode == 0, done.stdout + done.stderr
    done = submit(url, "decode_audio", *lake, "--representation", "chroma")
    assert done.returncode == 0, done.stdout + done.stderr
    table = DeltaTable(tmp_path / "lake" / "spectrograms").to_pandas()
    assert len(table) == 6
    assert {tuple(s) for s in table["shape"]} == {(36, 9)}  # centred frames at 0, 0.25, … 2 s
    for i in range(2):
        assert list((work / f"w{i}").glob("app-*/*/covers.zip")), f"worker {i} did no work"


def test_error_of_a_job_comes_through_as_one_line_and_its_code(master, tmp_path):
    done = submit(
        master[0], "ingest_catalog", "--lake", tmp_path / "l", "--catalog", "/nowhere.csv"
    )
    assert done.returncode == 3
    assert done.stderr.startswith("catalogue must be a CSV file")
    assert done.stderr.count("\n") == 1, done.stderr
    assert "catalogue must be" not in done.stdout


def test_job_that_does_not_exist_is_refused_at_once():
    done = submit("local[1]", "no_such_job")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "must be one of jobs/, got 'no_such_job'" in done.stderr
