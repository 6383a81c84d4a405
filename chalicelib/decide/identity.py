"""Identity comes from content: the digest of a listing, and the id of the run that a pipeline makes of it.

**Listing digest.** h = sha256(h ‖ entry) for one object after the other, in S3's key order (UTF-8 bytes), from 32 zero
bytes. An entry is three fields: the key relative to the dataset's folder (a single object's: its extension), the size
in decimal ASCII, the ETag without quotes. A field is its length in bytes as four bytes, big-endian, then its UTF-8
bytes. Junk, `_READY` and `run.toml` are left out. The 32 bytes so far and the last key are enough to go on with.

**Run id.** `v1` and the hex sha256 over six fields in the same form: pipeline name; listing digest in hex; [prepare]
[train] [sweep] as resolved, as canonical JSON; digest of the training code; the image; the resolved starting model (""
for none).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from chalicelib.model import S3Object

START = bytes(32)


def extend(state: bytes, relative: str, size: int, etag: str) -> bytes:
    """Chain one more object to the digest of those before it."""
    return hashlib.sha256(state + b"".join(map(_field, (relative, str(size), etag)))).digest()


def listing_digest(objects: Iterable[tuple[str, S3Object]], state: bytes = START) -> str:
    """Digest (relative key, object) pairs that come in S3's key order."""
    for relative, it in objects:
        state = extend(state, relative, it.size, it.etag)
    return state.hex()


def run_id(pipeline: str, digest: str, *, training_part: str, code_digest: str, image: str, start: str = "") -> str:
    """Name the run by what its model is made of, and by nothing else."""
    fields = (pipeline, digest, training_part, code_digest, image, start)
    return "v1" + hashlib.sha256(b"".join(map(_field, fields))).hexdigest()


def _field(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return len(data).to_bytes(4, "big") + data
