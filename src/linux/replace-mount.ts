import { relative } from 'node:path'

/**
 * The command that puts a mount in the place of a dead one so that nobody ever sees what lies
 * beneath: not in this mount namespace, and not in those that its mounts are propagated to.
 *
 * umount(2) by path takes the upper of two mounts, and mount(2) only adds one above; for what
 * would mount beneath (MOVE_MOUNT_BENEATH) util-linux has no command before 2.42. But an
 * unmount that comes by propagation takes its very counterpart, and what is mounted on top of
 * that moves down to its place (kernel, Documentation/filesystems/propagate_umount.txt). So:
 *
 *  1. a short-lived mount namespace is made, a peer of this one;
 *  2. its copy of the dead mount becomes private: what comes on top does not come there;
 *  3. here, and so wherever it is propagated to, the new mount is laid over the dead one;
 *  4. in the short-lived namespace the dead one is unmounted, and thereby everywhere.
 *
 * The mount in which the target lies has to be shared for that. One that is not (`parent`) is
 * so for these few milliseconds.
 */
export function replaceMountCommand(
  options: ReplaceMountOptions,
): readonly [string, ...string[]] {
  const { target, mount, stacked = 1 } = options
  const namespace = `/proc/${process.pid}/ns/mnt`
  return inPeerNamespace(options, [
    exchangeScript,
    target,
    String(stacked),
    namespace,
    ...mount,
  ])
}

/**
 * The same where nothing can be laid over the dead mount: somebody has looked for its directory by
 * its path, and the kernel has forgotten that. What comes by propagation to where something is
 * mounted comes beneath it (Linux 4.11, 1064f874abc0 "Tuck mounts under others"). So:
 *
 *  1. a short-lived mount namespace is made, a peer of this one;
 *  2. in it the new mount is made aside, with all its options, which are not propagated later;
 *  3. the mount in which the target lies is bound aside, too, without what is mounted in it, and
 *     the new mount comes there, and so here beneath the dead one, and wherever that is;
 *  4. the dead one is unmounted.
 */
export function mountBeneathCommand(
  options: ReplaceMountOptions & { readonly parentMountpoint: string },
): readonly [string, ...string[]] {
  const { target, mount, stacked = 1, parentMountpoint } = options
  return inPeerNamespace(options, [
    beneathScript,
    target,
    String(stacked),
    parentMountpoint,
    relative(parentMountpoint, target),
    ...mount,
  ])
}

interface ReplaceMountOptions {
  readonly target: string
  /** For mount(8), without the target. */
  readonly mount: readonly string[]
  /** How many dead mounts are stacked at the target; 1 by default. */
  readonly stacked?: number
  /** What the target lies in, when that is not shared. */
  readonly parent?: UnsharedParent
}

export interface UnsharedParent {
  readonly mountpoint: string
  readonly propagation: 'private' | 'slave'
}

function inPeerNamespace(
  { target, parent }: ReplaceMountOptions,
  script: readonly string[],
): readonly [string, ...string[]] {
  const exchange: [string, ...string[]] = [
    'unshare',
    '--mount',
    '--propagation',
    'unchanged',
    '--',
    'sh',
    '-c',
    ...script,
  ]
  if (parent === undefined) return exchange
  const { mountpoint, propagation } = parent
  return [
    'sh',
    '-c',
    sharedScript,
    target,
    mountpoint,
    propagation,
    ...exchange,
  ]
}

/** -c: a path through a dead mount cannot be canonicalised. */
const exchangeScript = `
stacked=$1 namespace=$2
shift 2
mount -n -c --make-private "$0" &&
nsenter --mount="$namespace" -- mount -n "$@" "$0" || exit
while [ "$stacked" -gt 0 ]; do
  umount -n -c -l "$0" || exit
  stacked=$((stacked - 1))
done`

/** In this namespace nobody needs what is at /dev, /sys and /proc/version. */
const beneathScript = `
stacked=$1 parent=$2 below=$3 aside=/sys
shift 3
for covered in /dev /sys /proc; do
  mount -n --make-private $covered || exit
done
mount -n --bind "$parent" /dev || exit
[ -d "/dev/$below" ] || aside=/proc/version
mount -n "$@" $aside && mount -n --rbind $aside "/dev/$below" || exit
while [ "$stacked" -gt 0 ]; do
  umount -n -c -l "$0" || exit
  stacked=$((stacked - 1))
done`

/** What was mounted meanwhile is shared, and is to be as what it replaces. */
const sharedScript = `
parent=$1 propagation=$2
shift 2
mount -n --make-shared "$parent" || exit
"$@"
status=$?
mount -n --make-"$propagation" "$parent"
mount -n -c --make-private "$0"
exit $status`
