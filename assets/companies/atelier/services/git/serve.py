#!/usr/bin/env python3
"""Serves the company's repositories over HTTP, for cloning and pushing, with git's own CGI program.

Each folder in `source` becomes a bare repository with one commit at the first start.
"""

import gzip
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from urllib.parse import unquote, urlsplit

HERE = Path(__file__).resolve().parent
LARGEST_PUSH = 64 << 20
# The same commit, with the same name, on every machine.
FIRST = {f"GIT_{who}_{what}": value for who in ["AUTHOR", "COMMITTER"] for what, value in
         [("NAME", "Ines Bakke"), ("EMAIL", "ines@atelier.local"), ("DATE", "2026-09-01T09:00:00Z")]}


def git(*words, cwd=None, env=None):
    subprocess.run(["git", "-c", "safe.directory=*", *words], cwd=cwd, check=True, stdout=subprocess.DEVNULL,
                   env={**os.environ, "GIT_CONFIG_NOSYSTEM": "1", **(env or {})})


def make_repositories(data):
    for source in sorted((HERE / "source").iterdir()):
        bare = data / f"{source.name}.git"
        if bare.exists():
            continue
        with tempfile.TemporaryDirectory(dir=data) as scratch:
            work, new = Path(scratch) / "work", Path(scratch) / "new.git"
            shutil.copytree(source, work)
            (work / ".gitignore").write_text("__pycache__/\n.pytest_cache/\n")
            git("init", "-q", "-b", "main", str(work))
            git("add", "-A", cwd=work)
            git("commit", "-q", "-m", "Ticket prices", cwd=work, env=FIRST)
            git("clone", "-q", "--bare", str(work), str(new))
            git("config", "http.receivepack", "true", cwd=new)
            git("config", "receive.denyNonFastForwards", "true", cwd=new)
            git("config", "--unset", "remote.origin.url", cwd=new)
            new.rename(bare)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    data = Path()

    def address_string(self):
        # A peer on a Unix socket has no address.
        return "worker"

    def do_GET(self):
        self.answer(b"")

    def do_POST(self):
        body = self.body()
        if body is not None:
            self.answer(body)

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts, total = [], 0
            while size := int(self.rfile.readline().split(b";")[0], 16):
                total += size
                if total > LARGEST_PUSH:
                    self.refuse(413)
                    return None
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(parts)
        else:
            length = int(self.headers.get("Content-Length") or 0)
            if not 0 <= length <= LARGEST_PUSH:
                self.refuse(413)
                return None
            body = self.rfile.read(length)
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def refuse(self, status):
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def answer(self, body):
        url = urlsplit(self.path)
        if url.path == "/":
            names = "".join(f"{path.name}\n" for path in sorted(self.data.glob("*.git"))).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(names)))
            self.end_headers()
            self.wfile.write(names)
            return
        env = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(self.data), "GIT_PROJECT_ROOT": str(self.data),
            "GIT_HTTP_EXPORT_ALL": "1", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*", "GATEWAY_INTERFACE": "CGI/1.1",
            "SERVER_PROTOCOL": "HTTP/1.1", "REQUEST_METHOD": self.command, "PATH_INFO": unquote(url.path),
            "QUERY_STRING": url.query, "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
            "REMOTE_ADDR": "127.0.0.1", "REMOTE_USER": "worker",
        }
        if version := self.headers.get("Git-Protocol"):
            env["GIT_PROTOCOL"] = version
        ran = subprocess.run(["git", "http-backend"], input=body, stdout=subprocess.PIPE, env=env, timeout=60)
        head, _, content = ran.stdout.partition(b"\r\n\r\n")
        fields = [line.split(": ", 1) for line in head.decode("latin-1").split("\r\n") if ": " in line]
        status = next((int(value.split()[0]) for name, value in fields if name.lower() == "status"), 200 if fields else 500)
        self.send_response(status)
        for name, value in fields:
            if name.lower() not in ("status", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingUnixStreamServer):
    """On a socket of the service's own: a port could be taken, and another host of code would answer in its place."""

    daemon_threads = True
    request_queue_size = 64


def ready(path):
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(5)
        try:
            line.connect(str(path))
            line.sendall(b"GET / HTTP/1.1\r\nHost: git.atelier.local\r\nConnection: close\r\n\r\n")
            return b"200 OK" in line.makefile("rb").read()
        except OSError:
            return False


def main():
    data = Path(os.environ["MEZZANINE_SERVICE_DATA"])
    path = data / "http.sock"
    if sys.argv[1:] == ["--ready"]:
        sys.exit(0 if ready(path) else 1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    Handler.data = data
    make_repositories(data)
    path.unlink(missing_ok=True)
    with Server(str(path), Handler) as server:
        print(f"Serving {data} on {path}.", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
