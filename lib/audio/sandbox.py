"""One function call in a short-lived child with limits on memory, processor time and wall time.

A crash inside a codec ends the child, not the Spark worker and its whole job.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Limits:
    """What one file may cost."""

    memory_bytes: int = 6 << 30
    cpu_s: int = 300
    wall_s: float = 600.0


class Refused(Exception):
    """The call failed; `reason` is a code for `quarantine`, the message says more."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def call(function: Callable[..., Any], *args: Any, limits: Limits) -> Any:
    """Return ``function(*args)``, computed in a child.

    Raises
    ------
    Refused
        With reason ``timed_out``, ``crashed``, ``out_of_memory``, or the reason of a `Refused`
        raised by the function; any other exception has reason ``undecodable``.
    """
    receiver, sender = _FORK.Pipe(duplex=False)
    child = _FORK.Process(target=_child, args=(sender, function, args, limits), daemon=True)
    child.start()
    sender.close()
    try:
        if not receiver.poll(limits.wall_s):
            raise Refused("timed_out", f"took longer than {limits.wall_s:g} s")
        outcome, *values = receiver.recv()
    except EOFError:
        child.join(5)
        raise Refused("crashed", f"the decoder ended with code {child.exitcode}") from None
    finally:
        receiver.close()
        child.kill()
        child.join()
    if outcome == "refused":
        raise Refused(*values)
    return values[0]


def _child(sender: Any, function: Callable[..., Any], args: tuple, limits: Limits) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # codecs talk; what matters is in the outcome
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 1))
    used = _address_space()
    resource.setrlimit(resource.RLIMIT_AS, (used + limits.memory_bytes,) * 2)
    try:
        sender.send(("done", function(*args)))
    except Refused as error:
        sender.send(("refused", error.reason, error.detail))
    except MemoryError:
        sender.send(
            ("refused", "out_of_memory", f"needs more than {limits.memory_bytes >> 20} MiB")
        )
    except Exception as error:
        detail = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        sender.send(("refused", "undecodable", detail))


def _address_space() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()
