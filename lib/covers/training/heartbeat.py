"""Messages from the ranks to the driver while they train: JSON lines in files that both can see.

*Conventions.* Rank r appends to ``progress-r.jsonl`` in the folder of the plan's first training, which
all backends share for checkpoints anyway. A message has a kind (``alive``, ``progress``, ``epoch``,
``warning`` or ``error``), the number of its training in the plan, and metrics or a text.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

from covers.errors import TrainingFailed

OWNER = "owner"
HEARTBEAT_S = 2.0  # between two heartbeats


@dataclass
class ProgressWriter:
    """Writes the messages of one rank."""

    folder: Path
    rank: int
    run_id: str = ""
    training: int = 0
    written_at: float = 0.0

    def write(self, kind: str, **metrics: object) -> None:
        """Append one message.

        Raises
        ------
        TrainingFailed
            If another run has taken over the folder: the driver of this one is dead.
        """
        owner = self.folder / OWNER
        if owner.exists() and owner.read_text() != self.run_id:
            raise TrainingFailed(f"folder {self.folder} must be this run's, got another's")
        self.written_at = time.monotonic()
        line = json.dumps({"kind": kind, "training": self.training} | metrics)
        with (self.folder / f"progress-{self.rank}.jsonl").open("a") as file:
            file.write(line + "\n")

    def beat(self, kind: str = "alive", **metrics: object) -> None:
        """Append a message, unless one was written within the last `HEARTBEAT_S`."""
        if time.monotonic() - self.written_at >= HEARTBEAT_S:
            self.write(kind, **metrics)


@dataclass
class ProgressReader:
    """Reads the messages of all ranks, on the driver: each once, up to a file's last whole line."""

    folder: Path
    run_id: str
    offsets: dict[Path, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Take over the folder, and delete the messages of an earlier run."""
        (self.folder / OWNER).write_text(self.run_id)
        for old in self.folder.glob("progress-*.jsonl"):
            old.unlink()

    def read(self) -> list[dict]:
        """Return the messages since the last call."""
        found = []
        for path in sorted(self.folder.glob("progress-*.jsonl")):
            with path.open("rb") as file:
                file.seek(self.offsets.get(path, 0))
                new = file.read()
            complete = new[: new.rfind(b"\n") + 1]
            self.offsets[path] = self.offsets.get(path, 0) + len(complete)
            found += [json.loads(line) for line in complete.splitlines()]
        return found
