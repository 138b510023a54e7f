"""Probe of a file system: whether it has free space."""

from __future__ import annotations

import dataclasses
import os


class Full(Exception):
    """Less space is free than `fail_below` allows."""


@dataclasses.dataclass(frozen=True, slots=True)
class DiskSpace:
    """Checks the file system of `path`: its free bytes and, if the file system counts them, its free inodes."""

    path: str
    warn_below: float = 0.10
    """Warn below this free share (0 to 1)."""
    fail_below: float = 0.02

    def __post_init__(self) -> None:
        """Raise `ValueError` for shares that contradict each other."""
        if not 0 <= self.fail_below <= self.warn_below <= 1:
            raise ValueError("0 <= fail_below <= warn_below <= 1 must hold")

    def __call__(self) -> str | None:
        """Return a warning, or raise `Full`, if little space is left."""
        system = os.statvfs(self.path)
        left = {"room": system.f_bavail / (system.f_blocks or 1)}
        if system.f_files:
            left["files"] = system.f_favail / system.f_files
        scarce, share = min(left.items(), key=lambda item: item[1])
        finding = f"{share:.1%} of the {scarce} of {self.path} is free"
        if share < self.fail_below:
            raise Full(finding)
        return finding if share < self.warn_below else None
