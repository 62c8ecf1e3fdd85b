//! A desktop cannot be left.

use std::net::TcpListener;

use crate::api::Limits;
use crate::testkit::{Failed, Floor, ensure};

pub(super) fn no_network(floor: &Floor<'_>) -> Result<(), Failed> {
    let started = floor.start(Limits::default())?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let result = started.probe(&format!(
        "import socket\ndef reach(family, address):\n s = socket.socket(family, socket.SOCK_STREAM)\n s.settimeout(3)\n try:\n  \
         s.connect(address)\n  return True\n except OSError as e:\n  return False\n\
         result['host loopback'] = reach(socket.AF_INET, ('127.0.0.1', {port}))\n\
         result['outside'] = reach(socket.AF_INET, ('192.0.2.1', 80))\n\
         result['outside, version 6'] = reach(socket.AF_INET6, ('2001:db8::1', 80))\n\
         result['interfaces'] = [name for _, name in socket.if_nameindex() if name != 'lo']",
    ))?;
    let wanted = serde_json::json!({
        "host loopback": false, "outside": false, "outside, version 6": false, "interfaces": [],
    });
    // Tunnels that the kernel puts into every new namespace are down and lead nowhere.
    let mut found = result.clone();
    if let Some(names) = found["interfaces"].as_array_mut() {
        names.retain(|name| {
            !["sit0", "tunl0", "ip6tnl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "ip6gre0"]
                .contains(&name.as_str().unwrap_or(""))
        });
    }
    ensure(found == wanted, || format!("found {result}"))
}

pub(super) fn nothing_of_others(floor: &Floor<'_>) -> Result<(), Failed> {
    let (one, other) = (floor.start(Limits::default())?, floor.start(Limits::default())?);
    other.desktop.put_file("private.txt", b"private")?;
    let own_name = std::env::current_exe()?.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let result = one.probe(&format!(
        "import glob, socket\n\
         paths = [{home:?}, {run:?}, {home:?} + '/private.txt', '/root', '/work', '/boot', '/var/run/docker.sock', '/etc/shadow', '/home/worker/../root']\n\
         result['paths'] = [path for path in paths if os.path.exists(path)]\n\
         result['homes'] = os.listdir('/home')\n\
         result['screens'] = os.listdir('/tmp/.X11-unix')\n\
         names = [open(p, 'rb').read().split(b'\\0')[0] for p in glob.glob('/proc/[0-9]*/cmdline')]\n\
         result['processes'] = [n.decode() for n in names if {own_name:?}.encode() in n]\n\
         def connects(path):\n s = socket.socket(socket.AF_UNIX)\n try:\n  s.connect(path)\n  return True\n except OSError:\n  return False\n\
         result['abstract'] = [n for n in range(100) if connects(b'\\0/tmp/.X11-unix/X%d' % n)]\n\
         def writes(path):\n try:\n  open(path, 'a').close()\n  return True\n except OSError:\n  return False\n\
         result['writable'] = [p for p in ['/usr/bin/x', '/etc/passwd', '/run/mezzanine/desktop', '/tmp/.X11-unix/X9', '/proc/sysrq-trigger', '/proc/sys/kernel/hostname', '/etc/new', '/new', '/dev/new', '/var/new', '/home/new'] if writes(p)]\n\
         status = open('/proc/self/status').read()\n\
         result['capabilities'] = int(status.split('CapEff:')[1].split()[0], 16)\n\
         result['devices'] = [d for d in os.listdir('/dev') if d in ('kvm', 'mem', 'sda', 'vda', 'vsock', 'fuse')]",
        home = other.home.to_string_lossy(),
        run = other.run_dir.to_string_lossy(),
    ))?;
    let wanted = serde_json::json!({
        "paths": [], "homes": ["worker"], "screens": ["X1"], "processes": [], "abstract": [], "writable": [],
        "capabilities": 0, "devices": [],
    });
    ensure(result == wanted, || format!("found {result}"))?;
    ensure(other.desktop.get_file("private.txt")? == b"private", || "another worker's file has changed".into())
}

pub(super) fn system_calls(floor: &Floor<'_>) -> Result<(), Failed> {
    let started = floor.start(Limits::default())?;
    let calls = [
        ("ptrace", libc::SYS_ptrace),
        ("process_vm_readv", libc::SYS_process_vm_readv),
        ("keyctl", libc::SYS_keyctl),
        ("add_key", libc::SYS_add_key),
        ("request_key", libc::SYS_request_key),
        ("bpf", libc::SYS_bpf),
        ("io_uring_setup", libc::SYS_io_uring_setup),
        ("perf_event_open", libc::SYS_perf_event_open),
        ("userfaultfd", libc::SYS_userfaultfd),
        ("mount", libc::SYS_mount),
        ("fsopen", libc::SYS_fsopen),
        ("open_by_handle_at", libc::SYS_open_by_handle_at),
        ("kexec_load", libc::SYS_kexec_load),
        ("init_module", libc::SYS_init_module),
        ("swapon", libc::SYS_swapon),
    ];
    let list = calls.map(|(name, number)| format!("{name:?}: {number}")).join(", ");
    let result = started.probe(&format!(
        "import ctypes, errno, fcntl, socket\nlibc = ctypes.CDLL(None, use_errno=True)\n\
         def code(number):\n ctypes.set_errno(0)\n libc.syscall(number, 0, 0, 0, 0, 0, 0)\n return errno.errorcode.get(ctypes.get_errno(), 'allowed')\n\
         result['calls'] = {{name: code(number) for name, number in {{{list}}}.items() if code(number) != 'EPERM'}}\n\
         def family(number):\n try:\n  socket.socket(number, socket.SOCK_STREAM)\n  return 'allowed'\n except OSError as e:\n  return errno.errorcode[e.errno]\n\
         result['vsock'] = family(40)\n\
         master, slave = os.openpty()\n\
         try:\n fcntl.ioctl(slave, 0x5412, b'x')\n result['tiocsti'] = 'allowed'\nexcept OSError as e:\n result['tiocsti'] = errno.errorcode[e.errno]\n\
         result['x32'] = code(0x40000000 + 101) if os.uname().machine == 'x86_64' else 'ENOSYS'",
    ))?;
    let wanted = serde_json::json!({ "calls": {}, "vsock": "EPERM", "tiocsti": "EPERM", "x32": "ENOSYS" });
    ensure(result == wanted, || format!("found {result}"))
}
