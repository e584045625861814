# fusermount-main.ts for a machine on which koffi cannot be loaded; Python 3.9 or later.
import os
import socket
import sys

fusermount, options, mountpoint, stale, keeper, *words = sys.argv[1:]


SCRIPT = """
stale=$3
while [ "$stale" -gt 0 ]; do
  "$0" -u -z -q -- "$2"
  stale=$((stale - 1))
done
exec "$0" -o "$1" -- "$2"
"""

own, theirs = socket.socketpair()
theirs.set_inheritable(True)
# The journals and the daemon's pipe are none of its business.
pid = os.posix_spawn(
    "/bin/sh",
    ["sh", "-c", SCRIPT, fusermount, options, mountpoint, stale],
    {**os.environ, "_FUSE_COMMFD": str(theirs.fileno())},
    file_actions=[(os.POSIX_SPAWN_CLOSE, number) for number in (3, 4, 5, 6)],
)
theirs.close()
# It has said why.
if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0:
    sys.exit(1)
files = socket.recv_fds(own, 1, 1)[1]
if not files:
    sys.exit("podfs: nothing has come from fusermount3")
os.dup2(files[0], 3)
os.execv(keeper, [keeper, *words])
