# fusermount-main.ts for a machine on which koffi cannot be loaded; Python 3.9 or later.
import os
import socket
import sys

fusermount, options, mountpoint, stale, keeper, *words = sys.argv[1:]


def run(arguments, environment, inherited):
    actions = [
        (os.POSIX_SPAWN_CLOSE, number)
        for number in (3, 4, 5, 6)
        if number not in inherited
    ]
    pid = os.posix_spawn(
        fusermount,
        [fusermount, *arguments],
        environment,
        file_actions=actions,
    )
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


for _ in range(int(stale)):
    run(["-u", "-z", "-q", "--", mountpoint], os.environ, ())
own, theirs = socket.socketpair()
theirs.set_inheritable(True)
status = run(
    ["-o", options, "--", mountpoint],
    {**os.environ, "_FUSE_COMMFD": str(theirs.fileno())},
    (theirs.fileno(),),
)
theirs.close()
files = socket.recv_fds(own, 1, 1)[1] if status == 0 else []
if not files:
    sys.exit("fusermount3 has not mounted")
os.dup2(files[0], 3)
os.execv(keeper, [keeper, *words])
