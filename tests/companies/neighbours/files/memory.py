# Takes memory and touches all of it.
import time

taken = []
while sum(len(part) for part in taken) < 4 << 30:
    taken.append(bytearray(b"x" * (8 << 20)))
    time.sleep(0.005)
time.sleep(600)
