"""Plots and audio of docs/: one song, its representations, its augmentations, six versions of it.

python -m benchmarks.pictures                   # needs fluidsynth and fluid-soundfont-gm
python -m benchmarks.pictures --audio FOLDER    # and writes the six versions there as MP3
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile as sf
from matplotlib.figure import Figure

from covers.audio.augmentation.tensor import augment_tensor
from covers.audio.features import compute, parameters
from covers.synthesis import soundfont
from covers.synthesis.arrange import arrange
from covers.synthesis.composer import compose
from covers.synthesis.synthesizer import render
from covers.synthesis.version_spec import sample_spec

OUT = Path(__file__).resolve().parent.parent / "docs" / "pictures"
SECONDS, RATE, FONT = 20, 16_000, "FluidR3_GM.sf2"
SPECS = (
    {"pitch_shift": 5}, {"time_stretch": 1.4}, {"crop": [0.25, 0.5]}, {"timbre": 1.0},
    {"eq": [-40, 0, 6]}, {"reverb": 3.0}, {"noise": 0.6, "seed": 1}, {"mask": [0.4, 0.2]},
)  # fmt: skip


def render_song(rate: int) -> np.ndarray:
    """Return some seconds of one version of one composed song."""
    song = compose(3, 0)
    spec = sample_spec(song, 1)
    waveform = render(arrange(song, spec), spec, sample_rate=rate)
    return waveform[4 * rate : (4 + SECONDS) * rate]


def draw(axes: object, x: np.ndarray, name: str, title: str) -> None:
    p = parameters(name)
    axes.imshow(x, origin="lower", aspect="auto", cmap="magma", interpolation="nearest",
                extent=(0, x.shape[1] / p.frames_per_second, 0, len(x)))  # fmt: skip
    axes.set_title(title, fontsize=9, loc="left")
    axes.set_xlim(0, 1.4 * SECONDS)
    axes.tick_params(labelsize=7)


def representations() -> None:
    """Draw one version in every representation, and its chroma under every augmentation."""
    tensors = {n: compute([render_song(parameters(n).sample_rate)], parameters(n)) for n in
               ("log_mel", "log_frequency", "chroma")}  # fmt: skip
    figure = Figure(figsize=(11, 10), layout="constrained")
    plots = figure.subplots(4, 3)
    titles = ("log_mel: 128 bands [dB]", "log_frequency: 84 semitones", "chroma: 3 registers of 12")
    for axes, (name, x), title in zip(plots[0], tensors.items(), titles, strict=True):
        draw(axes, x, name, title)
    for axes, spec in zip(plots[1:].ravel(), SPECS, strict=False):
        draw(axes, augment_tensor(tensors["chroma"], "chroma", spec), "chroma", json.dumps(spec))
    together = {
        "time_stretch": 0.8,
        "pitch_shift": -3,
        "timbre": 0.5,
        "eq": [6, 0, -6],
        "noise": 0.2,
    }
    draw(
        plots[-1, -1],
        augment_tensor(tensors["chroma"], "chroma", together),
        "chroma",
        "five at once",
    )
    for axes in plots[-1]:
        axes.set_xlabel("time [s]", fontsize=8)
    figure.savefig(OUT / "representations.png", dpi=80)


def versions(audio: Path | None) -> None:
    """Draw six versions of one song; write their first seconds as MP3 where asked for."""
    fonts, song = soundfont.check_soundfonts([FONT]), compose(3, 0)
    figure = Figure(figsize=(11, 6.5), layout="constrained")
    for number, axes in enumerate(figure.subplots(2, 3).ravel(), 1):
        spec = replace(
            sample_spec(song, number, soundfonts=fonts), form=(0, 1, 2), intro=0, solo=-1
        )
        waveform = render(arrange(song, spec), spec)[: SECONDS * RATE]
        if audio:
            audio.mkdir(parents=True, exist_ok=True)
            sf.write(audio / f"version-{number}.mp3", waveform, RATE)
        title = (
            f"{number}: {spec.transpose:+d} semitones, tempo x {spec.tempo_ratio:.2f}, {spec.lead},\n"
            f"{spec.chord_instrument} ({spec.pattern}), bass {spec.bass}, drums {spec.drums}"
        )
        draw(axes, compute([waveform], parameters("chroma")), "chroma", title)
        axes.set_xlim(0, SECONDS)
    figure.savefig(OUT / "versions.png", dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audio", type=Path, metavar="FOLDER")
    audio = parser.parse_args().audio
    OUT.mkdir(parents=True, exist_ok=True)
    representations()
    versions(audio)


if __name__ == "__main__":
    main()
