"""Tries to reach what a worker must not reach. The same attempts run inside of a desktop, where each must fail, and
outside of it, where each must succeed: what fails there too would prove nothing."""

import ctypes, errno, glob, json, os, signal, socket, struct, subprocess, sys, time, traceback

TARGETS, RESULT = sys.argv[1:3]
until = time.monotonic() + 60
while not os.path.exists(TARGETS) and time.monotonic() < until:
    time.sleep(0.05)
t = json.load(open(TARGETS))
libc = ctypes.CDLL(None, use_errno=True)
attempts = {}


def attempt(function):
    attempts[function.__name__] = function


def call(number, *args):
    ctypes.set_errno(0)
    # As wide as the kernel reads them.
    result = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(a) if isinstance(a, int) else a for a in args))
    if result < 0:
        raise OSError(ctypes.get_errno(), errno.errorcode.get(ctypes.get_errno(), "?"))
    return result


def connects(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(3)
        s.connect(address)
    return True


def child(function):
    """Runs it in a process of its own: whether it got through, or the error."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            function()
            os.write(write, b"reached")
        except BaseException as e:
            os.write(write, repr(e).encode()[:500])
        os._exit(0)
    os.close(write)
    said = b""
    while more := os.read(read, 1000):
        said += more
    os.close(read)
    os.waitpid(pid, 0)
    if said != b"reached":
        raise OSError(said.decode())
    return True


@attempt
def reads_the_ledger():
    return len(open(t["ledger"], "rb").read(16)) == 16


@attempt
def reads_the_signing_key_or_secrets_folder():
    return len(os.listdir(t["ledger_folder"])) > 0


@attempt
def speaks_to_the_engine():
    return connects(socket.AF_UNIX, t["engine"])


@attempt
def reads_a_neighbours_file():
    return open(t["neighbour"]).read() == "private"


@attempt
def reads_a_neighbours_file_through_proc():
    wanted = t["neighbour"].lstrip("/")
    for base in glob.glob("/proc/[0-9]*/root") + glob.glob("/proc/[0-9]*/cwd") + glob.glob("/proc/[0-9]*/fd/*"):
        for up in ("", "../" * 12):
            try:
                if open(base + "/" + up + wanted).read() == "private":
                    return True
            except OSError:
                pass
    raise OSError("no process leads to it")


@attempt
def sees_the_folder_of_the_neighbours_screen():
    return len(os.listdir(t["neighbour_x11"])) > 0


@attempt
def opens_the_neighbours_screen():
    return connects(socket.AF_UNIX, glob.glob(t["neighbour_x11"] + "/X*")[0])


@attempt
def uses_the_neighbours_way_out():
    return connects(socket.AF_UNIX, t["neighbour_proxy"])


@attempt
def sees_processes_of_the_host():
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            if t["mark"].encode() in open(path, "rb").read().replace(os.fsencode(TARGETS), b""):
                return True
        except OSError:
            pass
    raise OSError("none in sight")


@attempt
def sees_an_x_server():
    names = []
    for path in glob.glob("/proc/[0-9]*/comm"):
        try:
            names.append(open(path).read().strip())
        except OSError:
            pass
    if "Xvfb" in names:
        return True
    raise OSError("only " + " ".join(sorted(set(names))))


@attempt
def signals_a_process_of_the_host():
    os.kill(t["victim"], 0)
    return True


@attempt
def traces_a_process():
    pid = subprocess.Popen(["/usr/bin/sleep", "30"]).pid
    try:
        if libc.ptrace(16, pid, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "ptrace")
        return True
    finally:
        os.kill(pid, signal.SIGKILL)


@attempt
def reads_the_memory_of_another_process():
    text = ctypes.create_string_buffer(b"letters")
    pid = os.fork()
    if pid == 0:
        time.sleep(30)
        os._exit(0)
    try:
        into = ctypes.create_string_buffer(8)
        local, remote = struct.pack("PN", ctypes.addressof(into), 7), struct.pack("PN", ctypes.addressof(text), 7)
        call(t["calls"]["process_vm_readv"], pid, local, 1, remote, 1, 0)
        return into.raw[:7] == b"letters"
    finally:
        os.kill(pid, signal.SIGKILL)


@attempt
def connects_to_the_hosts_loopback():
    return connects(socket.AF_INET, ("127.0.0.1", t["port"]))


@attempt
def connects_to_an_abstract_socket_of_the_host():
    return connects(socket.AF_UNIX, b"\0" + t["abstract"].encode())


@attempt
def connects_to_a_socket_in_the_hosts_tmp():
    return connects(socket.AF_UNIX, t["socket"])


@attempt
def reads_shared_memory_of_the_host():
    return open(t["shared"]).read() == "shared"


@attempt
def connects_to_the_hosts_message_bus():
    return connects(socket.AF_UNIX, "/run/dbus/system_bus_socket")


@attempt
def makes_a_vsock():
    socket.socket(40, socket.SOCK_STREAM).close()
    return True


@attempt
def makes_a_packet_socket():
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
    return True


@attempt
def uses_io_uring():
    os.close(call(t["calls"]["io_uring_setup"], 4, ctypes.create_string_buffer(120)))
    return True


@attempt
def makes_a_bpf_map():
    os.close(call(t["calls"]["bpf"], 0, struct.pack("IIIII", 2, 4, 4, 1, 0) + bytes(100), 120))
    return True


@attempt
def opens_a_keyring():
    return call(t["calls"]["keyctl"], 0, -3, 1) != 0


@attempt
def handles_page_faults():
    os.close(call(t["calls"]["userfaultfd"], os.O_CLOEXEC))
    return True


@attempt
def watches_the_whole_machine():
    os.close(call(t["calls"]["perf_event_open"], struct.pack("IIQQQQ", 1, 112, 0, 0, 0, 0) + bytes(80), -1, 0, -1, 0))
    return True


@attempt
def types_into_a_terminal():
    import fcntl

    def inject():
        os.setsid()
        master, slave = os.openpty()
        fcntl.ioctl(slave, 0x540E, 0)
        fcntl.ioctl(slave, 0x5412, b"x")

    return child(inject)


@attempt
def mounts_in_a_namespace_of_its_own():
    def mount():
        uid, gid = os.getuid(), os.getgid()
        if libc.unshare(0x10000000 | 0x20000) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        open("/proc/self/setgroups", "w").write("deny")
        open("/proc/self/uid_map", "w").write(f"0 {uid} 1")
        open("/proc/self/gid_map", "w").write(f"0 {gid} 1")
        call(t["calls"]["mount"], b"none", b"/tmp", b"tmpfs", 0, None)

    return child(mount)


@attempt
def makes_a_device():
    path = os.path.join(os.path.dirname(os.path.abspath(RESULT)), "device")
    os.mknod(path, 0o600 | 0o020000, os.makedev(1, 3))
    os.remove(path)
    return True


@attempt
def opens_a_device_of_the_host():
    found = [d for d in ("kmsg", "mem", "kvm", "vda", "sda", "fuse", "net/tun", "loop0", "console") if os.path.exists("/dev/" + d)]
    for name in found:
        try:
            os.close(os.open("/dev/" + name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY))
            return True
        except OSError:
            pass
    raise OSError("none of " + " ".join(found))


@attempt
def opens_the_kernels_switches():
    for path in ("/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/proc/kcore"):
        try:
            os.close(os.open(path, os.O_RDONLY if path.endswith("kcore") else os.O_WRONLY))
            return True
        except OSError:
            pass
    raise OSError("all closed")


@attempt
def may_gain_rights_from_a_program():
    status = open("/proc/self/status").read()
    if status.split("NoNewPrivs:")[1].split()[0] == "1":
        raise OSError("no new rights")
    return True


@attempt
def sees_the_hosts_settings_of_people():
    return "root" in open("/etc/shadow").read()


@attempt
def may_write_the_system():
    for path in ("/", "/dev", "/usr/bin", "/usr/lib", "/etc", "/etc/passwd", "/run/mezzanine/desktop", "/run/mezzanine/openbox.xml"):
        if os.access(path, os.W_OK):
            return True
    raise OSError("read-only")


def outcome(function):
    try:
        return "reached" if function() else "refused: nothing came of it"
    except Exception as e:
        return "refused: " + "".join(traceback.format_exception_only(type(e), e)).strip()


results = {name: outcome(function) for name, function in attempts.items()}
with open(RESULT + ".part", "w") as out:
    json.dump(results, out)
os.rename(RESULT + ".part", RESULT)
