"""The whole pipeline as a list of steps, and which of them are up to date.

*Conventions.* A step is up to date when its last run had the same arguments and code, its files
are as they were, and since then nobody but itself and the steps after it changed a table that it
read (Delta's history says who wrote a version).
"""

from __future__ import annotations

import argparse
import importlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from covers.cli.console import announce
from covers.cli.job import QUARANTINED, Job, arguments_of, code_version
from covers.errors import InputError
from covers.io.lake import Lake
from covers.schemas.evaluations import EVALUATIONS
from covers.schemas.registry import TABLES
from covers.schemas.runs import RUNS


@dataclass(frozen=True)
class Step:
    """One job with its arguments."""

    job: str
    argv: tuple[str, ...]


def load_job(name: str) -> Job:
    """Return a job by name. The pipeline is the one place where jobs are run by another."""
    return importlib.import_module("covers.jobs").load(name)


def steps(args: argparse.Namespace) -> list[Step]:
    """Return all steps in order, for the data that the arguments name.

    Raises
    ------
    InputError
        If there is neither demo data nor a catalogue with audio.
    """
    work = str(Path(args.work).resolve())
    found: list[Step] = []
    catalog, songs = list(args.catalog or []), args.songs
    sets: list[tuple[str, str, str | None, str]] = []
    if args.demo:
        found.append(
            Step("make_demo_data", ("--out", f"{work}/data", "--works", str(args.demo_works)))
        )
        catalog, songs = [f"{work}/data/catalog.csv"], f"{work}/data/midi"
        sets.append(("demo", f"{work}/data/manifest.csv", None, "by-work"))
    if not catalog or not (args.demo or songs or args.audio):
        raise InputError(
            f"a pipeline must have --demo, or --catalog and one of --songs, --audio; got catalog "
            f"{catalog}, songs {songs!r}, audio {args.audio}"
        )
    found += [Step("ingest_catalog", ("--catalog", *catalog)), Step("compute_features", ())]
    if songs:
        form = "audio" if args.demo else args.form
        made: tuple[str, ...] = ("--songs", songs, "--form", form, "--versions", str(args.versions))
        for flag, value in (("--limit", args.song_limit), ("--max-phrases", args.max_phrases)):
            made += (flag, str(value)) if value else ()
        if form == "audio":
            made += ("--out", f"{work}/versions")
            sets.append(("versions", f"{work}/versions/manifest.csv", None, "by-work"))
        found.append(Step("synthesize_versions", made))
    sets += [(*named(text), "by-work") for text in args.audio or ()]
    judged = [named(text) for text in args.evaluate or ()]
    sets += [(*item, "test") for item in judged]
    for name, manifest, root, split in sets:
        where = ("--manifest", manifest) + (("--audio-root", root) if root else ())
        found.append(Step("ingest_recordings", ("--data-set", name, *where, "--split", split)))
    found += [
        Step("decode_audio", ("--representation", "chroma")),
        Step("decode_audio", ("--representation", "log_mel", "--duration", "30")),
        Step("estimate_attributes", ()),
        *[Step("cluster_tracks", ("--encoding", e)) for e in ("raw", "musical")],
        Step("score_similarity", _seed_song(args)),
        Step("train_similarity_regressor", ()),
        Step("train_cluster_classifier", ("--epochs", str(args.classifier_epochs))),
        Step("assign_clusters", ()),
        Step(
            "generate_triplets",
            (
                "--strategy",
                "clique",
                "augmentation",
                "cluster",
                "mix",
                "--per-anchor",
                str(args.per_anchor),
            ),
        ),
        Step("train_siamese", ("--preset", "covernet", *_training(args, args.epochs))),
        Step("embed_recordings", ()),
    ]
    judges = [name for name, *_ in judged] or [sets[0][0] if sets else "versions"]
    for name in judges:
        found.append(
            Step("evaluate_covers", ("--data-set", name, "--report", f"{work}/report-{name}.html"))
        )
    networks = ("--networks", *args.compare_networks, *_training(args, args.compare_epochs))
    found.append(Step("compare_strategies", ("--data-set", judges[0], *networks)))
    if args.demo:
        found.append(
            Step("find_covers", ("--audio", f"{work}/data/audio/demo0000/demo0000-v0.mp3"))
        )
    return [*found, Step("maintain_tables", ())]


