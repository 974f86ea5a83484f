"""Ed25519 keys by the library `cryptography`: a private one in a file outside any repository, public ones as one line.

A public key is written as SSH writes it, `ssh-ed25519 AAAA... name`.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UnavailableError, UsageError
from harness.files import plain_bytes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_SUFFIX = ".pub"
_KIND = "ssh-ed25519"
_LARGEST = 1 << 16


@dataclass(frozen=True)
class Signer:
    """Who signs: a private key, which is shown nowhere."""

    private: Ed25519PrivateKey

    @property
    def public(self) -> str:
        """`ssh-ed25519 AAAA...`, by which everybody can check what it signs."""
        _, serialization = _library()
        public = self.private.public_key()
        encoding, form = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        return str(public.public_bytes(encoding, form).decode("ascii"))

    def sign(self, data: bytes) -> str:
        """The signature, in base64."""
        return base64.b64encode(self.private.sign(data)).decode("ascii")


def signer(file: Path) -> tuple[Signer, bool]:
    """The key in a file, and whether it was made just now since there was none. Raises UsageError, UnavailableError.

    A key inside a git repository is refused, for it would be published.
    """
    ed25519, serialization = _library()
    folder = file.absolute().resolve().parent
    for above in (folder, *folder.parents):
        if (above / ".git").exists():
            raise UsageError(
                f"--key {str(file)!r} lies in the repository {str(above)!r}, where it would be published: give a place "
                "outside, such as ~/.config/anomaly-harness/verify.pem"
            )
    if not file.exists():
        private = ed25519.Ed25519PrivateKey.generate()
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as target:
                target.write(pem)
        except OSError as error:
            raise UsageError(f"--key {str(file)!r} cannot be written: {error.strerror}") from error
        return Signer(private), True
    try:
        private = serialization.load_pem_private_key(plain_bytes(file, _LARGEST), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"--key {str(file)!r} holds no private key without a password: {error}") from error
    if not isinstance(private, ed25519.Ed25519PrivateKey):
        raise UsageError(f"--key {str(file)!r} holds a {type(private).__name__}, expected an Ed25519 key")
    return Signer(private), False


def is_signed(data: bytes, signature: str, public: str) -> bool:
    """Whether a signature is of this data by this public key. Raises UnavailableError."""
    from binascii import Error as NotBase64

    _, serialization = _library()
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        key: Any = serialization.load_ssh_public_key(public.encode())
        key.verify(base64.b64decode(signature, validate=True), data)
    except (ValueError, TypeError, NotBase64, InvalidSignature, UnsupportedAlgorithm, AttributeError):
        return False
    return True


def trusted(places: Iterable[Path] = ()) -> Mapping[str, str]:
    """Public key to the name of who holds it: those that ship, and those in these files (*.pub) and folders of them.

    Raises UsageError for a place that is none.
    """
    found: dict[str, str] = {}
    for place in (shipped_folder(), *places):
        files = sorted(place.glob(f"*{_SUFFIX}")) if place.is_dir() else [place]
        for file in files:
            key = _public_in(file)
            found.setdefault(key, file.stem)
    return found


def shipped_folder() -> Path:
    """The folder of public keys that ship with the harness, in the installed package or in the checkout."""
    installed = Path(str(resources.files("harness") / "trusted_keys"))
    return installed if installed.is_dir() else Path(__file__).parents[2] / "leaderboards" / "keys"


def _public_in(file: Path) -> str:
    try:
        words = plain_bytes(file, _LARGEST).decode().split()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"key {str(file)!r} cannot be read: {error}") from error
    if len(words) < 2 or words[0] != _KIND:
        raise UsageError(f"key {str(file)!r} is no public key: expected a line `{_KIND} AAAA... name`")
    return f"{words[0]} {words[1]}"


def _library() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise UnavailableError("signatures need cryptography: pip install 'anomaly-harness[verify]'") from error
    return ed25519, serialization
