"""A DANDI archive on this machine: the API that its client asks, files in ranges, and faults on demand."""

import contextlib
import gzip
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

DATE = "2021-09-13T16:39:00Z"


class Archive(ThreadingHTTPServer):
    """Serves the files of a folder as dandiset 000020, version 0.1. ``faults``: file name → kind of fault."""

    daemon_threads = True

    def __init__(self, folder: Path, page_size: int = 2):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {p.name: p for p in sorted(folder.glob("*.nwb"))}
        self.faults: dict[str, str] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.bytes_sent = 0
        self.page_size = page_size

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def api(self) -> str:
        return f"{self.url}/api"


@contextlib.contextmanager
def serving(folder: Path):
    """An archive that answers as long as the context lasts."""
    server = Archive(folder)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body: bool):
        parts = urlsplit(self.path)
        self.server.requests.append((parts.path, self.headers.get("Range")))
        steps = parts.path.strip("/").split("/")
        if steps[0] == "blobs":
            return self.send_blob(steps[1], body)
        if steps[:2] == ["api", "info"] or steps == ["server-info"]:
            return self.send_json({
                "version": "1", "schema_version": "0.6.10", "cli-minimal-version": "0.60.0", "cli-bad-versions": [],
                "services": {"api": {"url": self.server.api}},
            })
        if steps[:3] == ["api", "dandisets", "000020"]:
            if len(steps) == 3:
                return self.send_json({
                    "identifier": "000020", "created": DATE, "modified": DATE, "contact_person": "A",
                    "embargo_status": "OPEN", "most_recent_published_version": self.version(),
                    "draft_version": self.version() | {"version": "draft"},
                })
            if steps[3:] == ["versions", "0.1", "info"]:
                return self.send_json(self.version() | {
                    "dandiset": {}, "metadata": {}, "asset_validation_errors": [], "version_validation_errors": [],
                })
            if steps[3:] == ["versions", "0.1", "assets"]:
                return self.send_assets(int(parse_qs(parts.query).get("page", ["1"])[0]))
            if steps[3:6] == ["versions", "0.1", "assets"]:
                return self.send_metadata(steps[6])
        self.send_error(404)

    def version(self) -> dict:
        files = self.server.files.values()
        return {"version": "0.1", "name": "mouse", "asset_count": len(files), "created": DATE, "modified": DATE,
                "size": sum(p.stat().st_size for p in files), "status": "Published"}

    def send_assets(self, page: int):
        names, size = list(self.server.files), self.server.page_size
        shown = names[(page - 1) * size:page * size]
        more = f"{self.server.url}{urlsplit(self.path).path}?page={page + 1}&order=path"
        self.send_json({
            "count": len(names), "next": more if page * size < len(names) else None, "previous": None,
            "results": [
                {"asset_id": name, "path": f"sub/{name}", "size": self.server.files[name].stat().st_size,
                 "created": DATE, "modified": DATE, "blob": name, "zarr": None} for name in shown
            ],
        })

    def send_metadata(self, name: str):
        if self.server.faults.get(name) == "no metadata":
            return self.send_error(404)
        if self.server.faults.get(name) == "odd metadata":
            return self.send_json(["nothing", "of", "use"])
        content = self.server.files[name].read_bytes()
        digest = hashlib.sha256(content + (b"!" if self.server.faults.get(name) == "checksum" else b"")).hexdigest()
        self.send_json({
            "contentSize": len(content), "digest": {"dandi:sha2-256": digest},
            "contentUrl": [f"{self.server.api}/assets/{name}/download/", f"{self.server.url}/blobs/{name}"],
        })

    def send_blob(self, name: str, body: bool):
        fault = self.server.faults.get(name, "")
        if fault == "404" or name not in self.server.files:
            return self.send_error(404)
        if fault.startswith("busy") and sum(p == f"/blobs/{name}" for p, _ in self.server.requests) <= int(fault[4:]):
            return self.send_error(503)
        content = self.server.files[name].read_bytes()
        first, last = 0, len(content) - 1
        asked = self.headers.get("Range")
        if fault in ("gzip", "endless", "trickle"):
            return self.send_odd(fault)
        if asked and fault != "no ranges":
            a, _, b = asked.removeprefix("bytes=").partition("-")
            first, last = int(a), min(int(b), last) if b else last
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", '"2"' if fault == "changed" else '"1"')
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        if not body:
            return None
        part = content[first:last + 1]
        if fault == "slow":
            time.sleep(3)
        if fault == "cut" and last > len(content) // 4:
            part = part[:len(part) // 2]
            self.close_connection = True
        with contextlib.suppress(ConnectionError):
            self.wfile.write(part)
            self.server.bytes_sent += len(part)

    def send_odd(self, fault: str):
        """A body that expands, one that never ends, or one that comes a byte at a time."""
        self.send_response(200)
        if fault == "gzip":
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.close_connection = True
        body = gzip.compress(bytes(1 << 20)) if fault == "gzip" else bytes(1 if fault == "trickle" else 1 << 16)
        with contextlib.suppress(ConnectionError):
            for _ in range(1 if fault == "gzip" else 1000):
                self.wfile.write(body)
                self.wfile.flush()
                time.sleep(0.02 if fault == "trickle" else 0)

    def send_json(self, value):
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
