//! A desktop that takes too much takes it from nobody else.

use std::time::Duration;

use crate::api::Limits;
use crate::testkit::{Failed, Floor, ensure, until};

/// An X client that fills the root window with one colour after the other, as fast as the server takes it.
const FLOOD: &str = r"
import os, socket, struct
s = socket.socket(socket.AF_UNIX)
s.connect('/tmp/.X11-unix/X' + os.environ['DISPLAY'].lstrip(':'))
cookie = open(os.environ['XAUTHORITY'], 'rb').read()[-16:]
s.sendall(struct.pack('<BxHHHHxx', 0x6c, 11, 0, 18, 16) + b'MIT-MAGIC-COOKIE-1\0\0' + cookie)
def read(n):
    data = b''
    while len(data) < n:
        data += s.recv(n - len(data))
    return data
head = read(8)
assert head[0] == 1, head
setup = read(4 * struct.unpack('<H', head[6:8])[0])
base, vendor, formats = struct.unpack('<I', setup[4:8])[0], struct.unpack('<H', setup[16:18])[0], setup[21]
root = struct.unpack('<I', setup[32 + (vendor + 3) // 4 * 4 + 8 * formats:][:4])[0]
s.sendall(struct.pack('<BxHIII', 55, 4, base, root, 0))
colour = 0
while True:
    colour = (colour + 0x123457) & 0xffffff
    s.sendall(struct.pack('<BxHIII', 56, 4, base, 4, colour) + struct.pack('<BxHIIhhHH', 70, 5, root, base, 0, 0, 1024, 768))
";

pub(super) fn memory(floor: &Floor<'_>) -> Result<(), Failed> {
    let hog = floor.start(Limits { memory_mib: 300, ..Limits::default() })?;
    let neighbour = floor.start(Limits::default())?;
    // At most 1 GiB, in small steps: enough to be over the limit, not enough to hurt a machine that has none.
    hog.script("import time\nkept = []\nfor _ in range(128):\n kept.append(bytearray(b'x' * (8 << 20)))\n time.sleep(0.01)\ntime.sleep(60)")?;
    // Where the kernel keeps the limit the hog dies, otherwise its desktop.
    until("the end of the hog", || {
        let ended = hog.desktop.alive().is_err() || hog.desktop.log().iter().any(|line| line.contains("python3: ended"));
        ended.then_some(())
    })?;
    neighbour.desktop.alive()?;
    neighbour.probe("result['fine'] = True").map(|_| ())
}

pub(super) fn processes(floor: &Floor<'_>) -> Result<(), Failed> {
    const MOST: u32 = 200;
    let bomb = floor.start(Limits { processes: MOST, ..Limits::default() })?;
    let neighbour = floor.start(Limits::default())?;
    bomb.script(
        "import os, time\nfor _ in range(400):\n try:\n  if os.fork() == 0:\n   time.sleep(60)\n   os._exit(0)\n except OSError:\n  \
         open('/home/worker/refused', 'w').close()\n  break\ntime.sleep(60)",
    )?;
    until("the end of the bomb", || (bomb.desktop.alive().is_err() || bomb.desktop.get_file("refused").is_ok()).then_some(()))?;
    // Where they are only counted, they are more for a moment.
    until("that there are no more than allowed", || (bomb.desktop.processes().len() <= MOST as usize).then_some(()))?;
    neighbour.desktop.alive()?;
    neighbour.probe("result['fine'] = True").map(|_| ())
}

pub(super) fn drawing(floor: &Floor<'_>) -> Result<(), Failed> {
    let flood = floor.start(Limits::default())?;
    flood.script(FLOOD)?;
    let feed = flood.desktop.frames();
    let first = until("the first frames of the flood", || (feed.latest().seq > 30).then(|| feed.latest()))
        .map_err(|error| format!("{error}; the desktop said {:?}", flood.desktop.log()))?;
    let mut last = first.clone();
    while last.captured < first.captured + 1_000_000 {
        last = feed.wait_newer(last.seq, Duration::from_secs(5)).ok_or("the flood has ended")?;
    }
    let (frames, micros) = (last.seq - first.seq, last.captured - first.captured);
    ensure(frames * 1_000_000 / micros <= 70, || format!("{frames} frames in {micros} us"))?;
    flood.hand.screenshot()?;
    flood.desktop.alive()?;
    Ok(())
}
