"""The proof that one record is in the log as it was sealed. An auditor needs only the public key to check the proof."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from systemlog.digests.archives import open_archive_lines
from systemlog.digests.canonical import canonical
from systemlog.digests.chain import Chain
from systemlog.digests.merkle import Path as MerklePath
from systemlog.digests.merkle import leaf_hash, root_by_path
from systemlog.digests.reading import Texts, archived, hour_text, pages
from systemlog.digests.statements import HOUR, Statement, read, read_hour
from systemlog.digests.states import ArchiveFile, States
from systemlog.exceptions import SystemLogError
from systemlog.records.ids import instant_of
from systemlog.retention.compression import broken_data_errors
from systemlog.retention.manifest import NotInArchive, read_manifest
from systemlog.retention.private_files import NotPrivate
from systemlog.storage import Storage


class NotProvable(SystemLogError):
    """No proof of the record can be made. The text says why."""


def prove(
    storage: Storage, chain: Chain, states: States, record_id: uuid.UUID, archives: Iterable[Path] = ()
) -> dict[str, Any]:
    """Return the proof of a record, an object for JSON that docs/digests.md describes. Raises `NotProvable`.

    The record is looked up in the log first, then in the archives.
    """
    hour = find_hour(storage, record_id)
    if hour is not None:
        since = read_hour(hour)
        if states.until is None or since >= states.until:
            raise NotProvable(f"The hour {hour} is not sealed yet.")
        state = states.of(since)
        if state is None:
            raise NotProvable(f"No digest is about the hour {hour}.")

        def of_hour() -> Iterator[Texts]:
            for page in pages(storage, since, since + HOUR):
                yield from page

        unique_keys = storage.connection.vendor == "postgresql"
        return _prove(of_hour, record_id, hour, state.root, _digest(chain, state.number), unique_keys=unique_keys)
    try:
        for directory in archives:
            for entry in read_manifest(directory):
                file = states.archives.get(entry.content_sha256)
                if file is not None and (hour := _hour_in(directory / entry.file, record_id)):
                    return _prove_archived(chain, directory / entry.file, file, record_id, hour)
    except (NotInArchive, NotPrivate, ValueError, OSError) as error:
        raise NotProvable(f"An archive cannot be read: {error}") from None
    except broken_data_errors():
        raise NotProvable("A file of an archive is damaged: see verify_system_logs --archive.") from None
    raise NotProvable(f"There is no record {record_id}{' in these archives' if archives else ''}.")


def find_hour(storage: Storage, record_id: uuid.UUID) -> str | None:
    """Return the hour of the newest record with this id, or None if there is none."""
    from systemlog.models import SystemLog

    records = SystemLog.objects.using(storage.connection.alias).filter(id=record_id)
    instant = instant_of(record_id)
    if instant is not None and (exact := records.filter(timestamp=instant).values_list("timestamp", flat=True).first()):
        return exact.isoformat()[:13]
    newest = records.order_by("-timestamp").values_list("timestamp", flat=True).first()
    return newest.isoformat()[:13] if newest else None


def _prove_archived(chain: Chain, path: Path, file: ArchiveFile, record_id: uuid.UUID, hour: str) -> dict[str, Any]:
    def of_hour() -> Iterator[Texts]:
        return (texts for texts in archived(open_archive_lines(path)) if hour_text(texts) == hour)

    root = file.hours[read_hour(hour)][1]
    return _prove(of_hour, record_id, hour, root, _digest(chain, file.number), unique_keys=False)


def _prove(  # type: ignore[no-untyped-def]
    of_hour, record_id: uuid.UUID, hour: str, root: bytes, digest: Statement, *, unique_keys: bool
) -> dict[str, Any]:
    index = size = 0
    record = b""
    for texts in of_hour():
        if texts[1] == record_id.hex:
            index, record = size, canonical(texts[:12], unique_keys=unique_keys)
        size += 1
    if not record:
        raise NotProvable(f"The record {record_id} was removed while it was read.")
    path = MerklePath(index, size)
    for texts in of_hour():
        path.add(leaf_hash(canonical(texts[:12], unique_keys=unique_keys)))
    hashes = path.hashes()
    if root_by_path(leaf_hash(record), index, size, hashes) != root:
        raise NotProvable(
            f"{hour}: the hour differs from its last digest, so no proof of its records can be made. "
            "If only late records were added, run seal_system_logs. verify_system_logs reports what was altered."
        )
    return {
        "record": record.decode("utf-8", "surrogateescape"),
        "hour": hour,
        "index": index,
        "size": size,
        "path": [each.hex() for each in hashes],
        "root": root.hex(),
        "digest": digest.line,
    }


def _hour_in(path: Path, record_id: uuid.UUID) -> str | None:
    hours = [hour_text(texts) for texts in archived(open_archive_lines(path)) if texts[1] == record_id.hex]
    return hours[-1] if hours else None


def _digest(chain: Chain, number: int) -> Statement:
    line = chain.line(number)
    if line is None:
        line = next((each for each in chain.outside.lines() if read(each).number == number), None)
    if line is None:
        raise NotProvable(f"Digest {number} is missing.")
    return read(line)
