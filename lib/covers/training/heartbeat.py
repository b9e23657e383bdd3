"""What ranks tell the driver while they train: lines of JSON in files that both can see.

*Conventions.* Rank r appends to ``said-r.jsonl`` in the folder of the plan's first training, which
all backends share for checkpoints anyway. A message has a kind (``alive``, ``progress``, ``epoch``,
``warning`` or ``error``), the number of its training in the plan, and figures.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

from covers.errors import TrainingFailed

OWNER = "owner"
ALIVE_S = 2.0  # between two signs of life


@dataclass
class Speaker:
    """One rank's voice."""

    folder: Path
    rank: int
    run_id: str = ""
    training: int = 0
    spoken: float = 0.0

    def say(self, kind: str, **figures: object) -> None:
        """Append one message.

        Raises
        ------
        TrainingFailed
            If another run has taken the folder over: this one's driver is dead.
        """
        owner = self.folder / OWNER
        if owner.exists() and owner.read_text() != self.run_id:
            raise TrainingFailed(f"folder {self.folder} must be this run's, got another's")
        self.spoken = time.monotonic()
        line = json.dumps({"kind": kind, "training": self.training} | figures)
        with (self.folder / f"said-{self.rank}.jsonl").open("a") as file:
            file.write(line + "\n")

    def now_and_then(self, kind: str = "alive", **figures: object) -> None:
        """Say it, unless something was said a moment ago."""
        if time.monotonic() - self.spoken >= ALIVE_S:
            self.say(kind, **figures)


@dataclass
class Ear:
    """The driver's side: every message once, each file up to its last whole line."""

    folder: Path
    run_id: str
    heard: dict[Path, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Take the folder over, and forget what an earlier run said."""
        (self.folder / OWNER).write_text(self.run_id)
        for old in self.folder.glob("said-*.jsonl"):
            old.unlink()

    def listen(self) -> list[dict]:
        """Return the messages since the last call."""
        found = []
        for path in sorted(self.folder.glob("said-*.jsonl")):
            with path.open("rb") as file:
                file.seek(self.heard.get(path, 0))
                new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            self.heard[path] = self.heard.get(path, 0) + len(whole)
            found += [json.loads(line) for line in whole.splitlines()]
        return found