def _training(args: argparse.Namespace, epochs: int) -> tuple[str, ...]:
    crop = ("--crop", str(args.crop)) if args.crop else ()
    return ("--epochs", str(epochs), "--workers", str(args.workers), *crop)


def _seed_song(args: argparse.Namespace) -> tuple[str, ...]:
    if args.demo and not args.title:
        return ("--track-id", "TRREC000000")
    artist = ("--artist", args.artist) if args.artist else ()
    return ("--title", args.title, *artist) if args.title else ("--title", "Mr. Brightside")


def files_flag(files: str | None) -> list[str]:
    """Return --files for the steps, where it was given."""
    return ["--files", files] if files else []


def reports(work: str) -> str:
    """Return the paths of the reports."""
    return ", ".join(str(p) for p in sorted(Path(work).resolve().glob("report-*.html"))) or "none"


def named(text: str) -> tuple[str, str, str | None]:
    """Parse NAME=MANIFEST or NAME=MANIFEST,ROOT.

    Examples
    --------
    >>> named("mine=m.csv,audio")
    ('mine', 'm.csv', 'audio')
    """
    name, _, rest = text.partition("=")
    manifest, _, root = rest.partition(",")
    if not name or not manifest:
        raise InputError(f"a data set must be NAME=MANIFEST or NAME=MANIFEST,ROOT, got {text!r}")
    return name, manifest, root or None


def is_up_to_date(lake: Lake, job: Job, args: argparse.Namespace, after: set[str]) -> bool:
    """Tell whether the step's last run still stands; ``after``: this job and those after it."""
    if not lake.exists(RUNS) or not (job.writes or job.files(args)):
        return False
    same = (F.col("job") == job.name) & (F.col("arguments") == arguments_of(args))
    rows = lake.spark.table(lake.identifier(RUNS)).where(
        same & (F.col("code_version") == code_version())
    )
    last = rows.orderBy(F.desc("finished_at")).select("inputs").head()
    if last is None:
        return False
    then = json.loads(last["inputs"])
    read = [(t, then.pop(t.name)) for t in TABLES if t.name in then]  # what is left are files
    return job.files(args) == then and not any(
        lake.changed_since(t, version, but_by=after) for t, version in read
    )


def run_steps(lake: Lake, todo: Sequence[Step], common: list[str]) -> list[dict]:
    """Run what is not up to date; return one row a step.

    Raises
    ------
    InputError, TrainingFailed
        As the step that failed does; steps before it stay done.
    """
    spark: SparkSession = lake.spark
    done = []
    for number, step in enumerate(todo, 1):
        job = load_job(step.job)
        args = job.parse_args([*common, *step.argv])
        started = time.monotonic()
        announce(f"[{number}/{len(todo)}] {step.job} {' '.join(step.argv)}")
        if is_up_to_date(lake, job, args, {later.job for later in todo[number - 1 :]}):
            outcome = "up to date"
        else:
            code = job.execute(spark, args)
            outcome = "done, some quarantined" if code == QUARANTINED else "done"
        done.append(
            {
                "step": step.job,
                "with": " ".join(step.argv)[:48],
                "outcome": outcome,
                "seconds": round(time.monotonic() - started, 1),
            }
        )
    return done


def headline(lake: Lake) -> list[dict]:
    """Return MAP and nearest-neighbour accuracy of every system of the last evaluations."""
    frame = lake.spark.table(lake.identifier(EVALUATIONS)).where(
        "metric IN ('map', 'triplet_accuracy')"
    )
    frame = frame.where("setting = 'whole recordings'")
    rows = (
        frame.groupBy("data_set", "evaluation_id", "system")
        .pivot("metric", ["map", "triplet_accuracy"])
        .agg(F.first("value"))
    )
    return [
        {
            "data set": r["data_set"],
            "system": r["system"],
            "MAP": r["map"],
            "nearest neighbour": r["triplet_accuracy"],
        }
        for r in rows.orderBy("data_set", F.desc("map")).limit(20).collect()
    ]
