"""TensorBoard and MLflow logs of a training, in a local folder by default.

*Conventions.* The driver writes them, whatever the backend: one run for a training, named as its
folder. A training that is resumed continues its run.
"""

from __future__ import annotations

import os
from pathlib import Path

from covers.training.worker import TrainingRun

EPOCH_METRICS = (
    "loss", "validation_loss", "validation_triplet_accuracy", "embedding_std", "learning_rate", "seconds",
)  # fmt: skip
STEP_METRICS = ("loss", "triplets_per_s", "waiting")
EXPERIMENT = "covers"


class Trackers:
    """TensorBoard and MLflow of one training; ``uri`` is an MLflow server, None the folder."""

    def __init__(self, folder: Path, uri: str | None, run: TrainingRun) -> None:
        from mlflow.tracking import MlflowClient
        from torch.utils.tensorboard import SummaryWriter

        name = Path(run.folder).name
        self.board = SummaryWriter(f"{folder}/tensorboard/{name}")
        # MLflow 3 refuses a folder as its store without this.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        self.client = MlflowClient(uri or f"file://{folder.resolve()}/mlruns")
        experiment = self.client.get_experiment_by_name(EXPERIMENT)
        experiment_id = (
            experiment.experiment_id if experiment else self.client.create_experiment(EXPERIMENT)
        )
        earlier = self.client.search_runs([experiment_id], f"tags.training = '{name}'")
        tags = {"training": name, "strategy": run.strategy}
        logged = (
            earlier[0]
            if earlier
            else self.client.create_run(experiment_id, tags=tags, run_name=name)
        )
        self.run_id = logged.info.run_id
        if not earlier:
            for setting, value in run.config.to_dict().items():
                self.client.log_param(self.run_id, setting, value)

    def log(self, message: dict) -> None:
        """Write the metrics of an epoch, or loss and speed of a progress message."""
        if message["kind"] == "epoch":
            for name in EPOCH_METRICS:
                if message[name] is not None:
                    self.board.add_scalar(f"epoch/{name}", message[name], message["epoch"])
                    self.client.log_metric(self.run_id, name, message[name], step=message["epoch"])
        elif message["kind"] == "progress":
            step = (message["epoch"] - 1) * message["n_steps"] + message["step"]
            for name in STEP_METRICS:
                self.board.add_scalar(f"step/{name}", message[name], step)
        self.board.flush()

    def close(self, *, finished: bool) -> None:
        """End the run, as finished or failed."""
        self.board.close()
        self.client.set_terminated(self.run_id, "FINISHED" if finished else "FAILED")
