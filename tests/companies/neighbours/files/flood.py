# A window over all of the screen that is painted anew, in another colour, as fast as the X server takes it.
import os
import socket
import struct


def cookie():
    with open(os.environ["XAUTHORITY"], "rb") as file:
        data = file.read()
    at, fields = 2, []
    for _ in range(4):
        (length,) = struct.unpack_from(">H", data, at)
        fields.append(data[at + 2 : at + 2 + length])
        at += 2 + length
    return fields[2], fields[3]


def padded(data):
    return data + b"\0" * (-len(data) % 4)


def read(count):
    data = b""
    while len(data) < count:
        more = server.recv(count - len(data))
        if not more:
            raise SystemExit("the X server is gone")
        data += more
    return data


number = os.environ["DISPLAY"].split(":")[1].split(".")[0]
server = socket.socket(socket.AF_UNIX)
server.connect(f"/tmp/.X11-unix/X{number}")
name, secret = cookie()
server.sendall(struct.pack("<BxHHHHxx", ord("l"), 11, 0, len(name), len(secret)) + padded(name) + padded(secret))
status, _, _, words = struct.unpack("<BxHHH", read(8))
if status != 1:
    raise SystemExit("the X server refuses")
setup = read(words * 4)
base, mask, _, vendor = struct.unpack_from("<IIIH", setup, 4)
formats = setup[21]
root_at = 32 + vendor + (-vendor % 4) + 8 * formats
(root,) = struct.unpack_from("<I", setup, root_at)
width, height = struct.unpack_from("<HH", setup, root_at + 20)
window, context = base | 1, base | 2
# CreateWindow with override-redirect, MapWindow, CreateGC.
server.sendall(struct.pack("<BBHIIhhHHHHIII", 1, 0, 9, window, root, 0, 0, width, height, 0, 1, 0, 0x200, 1))
server.sendall(struct.pack("<BxHI", 8, 2, window))
server.sendall(struct.pack("<BxHIII", 55, 4, context, window, 0))
colour = 1
while True:
    batch = b""
    for _ in range(50):
        colour = colour * 1103515245 + 12345 & 0xFFFFFF
        # ChangeGC foreground, PolyFillRectangle.
        batch += struct.pack("<BxHIII", 56, 4, context, 4, colour)
        batch += struct.pack("<BxHIIhhHH", 70, 5, window, context, 0, 0, width, height)
    server.sendall(batch)
