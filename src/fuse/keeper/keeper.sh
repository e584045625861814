#!/bin/sh
# The keeper of one mount: opens /dev/fuse, mounts, holds the connection and the journals,
# starts the server and a standby, which serves when the server dies. Runs in a session of its own, so that a
# Ctrl-C meant for the daemon does not reach it. For dash and busybox ash.
#
# It must never touch the mount: a process that holds /dev/fuse and waits for its own mount
# cannot be killed. It learns what to unmount from /proc/self/mountinfo.
#
#   keeper.sh DIR RW OPTIONS LIFETIME NODE SERVER OPENS [DEAD]
#
#   DIR       the runtime directory of this mount, private, with an empty directory rw
#   RW        DIR/rw as mountinfo spells it (octal escapes)
#   OPTIONS   more mount options: user_id, group_id, allow_other; or `fusermount,user_id=UID`:
#             an ordinary user's mount, which is made already (fusermount-main.ts), and 3 inherited.
#             It is at no path of podfs's own, and the name of what is mounted there is DIR
#   LIFETIME  run: end with the daemon; mount: 30 s later, unless a new daemon opens
#             DIR/adopt for writing; detach: stay
#   DEAD      the keeper whose place this one takes: then this one was started by that keeper's
#             standby or server, from which it has 3, 4, 5 and 6. Only who has them can hand
#             them on.
#
# fd 1: what happened, a line each, for the daemon. fd 4, 5: the journals. fd 6: open for as
# long as the daemon lives. fd 7: the standby's pipe, held open for reading and writing by the
# keeper alone, so that its end of file means that the keeper is gone. fd 0: DIR/alive, the same
# for whoever else wants to know; what the keeper starts in the background has /dev/null there.
# fd 9: of each server an open description of DIR/serving, see take_lock.
#
# DIR/said: a pipe for what has to be said to whichever daemon there is, which has it open for
# reading and writing. Without one nothing stays in it.
set -u -f
dir=$1 rw=$2 options=$3 lifetime=$4 node=$5 server=$6 opens=$7
dead=${8-}
user=
case $options in fusermount,*) user=${options#fusermount,} ;; esac
watcher=
dev=
active=
standby=
stopwatch=
stopped_for=
critical=
ending=
umask 077
# A Secret must not get into a core dump.
ulimit -c 0 2>/dev/null
# The daemon may be gone when there is something to say.
trap '' PIPE HUP INT

# Every mount of this connection in this namespace, newest first; of a `run` that is over also
# whatever else is mounted in its run-time directory: a lost mount, places of containers' volumes.
# The kernel gives the number of a device that is gone to the next mount, at once: it counts
# where RW has it, or where a server has just served it.
unmount_all() {
  if [ -n "$user" ]; then
    unmount_named
    return
  fi
  served=$dev
  find_device
  [ -n "$dev" ] || [ "$1" != stopped ] || dev=$served
  session=none
  case "$lifetime $1" in
  'run stopped' | 'run over') session=${rw%/rw} session=${session%/again-*} ;;
  esac
  mounts=
  while read -r _ _ number _ point _; do
    case $number:$point in
    "${dev:-none}":* | *:"$session"/*) mounts="$point $mounts" ;;
    esac
  done </proc/self/mountinfo
  for point in $mounts; do
    unescape
    # -c: a path through a dead mount cannot be canonicalised. busybox has no -c.
    umount -c -l "$point" 2>/dev/null || umount -l "$point"
  done
}
unescape() {
  case $point in
  *\\*) point=$(printf %b. "$(echo "$point" | sed 's/\\\([0-7]\{3\}\)/\\0\1/g')") point=${point%.} ;;
  esac
}
# Of an ordinary user, who may unmount what is his own, and by fusermount3 alone. Where it is, is
# asked anew: a directory above it may have another name by now.
unmount_named() {
  mounts=
  while read -r _ _ _ _ point rest; do
    ! is_named "$rest" || mounts="$point $mounts"
  done </proc/self/mountinfo
  for point in $mounts; do
    unescape
    fusermount3 -u -z -- "$point"
  done
}
# Whether the rest of a line of mountinfo is of the mount that is named DIR, and of this user.
is_named() {
  case $1, in
  *" - fuse.podfs ${rw%/rw} "*",$user,"*) return 0 ;;
  *) return 1 ;;
  esac
}

# Never recursively: whatever is still mounted makes rmdir fail.
remove_directory() {
  rmdir "$dir/rw" &&
    rm -f "$dir/control.sock" "$dir/adopt" "$dir/go" "$dir/keeper.pid" "$dir/keeper.pid.new" \
      "$dir/programs" "$dir/claim" "$dir/serving" "$dir/alive" "$dir/said" &&
    rmdir "$dir" 2>/dev/null # not when the daemon keeps something there
}

# (1) no server may answer any more; (2) closing the last descriptor ends the connection in
# every mount namespace, which no umount could; (3) only then unmount.
end() {
  trap '' TERM
  end_connection
  exec 6<&-
  ! is_child "$watcher" || kill "$watcher" 2>/dev/null
  unmount_all "$1"
  remove_directory
  echo "end $1"
  exit 0
}
end_connection() {
  trap - CHLD
  stop_stopwatch
  for server_pid in $active $standby; do
    is_child "$server_pid" && kill -9 "$server_pid" && wait "$server_pid"
  done 2>/dev/null
  read_serving
  ! is_server "$serving" || kill -9 "$serving"
  active='' standby=''
  exec 3<&- 4<&- 5<&- 7<&- 9<&-
}

# A child that has died is waited for together with another one, and leaves its number to
# somebody else.
is_child() {
  grep -qs "^PPid:[^0-9]*$$\$" "/proc/$1/status"
}

# Not by the daemon's wish: it lays a fresh mount over the dead one and takes that away, so that
# nobody ever sees the directory beneath. It is waited for as long as it lives; another one that
# has adopted the mount, and of which nothing is known here, for ten seconds.
give_up() {
  # The watcher's, when the daemon goes: by then the device's number may be another mount's.
  trap '' TERM
  end_connection
  # From now on there is no keeper that could be told to end, or adopted.
  rm -f "$dir/keeper.pid"
  echo "end $1"
  exec >/dev/null 2>&1
  while read -r _; do :; done <&6 &
  daemon=$!
  waits=0
  find_device
  while [ -n "$dev" ] && [ $waits -lt 100 ]; do
    sleep 0.1
    { is_child "$daemon" && grep -q '^State:.[^Z]' "/proc/$daemon/status"; } || waits=$((waits + 1))
    find_device
  done
  ! is_child "$daemon" || kill -9 "$daemon"
  ! is_child "$watcher" || kill "$watcher"
  unmount_all lost
  [ ! -d "$dir/rw" ] || remove_directory
  exit 0
}

# Between a fork and the note of its pid nothing may end: that server would be left over.
trap 'if [ -n "$critical" ]; then ending=yes; else end stopped; fi' TERM
uncritical() {
  critical=
  [ -z "$ending" ] || end stopped
}

# A server that was stopped (SIGSTOP) is told of after two seconds, and makes way for the next one
# after ten. Only its parent hears that it was: by SIGCHLD, which ends a `wait`, too, and comes
# once more when a stopwatch is over. No program is started to look: its end would be another one.
trap 'look_at_watcher; look_at_active' CHLD
# One that was killed has a successor: without it nobody would hear that the daemon is gone. What
# is read here is nobody else's, who may just be reading as well.
look_at_watcher() {
  [ -n "$watcher" ] || return 0
  { read -r looked <"/proc/$watcher/stat"; } 2>/dev/null || looked=
  case ${looked##*) } in
  Z*) ;;
  ?" $$ "*) return 0 ;;
  esac
  watch &
  watcher=$!
}
look_at_active() {
  if [ -z "$active" ] || ! read_stat "$active" || [ "$state" != T ]; then
    [ -z "$stopped_for" ] || stop_stopwatch
    return
  fi
  ! has_stopwatch || return 0
  case $stopped_for in
  '') stopped_for=0 && start_stopwatch 2 ;;
  0)
    stopped_for=2 && start_stopwatch 8
    say "stopped $active"
    ;;
  # A number that is no child's is no longer that server's.
  *) ! read_stat "$active" || [ "$parent" != $$ ] || kill -9 "$active" ;;
  esac
}
start_stopwatch() {
  sleep "$1" 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&- >/dev/null 2>&1 &
  stopwatch=$!
}
has_stopwatch() {
  [ -n "$stopwatch" ] || return 1
  read_stat "$stopwatch" && [ "$parent" = $$ ] && [ "$state" != Z ]
}
stop_stopwatch() {
  ! has_stopwatch || kill -9 "$stopwatch"
  stopwatch='' stopped_for=''
}
# Of a process that is there: its state, a letter, and its parent.
read_stat() {
  { read -r text <"/proc/$1/stat"; } 2>/dev/null || return 1
  text=${text##*) }
  state=${text%% *} text=${text#* }
  parent=${text%% *}
}
say() {
  [ ! -p "$dir/said" ] || echo "$1" 1<>"$dir/said"
}
# For the end of a child, whose status is then in `status`: SIGCHLD ends `wait`, whosever it is.
wait_for() {
  while :; do
    wait "$1"
    status=$?
    read_stat "$1" && [ "$parent" = $$ ] || return 0
  done
}

# One server at a time answers the kernel, whatever becomes of keepers: the one through whose
# description of DIR/serving, its fd 9, that file is locked. The kernel drops such a lock when
# the last thread that has the description is gone, and not before. It is taken for a server, by
# flock(1) and through that description, before the server begins, or is told to.
#
# In the file: whose it is, and `answered` once that one has answered a request.
#
# Ends whoever else has the lock.
take_lock() {
  until flock -n 9; do
    read_serving
    ! is_server "$serving" || kill -9 "$serving"
    sleep 0.005 9<&-
  done 2>/dev/null
}
write_serving() {
  printf '%-10s%-10s\n' "$1" '' >&9
}
read_serving() {
  serving='' answered=''
  read -r serving answered <"$dir/serving"
} 2>/dev/null

# The number may by now be another process's.
is_server() {
  [ -n "$1" ] && [ "$1" != $$ ] && grep -qsF "$dir" "/proc/$1/cmdline"
}

# The first server (`active`), or a `successor` when no standby is there.
start_active() {
  exec 9<>"$dir/serving"
  [ "$1" = active ] || take_lock
  critical=yes
  {
    # Not by the keeper, which may be killed before it has.
    read -r self _ </proc/self/stat
    write_serving "$self"
    exec "$node" "$server" "$dir" $$ "$opens" "$1" "$0" "$dir" "$rw" "$options" "$lifetime" \
      "$node" "$server" "$opens" 7<&-
  } &
  active=$!
  # The first one has no other before it, and every start of a mount waits for it.
  [ "$1" != active ] || take_lock
  exec 9<&-
  uncritical
}

# A server that has loaded everything and waits for a line on its own pipe: with one that is
# shared with the server before it, both could become active. It starts DELAY seconds later,
# so that it takes no time from the start of a mount, or from the first answers of a server that
# has just taken over. Not much later then: under load it takes half a second to be ready, and a
# server that dies before that costs its readers 150 ms and not 20. SIGCONT ends that delay, and
# does nothing to the server itself.
start_standby() {
  # Opened here and not by the child: the name goes before the child may have come that far.
  # A keeper that was killed just then has left the name.
  { mkfifo "$dir/go" 2>/dev/null || { rm -f "$dir/go" && mkfifo "$dir/go"; }; } && exec 7<>"$dir/go" 8<"$dir/go" 9<>"$dir/serving" || return
  rm -f "$dir/go"
  critical=yes
  {
    sleeper=
    trap 'kill $sleeper 2>/dev/null' CONT
    sleep "$1" 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&- >/dev/null 2>&1 &
    sleeper=$!
    wait $sleeper
    exec "$node" "$server" "$dir" $$ "$opens" standby "$0" "$dir" "$rw" "$options" "$lifetime" \
      "$node" "$server" "$opens" 7<&- 8<&-
  } <&8 &
  standby=$!
  exec 8<&-
  uncritical
}

# From here on the standby is the server: the one before it is dead, or dies now.
use_standby() {
  critical=yes
  active=$standby standby=
  take_lock
  write_serving "$active"
  # One that has died meanwhile is a death of its own, with the next round.
  echo go >&7
  ! is_child "$active" || kill -CONT "$active" 2>/dev/null
  exec 7<&- 9<&-
  uncritical
}

# Tells this shell when the daemon is gone. Holds neither the connection nor the journals, nor
# the daemon's pipes, whose end of file means that all of this is gone; nor what a server is just
# being started with.
watch() {
  exec 3<&- 4<&- 5<&- 7<&- 8<&- 9<&- >/dev/null 2>&1
  sleeper='' adopter=''
  trap 'kill -9 $sleeper $adopter 2>/dev/null; exit' TERM
  while read -r _; do :; done <&6
  exec 6<&-
  while [ "$lifetime" = mount ] && has_keeper; do
    sleep 30 &
    sleeper=$!
    {
      exec 7<"$dir/adopt"
      # A child that has just been forked still has this shell's trap, and loses every other signal.
      kill -9 "$sleeper"
      while read -r _; do :; done <&7
    } &
    adopter=$!
    wait "$sleeper" && break
    wait "$adopter"
  done
  kill -9 $adopter 2>/dev/null
  [ "$lifetime" != run ] || trap '' TERM # from the keeper, which ends first
  ! has_keeper || kill -TERM $$
  [ "$lifetime" != run ] || unmount_rest
}

# A keeper that was killed has left its number to somebody else.
has_keeper() {
  read -r _ _ _ parent _ </proc/self/stat
  [ "$parent" = $$ ]
}

# Of a `run` that is over: its keeper may have been killed before it, and no other be there yet;
# and commands that the daemon had begun may still mount something.
unmount_rest() {
  for pause in 0.05 0.1 0.2 0.4; do
    sleep $pause
    ! is_run_alive || return 0
    unmount_all over
  done
}

# It also closes its pipe to a keeper that was killed, and goes on with a fresh mount. Its
# number is in the name of its directory (RUNTIME/run-PID); of a dead process there are no words.
is_run_alive() {
  session=${rw%/rw} session=${session%/again-*}
  grep -qs podfs "/proc/${session##*-}/cmdline"
}

# The server that a dead keeper left may still be serving, and is nobody's child: nothing
# would wait for it. So it serves until the standby is ready, and is then replaced.
replace_orphan() {
  start_standby 0
  read_serving
  for _ in 1 2 3 4 5 6 7 8; do
    is_server "$serving" || break
    sleep 0.05 9<&-
  done
  if [ -n "$standby" ]; then use_standby; else start_active successor; fi
}

write_pid() {
  echo $$ >"$dir/keeper.pid.new" && mv "$dir/keeper.pid.new" "$dir/keeper.pid"
}

# One keeper at a time: whoever finds the name of the dead one takes its place. Not a directory
# as a lock: one that was killed just then would leave it, and nobody could come any more.
take_place() {
  exec 9<>"$dir/claim" && flock 9 || exit 1
  last=
  read -r last <"$dir/keeper.pid"
  [ "$last" != "$dead" ] || write_pid
  exec 9<&-
  [ "$last" = "$dead" ] || exit 0
}

started() {
  read -r since _ </proc/uptime
  since=${since%.*}
}

# Of servers that die one after the other before they answer anything the first has a successor
# at once; whatever kills them may take a while to go. Never for good: without a server every
# reader hangs, but with no mount it fails.
back_off() {
  case $failures in
  0 | 1) return ;;
  2) pause=1 ;;
  3) pause=2 ;;
  4) pause=5 ;;
  *) pause=10 ;;
  esac
  say "back-off $pause $failures"
  # In the background: SIGTERM is heard meanwhile.
  sleep $pause 3<&- 4<&- 5<&- 6<&- 7<&- 9<&- >/dev/null 2>&1 &
  wait_for $!
}

# Nothing serves yet, but an ordinary user's mount is there.
end_unstarted() {
  exec 3<&-
  [ -z "$user" ] || unmount_named
  exit 1
}

find_device() {
  dev=
  while read -r _ _ number _ point rest; do
    if [ -n "$user" ]; then
      ! is_named "$rest" || dev=$number
    elif [ "$point" = "$rw" ]; then dev=$number; fi
  done </proc/self/mountinfo
}

if [ -n "$dead" ]; then
  find_device # first: from the moment that its pid is known it may be told to end
  take_place
else
  # `<>` would create a missing one.
  [ -n "$user" ] || [ -c /dev/fuse ] || { echo 'there is no /dev/fuse' >&2 && exit 1; }
  command -v flock >/dev/null || { echo 'there is no flock(1), of util-linux' >&2 && end_unstarted; }
  [ -n "$user" ] || exec 3<>/dev/fuse || exit 1
  [ "$lifetime" != mount ] || mkfifo "$dir/adopt" || end_unstarted
  : >"$dir/serving"
fi
if [ "$lifetime" != detach ]; then
  watch &
  watcher=$!
fi

# The server first: it takes longer to start than the mount to be made, for which it waits.
# Not noexec: scripts in a ConfigMap are executed. The source may be any word.
if [ -z "$dead" ]; then
  start_active active
  [ -n "$user" ] || mount -i -t fuse.podfs -o "fd=3,rootmode=40000,default_permissions,nosuid,nodev,$options" \
    podfs "$dir/rw" 4<&- 5<&- 6<&- || end 'mount failed'
fi
[ -n "$dead" ] || find_device
# Not before: now the server is starting, and takes longer.
[ -p "$dir/alive" ] || mkfifo "$dir/alive" "$dir/said"
[ ! -p "$dir/alive" ] || exec <>"$dir/alive"
if [ -n "$dead" ]; then
  echo "keeper $$"
  replace_orphan
else
  echo "mounted $dev"
  write_pid
fi
started
start_standby 1
failures=0
while :; do
  # Only after wait: the dead server's last thread is gone then.
  wait_for "$active"
  active= # its pid may be another process's from here on
  case $status in
  3) give_up 'the connection is gone' ;;
  4) give_up 'the tree could not be recovered' ;;
  esac
  read -r now _ </proc/uptime
  read_serving
  # Whoever has answered a request, or was there to, has not failed; requests wait meanwhile in
  # the kernel. Not the time of day, which may be set.
  if [ -n "$answered" ] || [ $((${now%.*} - since)) -ge 10 ]; then
    failures=0
  else
    failures=$((failures + 1))
  fi
  echo "server-exit $status"
  back_off
  if [ -n "$standby" ]; then use_standby; else start_active successor; fi
  started
  start_standby 0.05
done
