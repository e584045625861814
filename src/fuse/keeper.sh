#!/bin/sh
# The keeper of one mount: opens /dev/fuse, mounts, holds the connection and the journals,
# starts the server and starts it again when it dies. Runs in a session of its own, so that a
# Ctrl-C meant for the daemon does not reach it. For dash and busybox ash.
#
# It must never touch the mount: a process that holds /dev/fuse and waits for its own mount
# cannot be killed. It learns what to unmount from /proc/self/mountinfo.
#
#   keeper.sh DIR RW OPTIONS LIFETIME MAX_FAILURES NODE SERVER OPENS
#
#   DIR       the runtime directory of this mount, private, with an empty directory rw
#   RW        DIR/rw as mountinfo spells it (octal escapes)
#   OPTIONS   more mount options: user_id, group_id, allow_other
#   LIFETIME  run: end with the daemon; mount: 30 s later, unless a new daemon opens
#             DIR/adopt for writing; detach: stay
#
# fd 1: what happened, a line each, for the daemon. fd 4, 5: the journals. fd 6: open for as
# long as the daemon lives.
set -u -f
dir=$1 rw=$2 options=$3 lifetime=$4 max_failures=$5 node=$6 server=$7 opens=$8
watcher=
dev=
serving=
umask 077
# A Secret must not get into a core dump.
ulimit -c 0 2>/dev/null
# The daemon may be gone when there is something to say.
trap '' PIPE HUP INT

# Every mount of this connection in this namespace, newest first.
unmount_all() {
  [ -n "$dev" ] || return 0
  mounts=
  while read -r _ _ number _ point _; do
    [ "$number" = "$dev" ] && mounts="$point $mounts"
  done </proc/self/mountinfo
  for point in $mounts; do
    case $point in
    *\\*) point=$(printf %b. "$(echo "$point" | sed 's/\\\([0-7]\{3\}\)/\\0\1/g')") point=${point%.} ;;
    esac
    # -c: a path through a dead mount cannot be canonicalised. busybox has no -c.
    umount -c -l "$point" 2>/dev/null || umount -l "$point"
  done
}

# Never recursively: whatever is still mounted makes rmdir fail.
remove_directory() {
  rmdir "$dir/rw" &&
    rm -f "$dir/control.sock" "$dir/adopt" "$dir/keeper.pid" "$dir/keeper.pid.new" &&
    rmdir "$dir" 2>/dev/null # not when the daemon keeps something there
}

# (1) no server may answer any more; (2) closing the last descriptor ends the connection in
# every mount namespace, which no umount could; (3) only then unmount.
end() {
  trap '' TERM
  # `$!`, not a variable set after the fork: SIGTERM may come in between.
  [ -z "$serving" ] || { kill -9 $! && wait $!; } 2>/dev/null
  exec 3<&- 4<&- 5<&-
  [ -z "$watcher" ] || kill "$watcher" 2>/dev/null
  unmount_all
  remove_directory
  echo "end $1"
  exit 0
}
trap 'end stopped' TERM

# Tells this shell when the daemon is gone. Holds neither the connection nor the journals.
watch() {
  exec 3<&- 4<&- 5<&-
  sleeper='' adopter=''
  trap 'kill -9 $sleeper $adopter 2>/dev/null; exit' TERM
  while read -r _; do :; done <&6
  exec 6<&-
  while [ "$lifetime" = mount ]; do
    sleep 30 &
    sleeper=$!
    {
      exec 7<"$dir/adopt"
      kill "$sleeper"
      while read -r _; do :; done <&7
    } &
    adopter=$!
    wait "$sleeper" && break
    wait "$adopter"
  done
  kill -9 $adopter 2>/dev/null
  # A keeper that was killed has left its number to somebody else.
  read -r _ _ _ parent _ </proc/self/stat
  [ "$parent" != $$ ] || kill -TERM $$
}

# `<>` would create a missing one.
[ -c /dev/fuse ] || { echo 'there is no /dev/fuse' >&2 && exit 1; }
exec 3<>/dev/fuse || exit 1
if [ "$lifetime" != detach ]; then
  [ "$lifetime" != mount ] || mkfifo "$dir/adopt" || exit 1
  watch &
  watcher=$!
fi
exec 6<&-

# Not noexec: scripts in a ConfigMap are executed. The source may be any word.
mount -i -t fuse.podfs -o "fd=3,rootmode=40000,default_permissions,nosuid,nodev,$options" \
  podfs "$dir/rw" 4<&- 5<&- || end 'mount failed'
while read -r _ _ number _ point _; do
  [ "$point" = "$rw" ] && dev=$number
done </proc/self/mountinfo
echo "mounted $dev"

failures=
while :; do
  # Only after wait: the dead server's last thread is gone then.
  serving=yes
  "$node" "$server" "$dir" $$ "$opens" &
  [ -e "$dir/keeper.pid" ] || { echo $$ >"$dir/keeper.pid.new" && mv "$dir/keeper.pid.new" "$dir/keeper.pid"; }
  wait $!
  status=$?
  serving= # its pid may be another process's from here on
  [ $status -ne 3 ] || end 'the connection is gone'
  echo "server-exit $status"
  now=$(date +%s)
  recent=
  count=0
  for time in $failures $now; do
    [ $((now - time)) -le 10 ] && recent="$recent $time" count=$((count + 1))
  done
  failures=$recent
  # A held connection without a server makes every reader hang: better none.
  [ $count -lt "$max_failures" ] || end "the server failed $count times within ten seconds"
done
