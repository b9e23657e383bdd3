"""What only the demo needs: its songs by number, and the broken examples it sets aside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lib.audio.songs import Song, compose


def compose_by_name(seed: int) -> Callable[[str], Song]:
    """Return a loader of the demo's songs: number (as text) -> song."""
    return lambda name: compose(int(name), seed)


def add_broken_examples(out: Path) -> None:
    """Add a catalogue row with an impossible key and a text file named .mp3."""
    broken = "TRBROKEN,Impossible,Nobody,,,,,,,0.5,0.5,17,,1,,,,,0.5,120,4\n"
    with (out / "catalog.csv").open("a") as file:
        file.write(broken)
    (out / "audio" / "broken.mp3").write_text("This is not an MP3 file.\n")
    with (out / "manifest.csv").open("a") as file:
        file.write("broken-v0,broken,Broken,Nobody,audio/broken.mp3,train,,,,,\n")
