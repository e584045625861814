#!/bin/bash
# COMMAND as an ordinary user of a desktop machine sees it: an account of its own with a home, a
# run-time directory and a range of ids, /dev/fuse and /dev/net/tun open to everybody as udev
# makes them, no capability, no sudo.
#
#   test/ordinary-user.sh [--clone] [--no-range] [--hide PROGRAM]... [--fuse-mode MODE] [COMMAND...]
#
# --clone      COMMAND begins in a copy of this clone that is the user's
# --no-range   nothing in /etc/subuid and /etc/subgid
# --hide       this machine has no such program
# --fuse-mode  of /dev/fuse; 0666
#
# Without a COMMAND it prints `UID PID`, the user's and that of a process of root's in the user's
# mount namespace, and lasts until its standard input ends. Needs root. The account is in no file
# of this machine, and of two at a time each has a uid and a range of its own. At the end nothing
# of the user's is left: no process, no file.
set -eu
cd "$(dirname "$0")/.."

clone='' range=1 hidden='' fuse=0666
while :; do
  case ${1-} in
  --clone) clone=1 ;;
  --no-range) range='' ;;
  --hide) hidden="$hidden $2" && shift ;;
  --fuse-mode) fuse=$2 && shift ;;
  *) break ;;
  esac
  shift
done

# Whoever makes the home has the uid; root's tests find it at the same path.
mkdir -p /home
uid=$((20001 + $$ % 30000))
until home=/home/podfs-$uid && said=$(mkdir -m 700 "$home" 2>&1); do
  [ -e "$home" ] || { echo "$said" >&2 && exit 1; }
  uid=$((uid + 1))
done

as_user() {
  setpriv --reuid="$uid" --regid="$uid" --clear-groups -- "$@"
}

# What is in user namespaces of the user's counts as the user's own: kill(2) with -1 reaches it.
end() {
  status=$?
  for _ in $(seq 50); do
    as_user bash -c 'kill -KILL -1' 2>/dev/null || true
    rm -rf "$home" "/tmp/podfs-$uid" 2>/dev/null && break
    sleep 0.1
  done
  exit "$status"
}
trap end EXIT

if [ -n "$clone" ]; then
  mkdir "$home/podfs"
  tar -cf - --exclude=./.git --exclude=./.tap --exclude=./node_modules . | tar -xf - -C "$home/podfs"
  ln -s "$PWD/node_modules" "$home/podfs/node_modules"
fi
chown -hR "$uid:$uid" "$home"
# As each machine with systemd has it; what is mounted there is the namespace's.
mkdir -p /run/user

# shellcheck disable=SC2016
unshare --mount --propagation private bash -euc '
  uid=$1 home=$2 range=$3 hidden=$4 fuse=$5 start=$6
  shift 6
  mount -t tmpfs -o mode=755 tmpfs /run/user
  mkdir -m 700 "/run/user/$uid" /run/user/root
  mount -t tmpfs -o "nosuid,nodev,mode=700,uid=$uid,gid=$uid" tmpfs "/run/user/$uid"
  cd /run/user/root
  mknod -m "$fuse" fuse c 10 229
  mount --bind fuse /dev/fuse
  if [ -e /dev/net/tun ]; then
    mknod -m 0666 tun c 10 200
    mount --bind tun /dev/net/tun
  fi
  # replace FILE LINE: with the line added to it.
  replace() {
    [ -e "$1" ] || return 0
    { cat "$1" && [ -z "$2" ] || echo "$2"; } >"${1##*/}"
    chmod --reference="$1" "${1##*/}"
    mount --bind "${1##*/}" "$1"
  }
  name=podfs-$uid
  replace /etc/passwd "$name:x:$uid:$uid::$home:/bin/bash"
  replace /etc/group "$name:x:$uid:"
  for file in /etc/subuid /etc/subgid; do
    replace $file "${range:+$name:$start:65536}"
  done
  # What is no program is not found in PATH.
  for program in $hidden; do
    file=$(command -v "$program") || continue
    mount --bind /dev/null "$(realpath "$file")"
  done
  # As systemd makes it: what is mounted here comes to whoever has a copy of this namespace.
  mount --make-rshared /
  if [ $# = 0 ]; then
    echo "$uid $$"
    exec cat
  fi
  ! [ -d "$home/podfs" ] && cd "$home" || cd "$home/podfs"
  exec setpriv --reuid="$uid" --regid="$uid" --init-groups --inh-caps=-all -- \
    env -u XDG_STATE_HOME -u XDG_CONFIG_HOME -u XDG_CACHE_HOME -u SUDO_USER -u MAIL \
    "HOME=$home" "USER=$name" "LOGNAME=$name" "XDG_RUNTIME_DIR=/run/user/$uid" "$@"
' bash "$uid" "$home" "$range" "$hidden" "$fuse" $(((uid - 20000 + 15) * 65536)) "$@"
