# An editor that stands still as soon as it has a window: it answers nobody any more.
import os
import signal
import subprocess
import time

editor = subprocess.Popen(["geany", "-i", "silent.txt"])
deadline = time.monotonic() + 30
while time.monotonic() < deadline:
    windows = subprocess.run(["xprop", "-root", "_NET_CLIENT_LIST"], capture_output=True, text=True)
    if "0x" in windows.stdout:
        break
    time.sleep(0.1)
os.kill(editor.pid, signal.SIGSTOP)
time.sleep(600)
