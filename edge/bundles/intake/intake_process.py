"""The process that reads and packs a zip which somebody dropped on the page: nothing of it reaches the supervisor.

Started as `python -P -m edge.bundles.intake.intake_process`, with an order on its standard input, which stays open: its
end ends the process. It answers on its standard output. Limits of memory, time and file size are set before a byte of
the zip is read; whoever started it kills it when its time is over.
"""

import os
import resource
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edge.bundles.intake.checked_source import read_checked
from edge.bundles.intake.intake_messages import (
    IntakeAnswer,
    IntakeDone,
    IntakeOrder,
    IntakeRefused,
    LeftOutFile,
    PackedBlob,
    PackedEntry,
    StoreNote,
)
from edge.bundles.packing.pack import Packed, pack_files
from edge.bundles.sources.files import SourceFile
from edge.bundles.sources.selection import LeftOut
from edge.bundles.store_rules.check import check_store_rules, declarations_of
from edge.domain.errors import EdgeError
from edge.store.disk.room import refusal_of_room

NICENESS = 10  # devices are served by the same cores
KILLED_AFTER_SECONDS = 5  # of CPU: the limit before it has a signal of its own, unlike being killed from outside
OPEN_FILES = 64  # a zip, a file of it, what is packed
MEMORY = "packing this zip takes more memory than a zip may; publish it from the command line, on a machine of your own"
LEFT_OUT_LIMIT = 200  # told of; a zip may have thousands


def take_in(source: Path, workdir: Path) -> IntakeAnswer:
    """Check and pack. Errors of the zip are an answer; ours rise."""
    try:
        found = read_checked(source, workdir)
        packed = pack_files(found.files, workdir, processes=1)
        return _with_store_rules(_done(packed, found.left_out, workdir), found.files)
    except EdgeError as error:
        told = error.message.replace(str(source), source.name)  # where it lies here is nobody's business
        return IntakeRefused(code=error.code, status=error.status, message=told)
    except MemoryError:
        return IntakeRefused(code="packing_memory", status=422, message=MEMORY)
    except OSError as error:
        full = refusal_of_room(error)
        if full is None:
            raise
        return IntakeRefused(code=full.code, status=full.status, message=full.message)


def _done(packed: Packed, left_out: tuple[LeftOut, ...], workdir: Path) -> IntakeDone:
    manifest = workdir / "manifest.json"
    manifest.write_bytes(packed.manifest)
    blobs = [PackedBlob(digest=each.digest, path=str(each.path), bytes=each.bytes) for each in packed.blobs.values()]
    blobs.append(PackedBlob(digest=packed.zip.digest, path=str(packed.zip.path), bytes=packed.zip.bytes))
    blobs.append(PackedBlob(digest=packed.manifest_digest, path=str(manifest), bytes=len(packed.manifest)))
    return IntakeDone(
        content=packed.content,
        zip=packed.zip.digest,
        zip_bytes=packed.zip.bytes,
        manifest=packed.manifest_digest,
        plain_bytes=packed.plain_bytes,
        blobs=blobs,
        entries=[PackedEntry(name=e.name, hash=e.hash, blob=e.blob, bytes=e.bytes) for e in packed.entries],
        left_out=[LeftOutFile(name=each.name, rule=each.rule) for each in left_out[:LEFT_OUT_LIMIT]],
    )


def _with_store_rules(done: IntakeDone, files: Sequence[SourceFile]) -> IntakeDone:
    declared = declarations_of(files)
    return msgspec.structs.replace(
        done,
        store_notes=[
            StoreNote(code=each.code.code, file=each.file, message=each.message)
            for each in check_store_rules(files, "")
        ],
        app_ids={name: each.app_id for name, each in declared.items() if each.app_id},
    )


def limit_itself(order: IntakeOrder) -> None:
    """No more than the order allows; a limit that the system does not have is left to who started it."""
    wanted = {
        "RLIMIT_AS": order.memory_bytes,
        "RLIMIT_CPU": order.cpu_seconds,
        "RLIMIT_FSIZE": order.file_bytes,
        "RLIMIT_NOFILE": OPEN_FILES,
        "RLIMIT_CORE": 0,
    }
    for name, value in wanted.items():
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        _, hard = resource.getrlimit(kind)
        ends = value + KILLED_AFTER_SECONDS if name == "RLIMIT_CPU" else value
        value, ends = (each if hard == resource.RLIM_INFINITY else min(each, hard) for each in (value, ends))
        resource.setrlimit(kind, (value, ends))


def _leave_with_starter() -> None:
    sys.stdin.buffer.read()  # nothing more is ever sent: it ends with whoever holds the other end
    os._exit(1)


def main() -> None:
    """Ends when it has answered, and when nobody is there to read the answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor ends this process
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=IntakeOrder)
    threading.Thread(target=_leave_with_starter, daemon=True).start()
    os.nice(NICENESS)
    limit_itself(order)
    answer = take_in(Path(order.source), Path(order.workdir))
    sys.stdout.buffer.write(msgspec.json.encode(answer))
    sys.stdout.buffer.flush()
    os._exit(0)  # the thread waits for the end of the input


if __name__ == "__main__":
    main()
