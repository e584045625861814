import type { Capability } from '../../../linux/capabilities.ts'
import type { ArgumentRule, SeccompProfile, SyscallRule } from './profile.ts'

/*
 * What RuntimeDefault allows: containerd's default (contrib/seccomp/seccomp_default.go). Names that
 * an architecture does not have cost nothing.
 */

const always = `
  accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown
  clock_adjtime clock_getres clock_gettime clock_nanosleep close close_range connect
  copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old
  epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit
  exit_group faccessat faccessat2 fadvise64 fallocate fanotify_mark fchdir fchmod fchmodat
  fchmodat2 fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fork fremovexattr
  fsetxattr fstat fstatfs fsync ftruncate futex futex_requeue futex_wait futex_waitv
  futex_wake futimesat getcpu getcwd getdents getdents64 getegid geteuid getgid getgroups
  getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid
  getresuid getrlimit get_robust_list getrusage getsid getsockname getsockopt
  get_thread_area gettid gettimeofday getuid getxattr getxattrat inotify_add_watch
  inotify_init inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy io_getevents
  io_pgetevents ioprio_get ioprio_set io_setup io_submit kill landlock_add_rule
  landlock_create_ruleset landlock_restrict_self lchown lgetxattr link linkat listen
  listmount listxattr listxattrat llistxattr lremovexattr lseek lsetxattr lstat madvise
  map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat
  mlock mlock2 mlockall mmap mprotect mq_getsetattr mq_notify mq_open mq_timedreceive
  mq_timedsend mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall
  munmap name_to_handle_at nanosleep newfstatat open openat openat2 pause pidfd_open
  pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll prctl pread64
  preadv preadv2 prlimit64 process_mrelease process_vm_readv process_vm_writev pselect6
  ptrace pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recvfrom
  recvmmsg recvmsg remap_file_pages removexattr removexattrat rename renameat renameat2
  restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo
  rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sched_getaffinity
  sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min
  sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam
  sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop sendfile
  sendmmsg sendmsg sendto setfsgid setfsuid setgid setgroups setitimer setpgid setpriority
  setregid setresgid setresuid setreuid setrlimit set_robust_list setsid setsockopt
  set_thread_area set_tid_address setuid setxattr setxattrat shmat shmctl shmdt shmget
  shutdown sigaltstack signalfd signalfd4 socketpair splice stat statfs statmount statx
  symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time timer_create
  timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create timerfd_gettime
  timerfd_settime times tkill truncate umask uname unlink unlinkat uretprobe utime
  utimensat utimes vfork vmsplice wait4 waitid write writev arch_prctl modify_ldt`

const withCapability: Partial<Record<Capability, string>> = {
  DAC_READ_SEARCH: 'open_by_handle_at',
  SYS_ADMIN: `bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie
    mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd
    setdomainname sethostname setns syslog umount2 unshare`,
  SYS_BOOT: 'reboot',
  SYS_CHROOT: 'chroot',
  SYS_MODULE: 'delete_module init_module finit_module query_module',
  SYS_PACCT: 'acct',
  SYS_PTRACE: 'kcmp pidfd_getfd process_madvise',
  SYS_RAWIO: 'iopl ioperm',
  SYS_TIME: 'settimeofday clock_settime',
  SYS_TTY_CONFIG: 'vhangup',
  SYS_NICE: 'get_mempolicy mbind set_mempolicy set_mempolicy_home_node',
  SYSLOG: 'syslog',
  BPF: 'bpf',
  PERFMON: 'perf_event_open',
}

const allow = 'SCMP_ACT_ALLOW'

/** CLONE_NEWNS and the like, linux/sched.h. */
const newNamespaces = 0x7e020000
const AF_VSOCK = 40

export function defaultProfile(
  capabilities: readonly Capability[],
): SeccompProfile {
  const mayMount = capabilities.includes('SYS_ADMIN')
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    syscalls: [
      named(always),
      ...capabilities.flatMap(name => {
        const names = withCapability[name]
        return names === undefined ? [] : [named(names)]
      }),
      ...[0, 0x8, 0x20000, 0x20008, 0xffffffff].map(value =>
        named('personality', { index: 0, value, op: 'SCMP_CMP_EQ' }),
      ),
      // Into the machine's hypervisor, past all namespaces.
      named('socket', { index: 0, value: AF_VSOCK, op: 'SCMP_CMP_NE' }),
      ...(mayMount
        ? []
        : [
            named('clone', {
              index: 0,
              value: newNamespaces,
              valueTwo: 0,
              op: 'SCMP_CMP_MASKED_EQ',
            }),
            // Its flags are in memory, where no filter can look: libraries then take clone.
            { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: 38 },
          ]),
    ],
  }
}

function named(names: string, ...args: readonly ArgumentRule[]): SyscallRule {
  return { names: names.trim().split(/\s+/), action: allow, args }
}
