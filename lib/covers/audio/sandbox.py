"""Function calls in a child process with limits on memory, processor time and wall time.

A crash inside a codec ends the child, not the Spark worker and its whole job. One child serves
many calls of its parent (forking a process that holds torch costs more than decoding a song); a
child that crashed or ran out of time is replaced at the next call.

*Conventions.* Functions and arguments must pickle. Memory is what a call may take beyond what the
child holds when the call begins.
"""

from __future__ import annotations

import atexit
import faulthandler
import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_FORK = multiprocessing.get_context("fork")
_CALLS = 500  # then a fresh child: codecs leak


@dataclass(frozen=True)
class Limits:
    """What one file may cost."""

    memory_bytes: int = 6 << 30
    cpu_s: int = 300
    wall_s: float = 600.0


REASONS = {
    "missing": "no file is there",
    "empty_file": "the file has no byte",
    "unreadable": "the system does not let it be read",
    "outside_root": "a link that leads out of the folder tree",
    "changed": "other content than when it was listed",
    "not_audio": "no format that is known",
    "needs_ffmpeg": "a format that FFmpeg reads, and there is no FFmpeg",
    "bad_sample_rate": "fewer than 1,000 or more than 768,000 samples a second",
    "too_many_channels": "more than 64, or none",
    "too_long": "more than 12 hours",
    "no_sound": "a header, but no frame that can be decoded",
    "undecodable": "the decoder raised an error",
    "crashed": "the decoder's process died",
    "timed_out": "the limit on wall time",
    "out_of_memory": "the limit on memory",
}


class Refused(Exception):
    """The call failed; `reason` is one of `REASONS`, the message says more."""

    def __init__(self, reason: str, detail: str) -> None:
        if reason not in REASONS:
            raise KeyError(f"reason must be one of {list(REASONS)}, got {reason!r}")
        super().__init__(detail)
        self.reason, self.detail = reason, detail


class _Child:
    """A forked process that waits for calls at the other end of a pipe."""

    def __init__(self) -> None:
        self.pipe, theirs = _FORK.Pipe()
        self.process = _FORK.Process(target=_serve, args=(theirs, self.pipe), daemon=True)
        self.process.start()
        theirs.close()
        self.owner, self.calls = os.getpid(), 0

    def end(self) -> None:
        """Kill the process and forget it."""
        self.pipe.close()
        self.process.kill()
        self.process.join()


_child: _Child | None = None


def call(function: Callable[..., Any], *args: Any, limits: Limits) -> Any:
    """Return ``function(*args)``, computed in a child.

    Raises
    ------
    Refused
        With reason ``timed_out``, ``crashed``, ``out_of_memory``, or the reason of a `Refused`
        raised by the function; any other exception has reason ``undecodable``.
    """
    child = _living_child()
    child.calls += 1
    child.pipe.send((function, args, limits))
    try:
        if not child.pipe.poll(limits.wall_s):
            _replace()
            raise Refused("timed_out", f"took longer than {limits.wall_s:g} s")
        outcome, *values = child.pipe.recv()
    except (EOFError, ConnectionResetError):
        child.process.join(5)
        code = child.process.exitcode
        _replace()
        raise Refused("crashed", f"the decoder ended with code {code}") from None
    if outcome == "refused":
        raise Refused(*values)
    return values[0]


def _living_child() -> _Child:
    global _child
    if _child and _child.owner != os.getpid():  # this process was forked from the child's parent
        _child.pipe.close()
        _child = None
    if _child and (_child.calls >= _CALLS or not _child.process.is_alive()):
        _replace()
    if _child is None:
        _child = _Child()
    return _child


@atexit.register
def _replace() -> None:
    global _child
    if _child and _child.owner == os.getpid():
        _child.end()
    _child = None


def _serve(pipe: Any, parents: Any) -> None:
    parents.close()  # or the end of the parent would never be seen
    faulthandler.disable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # for the parent to handle: it ends this process
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if "torch" in sys.modules:  # its threads did not survive the fork: to wait for them is forever
        sys.modules["torch"].set_num_threads(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # codecs talk; what matters is in the outcome
    while True:
        try:
            function, args, limits = pipe.recv()
        except EOFError:
            return
        pipe.send(_outcome(function, args, limits))


def _outcome(function: Callable[..., Any], args: tuple, limits: Limits) -> tuple:
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + 1 + limits.cpu_s)
    _limit(resource.RLIMIT_AS, _address_space() + limits.memory_bytes)
    try:
        return ("done", function(*args))
    except Refused as error:
        return ("refused", error.reason, error.detail)
    except MemoryError:
        return ("refused", "out_of_memory", f"needs more than {limits.memory_bytes >> 20} MiB")
    except Exception as error:
        detail = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        return ("refused", "undecodable", detail)


def _limit(what: int, value: int) -> None:
    """Set the soft limit; the hard one stays, so that the next call can have its own."""
    hard = resource.getrlimit(what)[1]
    resource.setrlimit(what, (value if hard < 0 else min(value, hard), hard))


def _address_space() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()
