"""Function calls in a child process, limited in memory, CPU time and wall time.

A crash inside a codec ends the child, not the Spark worker and its job. One child serves many calls
of its parent, because forking a process that has torch loaded costs more than decoding a song. A
child that crashed or ran out of time is replaced at the next call.

*Conventions.* Functions and arguments must pickle. The limit on memory is for what a call
allocates on top of what the child holds when the call begins.
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
_MAX_CALLS = 500  # of one child: codecs leak memory


@dataclass(frozen=True)
class Limits:
    """What one call may cost."""

    memory_bytes: int = 6 << 30
    cpu_s: int = 300
    wall_s: float = 600.0


REASONS = {
    "missing": "there is no such file",
    "empty_file": "the file has no bytes",
    "unreadable": "the file cannot be read",
    "outside_root": "a link that leads out of the folder tree",
    "changed": "the content changed since it was listed",
    "not_audio": "no known audio format",
    "needs_ffmpeg": "a format that only FFmpeg reads, and FFmpeg is not installed",
    "bad_sample_rate": "below 1,000 or above 768,000 Hz",
    "too_many_channels": "more than 64 channels, or none",
    "too_long": "longer than 12 hours",
    "no_sound": "a header, but no decodable frame",
    "undecodable": "the decoder raised an error",
    "crashed": "the process of the decoder died",
    "timed_out": "over the limit on wall time",
    "out_of_memory": "over the limit on memory",
}


class Rejected(Exception):
    """The call failed; `reason` is one of `REASONS`, the message gives details."""

    def __init__(self, reason: str, detail: str) -> None:
        if reason not in REASONS:
            raise KeyError(f"reason must be one of {list(REASONS)}, got {reason!r}")
        super().__init__(detail)
        self.reason, self.detail = reason, detail


class _Child:
    """A forked process that waits for calls on a pipe."""

    def __init__(self) -> None:
        self.pipe, child_pipe = _FORK.Pipe()
        self.process = _FORK.Process(target=_serve, args=(child_pipe, self.pipe), daemon=True)
        self.process.start()
        child_pipe.close()
        self.owner, self.n_calls = os.getpid(), 0

    def kill(self) -> None:
        """Kill the process and wait for its end."""
        self.pipe.close()
        self.process.kill()
        self.process.join()


_child: _Child | None = None


def call(function: Callable[..., Any], *args: Any, limits: Limits) -> Any:
    """Return ``function(*args)``, computed in a child process.

    Raises
    ------
    Rejected
        With reason ``timed_out``, ``crashed``, ``out_of_memory``, or the reason of a `Rejected`
        raised by the function; any other exception has reason ``undecodable``.
    """
    child = _running_child()
    child.n_calls += 1
    child.pipe.send((function, args, limits))
    try:
        if not child.pipe.poll(limits.wall_s):
            _discard_child()
            raise Rejected("timed_out", f"took longer than {limits.wall_s:g} s")
        outcome, *values = child.pipe.recv()
    except (EOFError, ConnectionResetError):
        child.process.join(5)
        code = child.process.exitcode
        _discard_child()
        raise Rejected("crashed", f"the decoder ended with code {code}") from None
    if outcome == "rejected":
        raise Rejected(*values)
    return values[0]


def _running_child() -> _Child:
    global _child
    if _child and _child.owner != os.getpid():  # this process was forked from the child's parent
        _child.pipe.close()
        _child = None
    if _child and (_child.n_calls >= _MAX_CALLS or not _child.process.is_alive()):
        _discard_child()
    if _child is None:
        _child = _Child()
    return _child


@atexit.register
def _discard_child() -> None:
    global _child
    if _child and _child.owner == os.getpid():
        _child.kill()
    _child = None


def _serve(pipe: Any, parent_pipe: Any) -> None:
    parent_pipe.close()  # or the pipe stays open when the parent ends, and the child waits forever
    faulthandler.disable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles it and ends this process
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if "torch" in sys.modules:  # its threads did not survive the fork: waiting for them never ends
        sys.modules["torch"].set_num_threads(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # codecs print; failures are in the outcome
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
    except Rejected as error:
        return ("rejected", error.reason, error.detail)
    except MemoryError:
        return ("rejected", "out_of_memory", f"needs more than {limits.memory_bytes >> 20} MiB")
    except Exception as error:
        detail = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        return ("rejected", "undecodable", detail)


def _limit(what: int, value: int) -> None:
    """Set the soft limit; the hard one stays, so that the next call can raise it again."""
    hard = resource.getrlimit(what)[1]
    resource.setrlimit(what, (value if hard < 0 else min(value, hard), hard))


def _address_space() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()
