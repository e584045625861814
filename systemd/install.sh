#!/bin/sh
# Puts podfs, its units, configuration, completion and man page in place, or takes them away:
#
#   npm run install:system        npm run uninstall:system
#
# DESTDIR     where / is (for packages); nothing is then told to systemd
# PREFIX      /usr/local
# PODFS_NODE  the node that runs podfs; the one in PATH
#
# What is put there, and each directory that has to be made, is noted in
# PREFIX/lib/podfs/installed; that is what the next install replaces and uninstall removes.
# /etc/podfs/podfs.yaml is yours as soon as you have changed it.
set -eu
cd "$(dirname "$0")/.."
DESTDIR=${DESTDIR-}
PREFIX=${PREFIX-/usr/local}
lib=$PREFIX/lib/podfs
doc=$PREFIX/share/doc/podfs
etc=/etc/podfs
apparmor=/etc/apparmor.d
noted=$DESTDIR$lib/installed
# mount(8) looks there and nowhere else; on most machines it is a link.
sbin=/sbin
[ ! -h /sbin ] || sbin=/usr/sbin

fail() {
  printf 'error: %s\n  %s\n' "$1" "$2" >&2
  exit 1
}

for directory in "PREFIX=$PREFIX" "DESTDIR=$DESTDIR"; do
  case $directory in
  *= | *=/*) ;;
  *) fail "$directory is not a full path" "${directory%%=*}=/... npm run install:system" ;;
  esac
done

# The first directory of a path that is there; as it is when nothing is a directory.
first_there() {
  [ ! -e "$1" ] && [ ! -h "$1" ] || { printf '%s\n' "$1" && return; }
  first_there "$(dirname "$1")"
}

# Before anything is touched.
check_places() {
  again='npm run install:system'
  [ -n "$DESTDIR" ] || [ "$(id -u)" = 0 ] ||
    fail "installing needs root, whatever PREFIX is: $sbin/mount.podfs and $etc are part of it" \
      "as root: $again; or DESTDIR=/tmp/package $again, a tree for a package"
  case $PREFIX in
  # It goes into units, where many characters mean something, and through sed.
  *[!A-Za-z0-9/._+~@-]*) fail "PREFIX=$PREFIX: letters, digits and / . _ + ~ @ - only" "PREFIX=/usr/local $again" ;;
  esac
  for path in "$lib" "$PREFIX/bin" "$PREFIX/lib/systemd/system" "$PREFIX/lib/systemd/user" \
    "$PREFIX/share/man/man1" "$PREFIX/share/bash-completion/completions" "$doc" \
    $sbin "$etc/mounts"; do
    directory=$(first_there "$DESTDIR$path")
    [ -d "$directory" ] || fail "$directory is not a directory" "PREFIX=/usr/local $again"
    [ -w "$directory" ] || fail "nothing can be written to $directory" "PREFIX=/usr/local $again"
    # A program of a user's home must not become root's.
    [ -n "$DESTDIR" ] || [ "$(stat -L -c %u "$directory")" = 0 ] ||
      fail "$directory is not root's" "PREFIX=/usr/local $again"
  done
}

# At the end, however it comes: what was not finished is taken back. Where files of an older
# version have been replaced they cannot come back; they stay noted, for uninstall.
finish() {
  status=$?
  if [ "$status" != 0 ] && [ -f "$noted" ]; then
    cat "$list" >>"$noted" || true
    printf 'error: installed in part, over an older version\n  npm run install:system, or npm run uninstall:system\n' >&2
  elif [ "$status" != 0 ]; then
    [ -z "$made_configuration" ] || rm -f "$DESTDIR$etc/podfs.yaml"
    remove "$list"
    printf 'error: not installed; what was there of it was taken away again\n' >&2
  fi
  rm -f "$list"
}

make_directory() {
  [ ! -d "$DESTDIR$1" ] || return 0
  [ "$1" = / ] || make_directory "$(dirname "$1")"
  mkdir "$DESTDIR$1"
  chmod 755 "$DESTDIR$1"
  printf 'd %s\n' "$1" >>"$list"
}

# put MODE PATH: standard input goes there in one step, so that what runs keeps the old file.
put() {
  make_directory "$(dirname "$2")"
  { cat >"$DESTDIR$2.new" && chmod "$1" "$DESTDIR$2.new" && mv "$DESTDIR$2.new" "$DESTDIR$2"; } || {
    rm -f "$DESTDIR$2.new"
    return 1
  }
  printf 'f %s\n' "$2" >>"$list"
}

# The paths of the program in units, scripts and pages.
put_text() {
  sed "s#/usr/local/#$PREFIX/#g" "$3" | put "$1" "$2"
}

# All pages are in one directory there, beside podfs.yaml, and without the source.
put_page() {
  sed "s#/usr/local/#$PREFIX/#g
    s#](\(\.\./config\|\.\.\|docs\)/\([A-Za-z.-]*[)\#]\)#](\2#g
    s#\[\([^]]*\)\](\.\./[^)]*)#\1#g" "$1" | put 644 "$doc/${1##*/}"
}

