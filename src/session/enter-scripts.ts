import { systemPath } from '../linux/machine-tools.ts'
import {
  skeletonMade,
  skeletonScript,
} from '../runner/sandbox/skeleton-script.ts'
import { shellWord } from '../util/shell-word.ts'

/*
 * What a shell does between the two starts of podfs for an ordinary user (own-namespace.ts).
 */

/**
 * A shell that stays outside, and runs what linux/outside.ts asks it to, until podfs ends: only
 * podfs has the other ends of its pipes, 5 to write to and 4 to read from.
 */
export const leaveHelper = `
mkfifo -m 600 "$4-o" "$4-r" && exec 9<>"$4-o" 8<"$4-o" 7<>"$4-r" 6<"$4-r" || exit 3
rm -f "$4-o" "$4-r"
(
  # Not by a Ctrl-C: podfs may need it until it has ended.
  trap '' INT HUP
  exec 9<&- 6<&- </dev/null >/dev/null 2>&1
  # What it starts has Secrets in its memory: core(5).
  echo 0 >/proc/self/coredump_filter
  cd /
  while read -r _ <&8; do
    said=$(/bin/sh "$4-script" 2>&1 8<&- 7<&-)
    echo "$?"
    rm -f "$4-script"
    echo "$said" | tr '\\n' ' '
    echo
  done >&7
) &
exec 8<&- 7<&- 5<&9 4<&6 9<&- 6<&-
`

/** podfs reads from it at 8, and a shell writes to it at 7, where others have been. */
const openSkeletonPipe = `
exec 7<>"$fifo-c" 8<"$fifo-c" || exit 3
`

/** Of a shell in the namespaces. */
export const beginSkeleton = (place: string, fifo: string): string => `
(
  {
    rm -f ${shellWord(`${fifo}-c`)}
    set -- ${shellWord(place)}
    [ -d "$1" ] || mkdir -m 700 "$1"
    PATH=${systemPath} LC_ALL=C
    export PATH LC_ALL
    ${skeletonScript}
    echo ${skeletonMade} >&7
  } </dev/null >/dev/null 2>&1 8<&- &
)
exec 7<&-
`

/**
 * Becomes the namespaces' podfs. Its parameters: see `becomeRootOfOwn`; `skeleton` is
 * `beginSkeleton`'s.
 */
export function enterScript(
  hasRanges: boolean,
  skeleton: string | undefined,
): string {
  const pipes = [
    ...(hasRanges ? ['"$fifo-a" "$fifo-b"'] : []),
    ...(skeleton === undefined ? [] : ['"$fifo-c"']),
  ]
  const trial = pipes.length > 0 ? `mkfifo -m 600 ${pipes.join(' ')}` : 'true'
  const inside = `
${hasRanges ? awaitRanges : ''}
${skeleton ?? ''}
exec "$@"
`
  return `
unshare=$1 state=$3 fifo=$4 newuidmap=$5 newgidmap=$6
uid=\${2% *} gid=\${2#* }
shift 6
say() {
  PODFS_NAMESPACE=$1
  export PODFS_NAMESPACE
}
# From its failure there is no way back to here; this one costs little.
said=$("$unshare" --user --map-root-user --mount --propagation slave -- ${trial} 2>&1) || {
  say "refused
$state
$said"
  exec "$@"
}
say "entered
$state"
${hasRanges ? giveRanges : ''}
${skeleton === undefined ? '' : openSkeletonPipe}
exec "$unshare" --user ${hasRanges ? '' : '--map-root-user'} --mount --propagation slave -- \\
  /bin/sh -c ${shellWord(inside)} podfs-enter "$@"
`
}

/**
 * Two pipes with names for a moment: 9 is written to and 8 read from, 7 and 6 likewise. Each side
 * has no other end of what it reads from, so that neither waits for one that has died. What the
 * programs refuse leaves one id, with which most Pods run.
 */
const giveRanges = `
exec 9<>"$fifo-a" 8<"$fifo-a" 7<>"$fifo-b" 6<"$fifo-b" || exit 3
(
  {
    exec 9<&- 6<&- 5<&- 4<&-
    rm -f "$fifo-a" "$fifo-b"
    read -r begun <&8 || exit
    said=$($newuidmap 2>&1 && $newgidmap 2>&1) || {
      said=\${said:-they failed}
      echo deny >/proc/$$/setgroups
      echo "0 $gid 1" >/proc/$$/gid_map
      echo "0 $uid 1" >/proc/$$/uid_map
    }
    echo "\${said%%
*}" >&7
  } </dev/null >/dev/null 2>&1 &
)
exec 8<&- 7<&-
`

const awaitRanges = `
echo begun >&9
read -r said <&6 || exit 3
exec 9<&- 6<&-
[ -z "$said" ] || PODFS_NAMESPACE="$PODFS_NAMESPACE
$said"
`

/**
 * After `leaveHelper`: enters the namespaces of a process, by descriptors, since that may be about to
 * end. When it has, podfs begins anew, and finds another one or none. It gets none of the two
 * descriptors: what is open in podfs is open in containers.
 */
export const joinScript = `
nsenter=$1 inside=$2 state=$3
shift 4
if { command exec 3<"/proc/$inside/ns/user" 6<"/proc/$inside/ns/mnt"; } 2>/dev/null; then
  # nsenter's own working directory would be that outside.
  exec "$nsenter" --user=/proc/self/fd/3 --mount=/proc/self/fd/6 --preserve-credentials -- \\
    /bin/sh -c 'exec "$@" 3<&- 6<&-' podfs-enter /usr/bin/env "--chdir=$PWD" "$state" "$@"
fi
exec "$@" 3<&- 4<&- 5<&-
`
