"""Is there room on the disk?"""

from __future__ import annotations

import dataclasses
import os


class Full(Exception):
    """There is less free room than the probe is told to allow."""


@dataclasses.dataclass(frozen=True, slots=True)
class DiskSpace:
    """Looks at the file system that holds `path`: at its bytes and, where it counts them, its files."""

    path: str
    warn_below: float = 0.10
    """The free share below which it warns."""
    fail_below: float = 0.02

    def __post_init__(self) -> None:
        """Refuse shares that make no sense."""
        if not 0 <= self.fail_below <= self.warn_below <= 1:
            raise ValueError("0 <= fail_below <= warn_below <= 1 must hold")

    def __call__(self) -> str | None:
        """Warn or raise where little is left."""
        system = os.statvfs(self.path)
        left = {"room": system.f_bavail / (system.f_blocks or 1)}
        if system.f_files:
            left["files"] = system.f_favail / system.f_files
        scarce, share = min(left.items(), key=lambda item: item[1])
        finding = f"{share:.1%} of the {scarce} of {self.path} is free"
        if share < self.fail_below:
            raise Full(finding)
        return finding if share < self.warn_below else None
