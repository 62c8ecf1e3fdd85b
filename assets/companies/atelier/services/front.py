#!/usr/bin/env python3
"""Puts a program that can only listen on a TCP port behind a Unix socket of the service's own.

    front.py http.sock program ... {port} ...

A port that the company names could be taken: by another program, or by the same company in a second engine,
whose website would then answer in this one's place. So the port is any free one, and nobody is told of it.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

TRIES = 5
WITHIN = 30  # seconds for the program to listen


def start(argv):
    """The program, and the port that it listens on."""
    for _ in range(TRIES):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        child = subprocess.Popen([word.replace("{port}", str(port)) for word in argv])
        try:
            if listens(child, port):
                return child, port
        except BaseException:
            child.terminate()
            raise
        child.kill()
        child.wait()
    sys.exit(f"{argv[0]} did not listen on any of {TRIES} free ports")


def listens(child, port):
    until = time.monotonic() + WITHIN
    while child.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
            continue
        # Had someone else taken the port in between, the program would end about now.
        try:
            child.wait(0.3)
        except subprocess.TimeoutExpired:
            return True
    return False


def copy(source, sink):
    try:
        while part := source.recv(65536):
            sink.sendall(part)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for side in (source, sink):
            try:
                side.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def carry(near, port):
    with near:
        try:
            far = socket.create_connection(("127.0.0.1", port), timeout=10)
        except OSError:
            return
        with far:
            far.settimeout(None)
            back = threading.Thread(target=copy, args=(far, near), daemon=True)
            back.start()
            copy(near, far)
            back.join()


def accept(listener, port):
    while True:
        near, _ = listener.accept()
        threading.Thread(target=carry, args=(near, port), daemon=True).start()


def main():
    path, argv = sys.argv[1], sys.argv[2:]
    if os.path.exists(path):
        os.unlink(path)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    child, port = start(argv)
    try:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(64)
        threading.Thread(target=accept, args=(listener, port), daemon=True).start()
        sys.exit(child.wait() or 1)
    finally:
        child.terminate()
        child.wait()


if __name__ == "__main__":
    main()
