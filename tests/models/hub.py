"""A hub of models on this machine: the HTTP that `huggingface_hub` speaks, over folders in memory."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

LARGE = 10_000
"""Files from this size on are uploaded apart, as Git LFS does."""
TOKEN = "hf_token_of_a_test"


@dataclass
class Repository:
    """Commits and the branches that point at them."""

    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.commit("main", {}, "initial commit")

    def commit(self, branch: str, files: dict[str, bytes], message: str) -> str:
        """A new commit on a branch; its id."""
        content = {**self.files(branch), **files}
        oid = hashlib.sha1(f"{len(self.commits)} {sorted(content)}".encode()).hexdigest()
        self.commits[oid], self.branches[branch] = content, oid
        self.messages.append(message)
        return oid

    def resolve(self, revision: str) -> str | None:
        """The commit of a branch or a commit's id."""
        found = self.branches.get(revision, revision)
        return found if found in self.commits else None

    def files(self, revision: str) -> dict[str, bytes]:
        return self.commits.get(self.resolve(revision) or "", {})


@dataclass
class Hub:
    """The repositories, what was uploaded beside them, and faults on order."""

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)
    spoilt: dict[str, int] = field(default_factory=dict)
    """By file: how many answers have a wrong byte."""
    broken: dict[str, list[int]] = field(default_factory=dict)
    """By file: after how many bytes the next answers end without a word."""
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    """Method, path and range of every request."""


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._handle("HEAD")

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def do_PUT(self) -> None:
        self._handle("PUT")

    def _handle(self, method: str) -> None:
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.hub.asked.append((method, path, self.headers.get("Range")))
        if method == "POST" and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._refuse(401, "Invalid username or password.")
            return
        for pattern, action in _ROUTES:
            if match := re.fullmatch(pattern, f"{method} {path}"):
                action(self, body, *match.groups())
                return
        self._refuse(404, "Not found")

    # Answers

    def _answer(self, data: Any, status: int = 200) -> None:
        self._send(status, json.dumps(data).encode(), {"Content-Type": "application/json"})

    def _refuse(self, status: int, message: str, code: str | None = None) -> None:
        headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        self._send(status, json.dumps({"error": message}).encode(), headers)

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _repository(self, name: str) -> Repository | None:
        found = self.hub.repositories.get(name)
        if found is None:
            self._refuse(404, "Repository not found", "RepoNotFound")
        return found

    # Routes

    def create(self, body: bytes) -> None:
        asked = json.loads(body)
        owner = asked.get("organization")
        name = f"{owner}/{asked['name']}" if owner else asked["name"]
        if name in self.hub.repositories:
            self._answer({"error": "You already created it", "url": f"{self.hub.url}/{name}"}, 409)
            return
        private = asked.get("private") or asked.get("visibility") == "private"
        self.hub.repositories[name] = Repository(bool(private))
        self._answer({"url": f"{self.hub.url}/{name}", "id": name})

    def branch(self, body: bytes, name: str, branch: str) -> None:
        if (repository := self._repository(name)) is None:
            return
        new = branch not in repository.branches
        repository.branches.setdefault(branch, repository.branches["main"])
        self._answer({}, 201 if new else 409)

    def validate(self, body: bytes) -> None:
        self._answer({"errors": [], "warnings": []})

    def preupload(self, body: bytes, name: str, revision: str) -> None:
        if self._repository(name) is None:
            return
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["size"] >= LARGE else "regular",
                "shouldIgnore": False,
            }
            for file in json.loads(body)["files"]
        ]
        self._answer({"files": files})

    def batch(self, body: bytes, name: str) -> None:
        objects = [
            {**item, "actions": {"upload": {"href": f"{self.hub.url}/uploads/{item['oid']}", "header": {}}}}
            for item in json.loads(body)["objects"]
        ]
        self._answer({"transfer": "basic", "objects": objects})

    def upload(self, body: bytes, oid: str) -> None:
        assert hashlib.sha256(body).hexdigest() == oid
        self.hub.uploads[oid] = body
        self._answer({})

    def commit(self, body: bytes, name: str, branch: str) -> None:
        if (repository := self._repository(name)) is None:
            return
        files, message = {}, ""
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header":
                message = value["summary"]
            elif entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.hub.uploads[value["oid"]]
        oid = repository.commit(branch, files, message)
        self._answer({"commitUrl": f"{self.hub.url}/{name}/commit/{oid}", "commitOid": oid, "success": True})

    def info(self, body: bytes, name: str, revision: str = "main") -> None:
        if (repository := self._repository(name)) is None:
            return
        if (sha := repository.resolve(revision)) is None:
            self._refuse(404, f"Invalid rev id: {revision}", "RevisionNotFound")
            return
        siblings = [{"rfilename": path} for path in repository.commits[sha]]
        self._answer({"id": name, "sha": sha, "private": False, "tags": [], "siblings": siblings})

    def tree(self, body: bytes, name: str, revision: str) -> None:
        if (repository := self._repository(name)) is None:
            return
        listed = [
            {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
            | ({"lfs": {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}}
               if len(data) >= LARGE else {})
            for path, data in repository.files(revision).items()
        ]  # fmt: skip
        self._answer(listed)

    def resolve(self, body: bytes, name: str, revision: str, file: str) -> None:
        if (repository := self._repository(name)) is None:
            return
        content = repository.files(revision).get(file)
        if content is None:
            self._refuse(404, "Entry not found", "EntryNotFound")
            return
        etag = hashlib.sha256(content).hexdigest()
        headers = {"X-Repo-Commit": repository.resolve(revision) or "", "ETag": f'"{etag}"'}
        if self.command == "HEAD":
            self._send(200, content, headers)
            return
        if self.hub.spoilt.get(file):
            self.hub.spoilt[file] -= 1
            content = content[:-1] + bytes([content[-1] ^ 1])
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        if cut := self.hub.broken.get(file):
            self.send_response(206 if start else 200)
            for key, value in {**headers, "Content-Length": str(len(content) - start)}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(content[start : start + cut.pop(0)])
            self.close_connection = True
            return
        self._send(206 if start else 200, content[start:], headers)

    def log_message(self, *_: Any) -> None:
        pass


_NAME = r"([\w.-]+/[\w.-]+)"
_ROUTES = [
    (r"POST /api/repos/create", _Handler.create),
    (r"POST /api/validate-yaml", _Handler.validate),
    (rf"POST /api/models/{_NAME}/branch/(.+)", _Handler.branch),
    (rf"POST /api/models/{_NAME}/preupload/(.+)", _Handler.preupload),
    (rf"POST /{_NAME}\.git/info/lfs/objects/batch", _Handler.batch),
    (r"PUT /uploads/(\w+)", _Handler.upload),
    (rf"POST /api/models/{_NAME}/commit/(.+)", _Handler.commit),
    (rf"GET /api/models/{_NAME}", _Handler.info),
    (rf"GET /api/models/{_NAME}/revision/(.+)", _Handler.info),
    (rf"GET /api/models/{_NAME}/tree/([^/]+)/?", _Handler.tree),
    (rf"(?:HEAD|GET) /{_NAME}/resolve/([^/]+)/(.+)", _Handler.resolve),
]


@contextmanager
def running() -> Iterator[Hub]:
    """A hub that answers."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
