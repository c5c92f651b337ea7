"""What proves blobs in one process, as the supervisor does it for its workers."""

from pathlib import Path

from edge.node.delivery.files import OpenFiles
from edge.node.proving.proof_book import ProofBook
from edge.node.proving.prover import BlobProver
from edge.node.proving.quarantine import Quarantine
from edge.store.objects.port import blob_key


def a_book() -> ProofBook:
    """One that nothing outlives."""
    return ProofBook(Path(":memory:"))


def a_prover(store, book=None, **options) -> BlobProver:
    book = book or a_book()
    return BlobProver(store, book, Quarantine(book), **options)


def open_files(store, proofs=None, **options) -> OpenFiles:
    """The open files of a worker that serves the blobs of this store."""
    return OpenFiles(lambda digest: store.open(blob_key(digest)), proofs or a_prover(store), **options)
