import { dirname } from 'node:path'
import { type Mount, readMountinfo } from './mountinfo.ts'
import { mountBeneathCommand, replaceMountCommand } from './replace-mount.ts'
import { type MountResult, runMountCommand } from './run-mount-command.ts'

/**
 * Mounts in the place of the dead mounts at a path. What cannot be mounted leaves them there.
 * Where what it takes is missing (unshare and nsenter of util-linux), they go first, and for a
 * moment the directory beneath is seen.
 */
export async function replaceDeadMount(
  target: string,
  args: readonly string[],
): Promise<MountResult> {
  const before = readMountinfo()
  const dead = before.filter(({ mountpoint }) => mountpoint === target)
  const parent = before.find(({ id }) => id === dead[0]?.parentId)
  const options = {
    target,
    mount: args,
    stacked: dead.length,
    ...(parent === undefined || parent.propagation === 'shared'
      ? {}
      : {
          parent: {
            mountpoint: parent.mountpoint,
            propagation: parent.propagation,
          },
        }),
  }
  const isOld = ({ id }: Mount): boolean => dead.some(one => one.id === id)
  const replace = async ([command, ...words]: readonly [
    string,
    ...string[],
  ]): Promise<MountResult> => {
    const { ok, message } = await runMountCommand(command, words)
    return { ok: ok && !mountsAt(target).some(isOld), message }
  }
  const replaced = await replace(replaceMountCommand(options))
  if (replaced.ok) return replaced
  const stays = mountsAt(target)
  if (stays.length > 0 && stays.every(isOld)) {
    // The directory beneath is to be seen for nothing that cannot be mounted, its server dead, say.
    const tried = await tryMount(target, args)
    if (!tried.ok) return tried
    if (parent !== undefined) {
      const { mountpoint: parentMountpoint } = parent
      const beneath = await replace(
        mountBeneathCommand({ ...options, parentMountpoint }),
      )
      if (beneath.ok) return beneath
    }
  }
  // -c: a path through a dead mount cannot be canonicalised. busybox has no -c.
  const script = 'umount -c -l "$0" 2>/dev/null || umount -l "$0"'
  for (const _ of mountsAt(target))
    await runMountCommand('sh', ['-c', script, target])
  return await runMountCommand('mount', [...args, target])
}

/** Where nobody sees it; that it cannot be tried is no failure. */
async function tryMount(
  target: string,
  args: readonly string[],
): Promise<MountResult> {
  const script =
    'unshare --mount true 2>/dev/null || exit 0; exec unshare --mount -- mount "$@"'
  return await runMountCommand('sh', [
    '-c',
    script,
    'sh',
    ...args,
    dirname(target),
  ])
}

function mountsAt(target: string): Mount[] {
  return readMountinfo().filter(({ mountpoint }) => mountpoint === target)
}
