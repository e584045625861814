#!/bin/sh
# The keeper of a mount that podfs does not serve itself: the tmpfs of the backend dir, or the
# mount of the backend fuse-native and the process that serves it. In a session of its own,
# as keeper.sh, and as there: it ends what a killed daemon left. For dash and busybox ash.
#
#   mount-keeper.sh DIR RW LIFETIME tmpfs OPTIONS
#   mount-keeper.sh DIR RW LIFETIME native NODE SERVER ACCESS
#
#   DIR       the runtime directory of this mount, private, with an empty directory rw
#   RW        DIR/rw as mountinfo spells it (octal escapes)
#   LIFETIME  run: end with the daemon; mount: 30 s later; detach: stay
#
# fd 1: what happened, a line each, for the daemon. fd 3: open for as long as the daemon lives.
set -u -f
dir=$1 rw=$2 lifetime=$3 kind=$4
shift 4
watcher='' dev='' serving=''
umask 077
# A Secret must not get into a core dump.
ulimit -c 0 2>/dev/null
trap '' PIPE HUP INT

# The mounts of this device in this namespace, newest first: the private one, or all others.
unmount() {
  [ -n "$dev" ] || return 0
  mounts=
  while read -r _ _ number _ point _; do
    [ "$number" = "$dev" ] || continue
    case $1:$point in
    private:"$rw" | others:*) ;;
    *) continue ;;
    esac
    [ "$1:$point" = "others:$rw" ] || mounts="$point $mounts"
  done </proc/self/mountinfo
  for point in $mounts; do
    case $point in
    *\\*) point=$(printf %b. "$(echo "$point" | sed 's/\\\([0-7]\{3\}\)/\\0\1/g')") point=${point%.} ;;
    esac
    # -c: a path through a dead mount cannot be canonicalised. busybox has no -c.
    umount -c -l "$point" 2>/dev/null || umount -l "$point"
  done
}

# Unlike FUSE, a tmpfs cannot be cut off: copies in other mount namespaces would stay readable.
# So it is emptied, once nobody sees it here any more.
end() {
  trap '' TERM
  # `$!`, not a variable set after the fork: SIGTERM may come in between.
  [ -z "$serving" ] || { kill -9 $! && wait $!; } 2>/dev/null
  [ -z "$watcher" ] || kill "$watcher" 2>/dev/null
  [ -n "$dev" ] || { [ -e "$dir/device" ] && read -r dev <"$dir/device"; }
  unmount others
  [ "$kind" != tmpfs ] || [ -z "$dev" ] || find "$dir/rw" -xdev -mindepth 1 -delete
  unmount private
  # Never recursively: whatever is still mounted makes rmdir fail.
  rmdir "$dir/rw" && rm -f "$dir/device" "$dir/keeper.pid" && rmdir "$dir" 2>/dev/null
  echo "end $1"
  exit 0
}
trap 'end stopped' TERM

# Tells this shell when the daemon is gone.
watch() {
  sleeper=''
  trap 'kill -9 $sleeper 2>/dev/null; exit' TERM
  while read -r _; do :; done <&3
  exec 3<&-
  if [ "$lifetime" = mount ]; then
    sleep 30 &
    sleeper=$!
    wait "$sleeper"
  fi
  # A keeper that was killed has left its number to somebody else.
  read -r _ _ _ parent _ </proc/self/stat
  [ "$parent" != $$ ] || kill -TERM $$
}

echo $$ >"$dir/keeper.pid"
if [ "$lifetime" != detach ]; then
  watch &
  watcher=$!
fi
exec 3<&-

if [ "$kind" = tmpfs ]; then
  # noswap came with Linux 6.3.
  mount -n -i -t tmpfs -o "nosuid,nodev,noswap,$1" podfs-volumes "$dir/rw" 2>/dev/null ||
    mount -n -i -t tmpfs -o "nosuid,nodev,$1" podfs-volumes "$dir/rw" || end 'mount failed'
  while read -r _ _ number _ point _; do
    [ "$point" = "$rw" ] && dev=$number
  done </proc/self/mountinfo
  echo "mounted $dev"
  while :; do
    serving=yes
    sleep 86400 &
    wait $!
  done
else
  serving=yes
  "$1" "$2" "$dir/rw" "$dir/device" "$3" &
  wait $!
  status=$?
  serving='' # its pid may be another process's from here on
  end "the server ended with status $status"
fi
