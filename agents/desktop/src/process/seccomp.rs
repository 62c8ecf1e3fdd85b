//! What no program of a desktop may ask of the kernel. A deny-list: browsers make namespaces of their own for
//! their own sandbox, so those stay allowed; what is here has no use in an office and has been a way out before.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
    sock_filter,
};

use crate::error::DesktopError;

/// Refused whatever the arguments are.
const DENIED: &[i64] = &[
    // Another program's memory and state.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    // Large and young parts of the kernel.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_perf_event_open,
    libc::SYS_fanotify_init,
    libc::SYS_lookup_dcookie,
    libc::SYS_quotactl,
    // Keyrings are not in a namespace.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // File systems.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    // The machine.
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_nfsservctl,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
];

#[cfg(target_arch = "x86_64")]
const DENIED_HERE: &[i64] = &[libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_modify_ldt, libc::SYS_uselib, libc::SYS_ustat];
#[cfg(not(target_arch = "x86_64"))]
const DENIED_HERE: &[i64] = &[];

/// Sockets of these families may be made, and of no other: `AF_VSOCK` for one leads past the network namespace.
const FAMILIES: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
/// Puts letters into a terminal's input, or the console's.
const TERMINAL: [u64; 2] = [libc::TIOCSTI, libc::TIOCLINUX];

/// The filter as bubblewrap reads it: kernel instructions, 8 bytes each.
pub(crate) fn program() -> Result<Vec<u8>, DesktopError> {
    let filter = compile().map_err(|error| DesktopError::Refused(format!("the system call filter cannot be made: {error}")))?;
    Ok(foreign_calls_denied().into_iter().chain(filter).flat_map(bytes).collect())
}

fn compile() -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = DENIED.iter().chain(DENIED_HERE).map(|call| (*call, Vec::new())).collect();
    let mut unknown_family = Vec::new();
    for family in FAMILIES {
        unknown_family.push(SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, family as u64)?);
    }
    rules.insert(libc::SYS_socket, vec![SeccompRule::new(unknown_family)?]);
    let mut terminal = Vec::new();
    for request in TERMINAL {
        terminal.push(SeccompRule::new(vec![SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, request)?])?);
    }
    rules.insert(libc::SYS_ioctl, terminal);
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(libc::EPERM as u32), arch)?.try_into()
}

/// On x86-64 the same calls have a second set of numbers (x32), which the list above does not name: none of them.
fn foreign_calls_denied() -> Vec<sock_filter> {
    if !cfg!(target_arch = "x86_64") {
        return Vec::new();
    }
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    vec![
        step(0x20, 0, 0, 0),           // load the call's number
        step(0x35, 0, 1, 0x4000_0000), // at or above the x32 bit?
        step(0x06, 0, 0, 0x0005_0000 | libc::ENOSYS as u32),
    ]
}

fn bytes(step: sock_filter) -> [u8; 8] {
    let ([a, b], [e, f, g, h]) = (step.code.to_ne_bytes(), step.k.to_ne_bytes());
    [a, b, step.jt, step.jf, e, f, g, h]
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_filter_fits_the_kernel() -> Result<(), Box<dyn std::error::Error>> {
        let program = super::program()?;
        assert_eq!(program.len() % 8, 0);
        assert!((100..4096).contains(&(program.len() / 8)), "{} instructions", program.len() / 8);
        Ok(())
    }
}
