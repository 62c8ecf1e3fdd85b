# Fills the home, up to well over the limit.
import os
import time

with open("full", "wb") as file:
    for _ in range(120):
        try:
            file.write(os.urandom(1 << 20))
            file.flush()
        except OSError:
            break
time.sleep(600)
