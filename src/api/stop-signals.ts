const minimum = 34
const maximum = 64

/**
 * lifecycle.stopSignal: the names that Kubernetes knows, with Linux's numbers (signal(7)). Source:
 * pkg/apis/core/validation/validation.go, validateStopSignal. As in container run-times SIGRTMIN
 * is 34, the first one that glibc leaves to programs.
 */
export const linuxStopSignals: ReadonlyMap<string, number> = new Map([
  ...Object.entries({
    SIGHUP: 1,
    SIGINT: 2,
    SIGQUIT: 3,
    SIGILL: 4,
    SIGTRAP: 5,
    SIGABRT: 6,
    SIGIOT: 6,
    SIGBUS: 7,
    SIGFPE: 8,
    SIGKILL: 9,
    SIGUSR1: 10,
    SIGSEGV: 11,
    SIGUSR2: 12,
    SIGPIPE: 13,
    SIGALRM: 14,
    SIGTERM: 15,
    SIGSTKFLT: 16,
    SIGCHLD: 17,
    SIGCLD: 17,
    SIGCONT: 18,
    SIGSTOP: 19,
    SIGTSTP: 20,
    SIGTTIN: 21,
    SIGTTOU: 22,
    SIGURG: 23,
    SIGXCPU: 24,
    SIGXFSZ: 25,
    SIGVTALRM: 26,
    SIGPROF: 27,
    SIGWINCH: 28,
    SIGIO: 29,
    SIGPOLL: 29,
    SIGPWR: 30,
    SIGSYS: 31,
  }),
  ...realTimeSignals(),
])

export const windowsStopSignals: readonly string[] = ['SIGKILL', 'SIGTERM']

/** Counted from the nearer end, as signal(7) and kill(1) do. */
function realTimeSignals(): [string, number][] {
  const middle = 15
  return Array.from({ length: maximum - minimum + 1 }, (_, i) => {
    const fromEnd = maximum - minimum - i
    const name =
      i <= middle
        ? `SIGRTMIN${i === 0 ? '' : `+${i}`}`
        : `SIGRTMAX${fromEnd === 0 ? '' : `-${fromEnd}`}`
    return [name, minimum + i]
  })
}