is_unchanged() {
  cmp -s "$DESTDIR$etc/podfs.yaml" "$DESTDIR$doc/podfs.yaml"
}

tell_systemd() {
  [ -z "$DESTDIR" ] && [ -d /run/systemd/system ] || return 0
  systemctl "$@"
}

tell_apparmor() {
  [ -z "$DESTDIR" ] && [ -e "$apparmor/podfs" ] && command -v apparmor_parser >/dev/null || return 0
  apparmor_parser "$1" "$apparmor/podfs" ||
    echo "warning: $apparmor/podfs is not loaded: Pods of ordinary users may not start" >&2
}

# As it is to be typed, and a blank.
shell_word() {
  case $1 in
    *[!A-Za-z0-9_./,:=@%+-]*) printf "'%s' " "$(printf %s "$1" | sed "s/'/'\\\\''/g")" ;;
    *) printf '%s ' "$1" ;;
  esac
}

# What the units do not serve: it goes on with a program that is no longer there.
warn_of_mounts() {
  [ -z "$DESTDIR" ] || return 0
  # Those of podfs's own are in /run/podfs.
  left=$(awk '/ - fuse\.podfs /{print $5}' /proc/self/mountinfo | grep -v '^/run/podfs/' | sort |
    while read -r escaped; do shell_word "$(printf %b "$escaped")"; done)
  [ -z "$left" ] ||
    printf 'warning: still mounted: %s\n  umount %s\n' "${left% }" "${left% }" >&2
}

# Newest first, so that a directory is empty when its turn comes.
remove() {
  sed '1!G;h;$!d' "$1" | while read -r kind path; do
    case $kind in
    f) rm -f "$DESTDIR$path" ;;
    d) rmdir "$DESTDIR$path" 2>/dev/null || true ;;
    esac
  done
}

