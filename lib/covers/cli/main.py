"""The console script ``covers``: compare, search, embed and evaluate audio files without Spark."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import covers
from covers.errors import InputError

BAD_INPUT = 3


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the console script."""
    parser = argparse.ArgumentParser(
        prog="covers", description="Find cover songs.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"covers {covers.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--model", default="shipped", help="shipped (default) or a .safetensors file"
    )
    shared.add_argument("--json", action="store_true", help="print JSON")

    compare = commands.add_parser("compare", parents=[shared], help="are two files the same song?")
    compare.add_argument("a", metavar="A")
    compare.add_argument("b", metavar="B")
    compare.add_argument("--references", metavar="LAKE_OR_FOLDER", help="to normalise scores by")
    compare.set_defaults(run=_compare)

    search = commands.add_parser("search", parents=[shared], help="look files up among references")
    search.add_argument("queries", nargs="+", metavar="QUERY")
    search.add_argument("--references", required=True, metavar="LAKE_OR_FOLDER")
    search.add_argument("--top", type=int, default=5, metavar="N", help="default: %(default)s")
    search.set_defaults(run=_search)

    embed = commands.add_parser("embed", parents=[shared], help="write a file's embeddings")
    embed.add_argument("file", metavar="FILE")
    embed.add_argument("-o", "--output", required=True, metavar="OUT", help=".safetensors")
    embed.set_defaults(run=_embed)

    evaluate = commands.add_parser("evaluate", parents=[shared], help="evaluate on known works")
    evaluate.add_argument("--manifest", required=True, metavar="CSV")
    evaluate.add_argument("--audio-root", metavar="FOLDER")
    evaluate.add_argument(
        "--no-baselines", action="store_true", help="leave out Qmax and 2-D Fourier"
    )
    evaluate.set_defaults(run=_evaluate)
    return parser


def _progress(name: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{name[:70]}")


def _end_progress() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")


def _compare(args: argparse.Namespace) -> None:
    from covers.retrieval.search import clock  # here: --help must not load a network

    model = covers.load_model(args.model)
    references = None
    if args.references:
        references = covers.ReferenceSet.read(args.references, model, on_file=_progress)
        _end_progress()
    found = covers.compare(args.a, args.b, model, references=references)
    if args.json:
        print(json.dumps({"a": args.a, "b": args.b} | asdict(found)))
        return
    p = found.probability
    print(f"probability    {'-' if p is None else f'{p:.1%}'}")
    print(f"distance       {found.distance:.3f}")
    print(
        f"transposition  {'-' if found.transposition is None else f'{found.transposition:+d} semitones'}"
    )
    print(f"tempo ratio    {found.tempo_ratio or '-'}")
    print(f"match in A     {clock(found.span_a)}")
    print(f"match in B     {clock(found.span_b)}")


def _search(args: argparse.Namespace) -> None:
    from covers.retrieval.search import clock

    references = covers.ReferenceSet.read(
        args.references, covers.load_model(args.model), on_file=_progress
    )
    _end_progress()
    for name, reason in references.rejected.items():
        sys.stderr.write(f"left out: {name}: {reason}\n")
    answers = []
    for path in args.queries:
        table = references.search(path, args.top)
        if args.json:
            answers.append({"query": path, "matches": json.loads(table.to_json(orient="records"))})
            continue
        print(f"{path}  (among {len(references):,} recordings)")
        for row in table.to_dict("records"):
            p = row["probability"]
            sure = "     -" if p is None else f"{p:6.1%}"
            span = clock(
                (row["start_s"], row["end_s"]) if row["start_s"] == row["start_s"] else None
            )
            print(f"  {row['rank']:>2}  {sure}  {row['title'] or row['recording_id']}  at {span}")
    if args.json:
        print(json.dumps(answers))


def _embed(args: argparse.Namespace) -> None:
    found = covers.embed(args.file, covers.load_model(args.model))
    Path(args.output).write_bytes(found.to_bytes())
    counts = {
        "track": list(found.track.shape),
        "segments": [len(x) for x in found.segments],
        "frames": 0 if found.frames is None else len(found.frames),
        "output": args.output,
    }
    print(json.dumps(counts) if args.json else "\n".join(f"{k:<9} {v}" for k, v in counts.items()))


def _evaluate(args: argparse.Namespace) -> None:
    table = covers.evaluate(
        args.manifest, args.audio_root, covers.load_model(args.model),
        baselines=not args.no_baselines, on_file=_progress,
    )  # fmt: skip
    _end_progress()
    for name, reason in table.attrs["rejected"].items():
        sys.stderr.write(f"left out: {name}: {reason}\n")
    if args.json:
        systems = json.loads(table.to_json(orient="records"))
        print(json.dumps({"systems": systems, **table.attrs}))
        return
    print(table.round(3).to_string(index=False))
    shares = ", ".join(f"{v:.3f} at {k}" for k, v in table.attrs["coverage"].items())
    print(f"coverage of the first stage: {shares}")


def main(argv: list[str] | None = None) -> int:
    """Run the console script; return the exit code: 0, 2 (arguments) or 3 (input)."""
    args = build_parser().parse_args(argv)
    run: Callable[[argparse.Namespace], None] = args.run
    try:
        run(args)
    except (InputError, ValueError) as error:
        sys.stderr.write(" ".join(str(error).split()) + "\n")
        return BAD_INPUT
    return 0


if __name__ == "__main__":
    sys.exit(main())
