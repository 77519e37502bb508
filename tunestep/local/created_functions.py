"""Functions that clients create on the laptop, beside those of the stack: code from a zip file, kept on disk.

A function runs code on this machine, and the port is open to everybody on it. So only a caller that can read
the home folder may create one: the access key id that signs the request has to be the home's own.
"""

import base64
import hashlib
import hmac
import io
import json
import re
import secrets
import shutil
import threading
import zipfile
from pathlib import Path
from typing import Any

from tunestep.local.awsjson import AwsError, request_faults
from tunestep.local.functions import Function, FunctionPool

KEY_FILE = "function_key"
MAX_UNZIPPED = 250 * 1024 * 1024
"""Largest sum of unzipped files, in bytes (Lambda quotas)."""

_KEPT = "function.json"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KEY_ID = re.compile(r"Credential=([^/,\s]+)/")
_DEFAULT_TIMEOUT, _DEFAULT_MEMORY = 3, 128


def own_key(home: Path) -> str:
    """The access key id that may create functions, made at first use and readable by the user alone."""
    path = home / KEY_FILE
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(f"LAPTOP{secrets.token_hex(16).upper()}\n", encoding="ascii")
    return path.read_text(encoding="ascii").strip()


class CreatedFunctions:
    """CreateFunction, UpdateFunctionCode and DeleteFunction over a pool. ``folder`` has a folder for each."""

    def __init__(self, folder: Path, pool: FunctionPool, *, key: str, region: str, account: str) -> None:
        self._folder, self._pool, self._key = folder, pool, key
        self._prefix = f"arn:aws:lambda:{region}:{account}:function:"
        self._lock = threading.Lock()

    def load(self) -> None:
        """Put the functions of before into the pool; those of the stack have to be there already."""
        for file in sorted(self._folder.glob(f"*/{_KEPT}")):
            self._put(json.loads(file.read_text(encoding="utf-8")))

    def check_caller(self, authorization: str) -> None:
        """Raise AwsError unless the request is signed with the home's own access key id."""
        found = _KEY_ID.search(authorization)
        if found is None or not hmac.compare_digest(found[1].encode(), self._key.encode()):
            raise AwsError(
                "AccessDeniedException",
                "functions run code on this machine: use the access key id that stands in the laptop cloud's "
                f"folder, in the file {KEY_FILE}",
                403,
            )

    def create(self, params: dict[str, Any]) -> Function:
        """Raises AwsError as Lambda does: a wrong request, a name that is taken."""
        code = _checked("CreateFunction", params, params.get("Code"))
        name = params["FunctionName"]
        if not _NAME.fullmatch(name):
            raise _invalid("a function's name has up to 64 letters, digits, hyphens and underscores")
        if not str(params.get("Runtime", "")).startswith("python"):
            raise _invalid("the laptop cloud runs Python functions only")
        with self._lock:
            if any(function.name == name for function in self._pool.all()):
                raise AwsError("ResourceConflictException", f"Function already exist: {name}", 409)
            described = {
                "name": name,
                "handler": params.get("Handler", ""),
                "role": params["Role"],
                "runtime": params["Runtime"],
                "timeout": params.get("Timeout", _DEFAULT_TIMEOUT),
                "memory": params.get("MemorySize", _DEFAULT_MEMORY),
                "description": params.get("Description", ""),
                "variables": params.get("Environment", {}).get("Variables", {}),
                "tags": params.get("Tags", {}),
            }
            return self._store(described, code)

    def update_code(self, name: str, params: dict[str, Any]) -> Function:
        """Raises AwsError; a function of the stack is not changed."""
        code = _checked("UpdateFunctionCode", {**params, "FunctionName": name}, params)
        with self._lock:
            return self._store(self._described(name), code)

    def delete(self, name: str) -> None:
        with self._lock:
            described = self._described(name)
            self._pool.remove(described["name"])
            shutil.rmtree(self._folder / described["name"])

    def _described(self, name: str) -> dict[str, Any]:
        function = self._pool.get(name)
        try:
            text = (self._folder / function.name / _KEPT).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise AwsError(
                "AccessDeniedException", f"{function.name} belongs to the stack and is not changed here", 403
            ) from None
        described: dict[str, Any] = json.loads(text)
        return described

    def _store(self, described: dict[str, Any], code: bytes) -> Function:
        digest = hashlib.sha256(code)
        home = self._folder / described["name"]
        target = home / digest.hexdigest()
        if not target.is_dir():
            unpacked = self._folder / f"{target.name}.new"
            shutil.rmtree(unpacked, ignore_errors=True)
            _unzip(code, unpacked)
            home.mkdir(mode=0o700, exist_ok=True)
            unpacked.rename(target)
        kept = {**described, "code": target.name, "digest": base64.b64encode(digest.digest()).decode()}
        (home / f"{_KEPT}.new").write_text(json.dumps(kept), encoding="utf-8")
        (home / f"{_KEPT}.new").replace(home / _KEPT)
        return self._put(kept)

    def _put(self, kept: dict[str, Any]) -> Function:
        code = self._folder / kept["name"] / kept["code"]
        function = Function(**{**kept, "code": code}, arn=f"{self._prefix}{kept['name']}")
        self._pool.put(function)
        return function


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterValueException", message)


def _checked(operation: str, params: dict[str, Any], code: Any) -> bytes:
    """The zip file's bytes of a request that the published shapes allow."""
    if not isinstance(code, dict) or not isinstance(code.get("ZipFile"), str):
        raise _invalid("the laptop cloud takes a function's code as a ZipFile alone")
    try:
        decoded = base64.b64decode(code["ZipFile"], validate=True)
    except ValueError:
        raise _invalid("ZipFile is not base64") from None
    whole = {**params, **({"Code": {"ZipFile": decoded}} if "Code" in params else {"ZipFile": decoded})}
    if faults := request_faults("lambda", operation, whole):
        raise AwsError("ValidationException", "; ".join(faults)[:2000])
    return decoded


def _unzip(code: bytes, target: Path) -> None:
    """Unpack into a new folder; zipfile keeps every member inside of it."""
    try:
        with zipfile.ZipFile(io.BytesIO(code)) as archive:
            if sum(member.file_size for member in archive.infolist()) > MAX_UNZIPPED:
                raise _invalid(f"Unzipped size must be smaller than {MAX_UNZIPPED} bytes")
            target.mkdir(mode=0o700, parents=True)
            archive.extractall(target)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError) as fault:
        shutil.rmtree(target, ignore_errors=True)
        raise _invalid(f"Could not unzip uploaded file. {fault}") from None
