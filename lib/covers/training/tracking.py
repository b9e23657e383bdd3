"""What a training shows while it runs: TensorBoard and MLflow, in a local folder by default.

*Conventions.* The driver writes, whatever the backend; one run a training, named as its work
folder. A training that is resumed goes on in its run.
"""

from __future__ import annotations

import os
from pathlib import Path

from covers.training.worker import Training

FIGURES = (
    "loss", "validation_loss", "validation_nn_accuracy", "embedding_std", "learning_rate", "seconds",
)  # fmt: skip
EXPERIMENT = "covers"


class Trackers:
    """TensorBoard and MLflow of one training."""

    def __init__(self, folder: str, uri: str | None, training: Training) -> None:
        from mlflow.tracking import MlflowClient
        from torch.utils.tensorboard import SummaryWriter

        name = Path(training.folder).name
        self.board = SummaryWriter(f"{folder}/tensorboard/{name}")
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # what runs without a server
        self.client = MlflowClient(uri or f"file://{Path(folder).resolve()}/mlruns")
        known = self.client.get_experiment_by_name(EXPERIMENT)
        experiment = known.experiment_id if known else self.client.create_experiment(EXPERIMENT)
        runs = self.client.search_runs([experiment], f"tags.training = '{name}'")
        tags = {"training": name, "strategy": training.strategy}
        run = runs[0] if runs else self.client.create_run(experiment, tags=tags, run_name=name)
        self.run_id = run.info.run_id
        if not runs:
            for setting, value in training.config.to_dict().items():
                self.client.log_param(self.run_id, setting, value)

    def tell(self, told: dict) -> None:
        """Write an epoch's figures, or the loss and speed so far."""
        if told["kind"] == "epoch":
            for name in FIGURES:
                if told[name] is not None:
                    self.board.add_scalar(f"epoch/{name}", told[name], told["epoch"])
                    self.client.log_metric(self.run_id, name, told[name], step=told["epoch"])
        elif told["kind"] == "progress":
            step = (told["epoch"] - 1) * told["n_steps"] + told["step"]
            for name in ("loss", "triplets_per_s", "waiting"):
                self.board.add_scalar(f"step/{name}", told[name], step)
        self.board.flush()

    def close(self, *, finished: bool) -> None:
        """End the run."""
        self.board.close()
        self.client.set_terminated(self.run_id, "FINISHED" if finished else "FAILED")