install_all() {
  [ -f dist/files.txt ] || fail 'podfs is not built' 'npm ci'
  if [ -n "${PODFS_NODE-}" ]; then
    # By its full path: PATH is another one for whoever types podfs.
    node=$(command -v "$PODFS_NODE") && [ -f "$node" ] && [ -x "$node" ] ||
      fail "PODFS_NODE=$PODFS_NODE is not a program" 'PODFS_NODE=/path/to/node npm run install:system'
    node=$(realpath -s "$node")
  else
    node=$(command -v node) || fail 'there is no node in PATH' 'PODFS_NODE=/path/to/node npm run install:system'
    # A program of a user's home must not become root's.
    [ -n "$DESTDIR" ] || [ "$(stat -L -c %u "$node")" = 0 ] ||
      fail "$node is not root's" "PODFS_NODE=$node npm run install:system, if root may run it"
  fi
  "$node" -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' ||
    fail "$node is older than 20.19" 'PODFS_NODE=/path/to/node npm run install:system'

  check_places

  list=$(mktemp)
  made_configuration=
  trap finish EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  [ ! -f "$noted" ] || grep '^d ' "$noted" >>"$list" || true

  # For terminals; what is not there is not for this machine.
  for file in koffi/package.json koffi/index.cjs koffi/src/koffi/index.cjs koffi/src/koffi/src/static.cjs \
    $(cd node_modules && find @koromix -type f 2>/dev/null); do
    [ ! -f "node_modules/$file" ] || put 644 "$lib/node_modules/$file" <"node_modules/$file"
  done
  # V8 knows a source by its length alone: never a new one beside the code of the old one.
  rm -f "$DESTDIR$lib"/*.bundle.cjs.cache
  for file in $(cat dist/files.txt); do
    put 644 "$lib/$file" <"dist/$file"
    case $file in
    *.bundle.cjs) printf 'f %s\n' "$lib/$file.cache" >>"$list" ;;
    esac
  done
  (umask 022 && "$node" src/loader/code-cache.mjs "$DESTDIR$lib")
  put 755 "$PREFIX/bin/podfs" <<END
#!/bin/sh
exec '$node' '$lib/podfs.cjs' "\$@"
END
  put_text 755 $sbin/mount.podfs systemd/mount.podfs

  put_text 644 "$PREFIX/lib/systemd/system/podfs.service" systemd/podfs.service
  put_text 644 "$PREFIX/lib/systemd/system/podfs-mount@.service" systemd/podfs-mount@.service
  put_text 644 "$PREFIX/lib/systemd/user/podfs.service" systemd/user/podfs.service

  # Where AppArmor does not know of user namespaces the profile would be an error, and is not needed.
  if [ -e "$DESTDIR$apparmor/abi/4.0" ]; then
    put_text 644 "$apparmor/podfs" systemd/apparmor
    tell_apparmor --replace
  fi

  put 644 "$PREFIX/share/man/man1/podfs.1" <docs/podfs.1
  "$node" dist/podfs.cjs completion bash |
    put 644 "$PREFIX/share/bash-completion/completions/podfs"
  put_text 644 "$doc/run-pods.conf" systemd/run-pods.conf
  for page in docs/*.md SECURITY.md; do
    put_page "$page"
  done
  for picture in docs/*.svg; do
    put 644 "$doc/${picture##*/}" <"$picture"
  done

  if [ ! -e "$DESTDIR$etc/podfs.yaml" ] || is_unchanged; then
    make_directory $etc
    [ -e "$DESTDIR$etc/podfs.yaml" ] || made_configuration=1
    cp config/podfs.yaml "$DESTDIR$etc/podfs.yaml"
    chmod 644 "$DESTDIR$etc/podfs.yaml"
  elif ! cmp -s config/podfs.yaml "$DESTDIR$doc/podfs.yaml"; then
    echo "kept $etc/podfs.yaml, which you have changed; the new one is $doc/podfs.yaml"
  fi
  put 644 "$doc/podfs.yaml" <config/podfs.yaml
  put 644 "$etc/podfs.schema.json" <config/podfs.schema.json
  make_directory "$etc/mounts"

  # What the version before had and this one has not.
  if [ -f "$noted" ]; then
    old=$(mktemp)
    grep '^f ' "$noted" | grep -vxF -f "$list" >"$old" || true
    remove "$old"
    rm -f "$old"
  fi
  put 644 "$lib/installed" <"$list"
  trap 'rm -f "$list"' EXIT
  tell_systemd daemon-reload
  echo "installed $PREFIX/bin/podfs; to start it with the machine: systemctl enable --now podfs"
}

uninstall_all() {
  [ -f "$noted" ] || fail "$noted is not there: nothing was installed" "PREFIX=... DESTDIR=... npm run uninstall:system"
  tell_systemd disable --now --quiet podfs.service || true
  tell_systemd stop 'podfs-mount@*.service' || true
  tell_systemd disable --quiet podfs-mount@.service || true
  warn_of_mounts
  if is_unchanged; then
    rm "$DESTDIR$etc/podfs.yaml"
  elif [ -e "$DESTDIR$etc/podfs.yaml" ]; then
    echo "kept $etc/podfs.yaml, which you have changed"
  fi
  list=$(mktemp)
  trap 'rm -f "$list"' EXIT
  cat "$noted" >"$list"
  rm "$noted"
  tell_apparmor --remove 2>/dev/null
  remove "$list"
  tell_systemd daemon-reload
}

case ${1-} in
install) install_all ;;
uninstall) uninstall_all ;;
*) fail "install or uninstall, not '${1-}'" 'npm run install:system' ;;
esac
