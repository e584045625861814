import { replaceMountCommand } from './replace-mount.ts'
import { readMountinfo } from './mountinfo.ts'
import { type MountResult, runMountCommand } from './run-mount-command.ts'

/**
 * Mounts in the place of the dead mounts at a path. Where what that takes is not there
 * (unshare and nsenter of util-linux), they go first, and for a moment the directory beneath
 * is seen.
 */
export async function replaceDeadMount(
  target: string,
  args: readonly string[],
): Promise<MountResult> {
  const before = readMountinfo()
  const dead = before.filter(({ mountpoint }) => mountpoint === target)
  const parent = before.find(({ id }) => id === dead[0]?.parentId)
  const [command, ...words] = replaceMountCommand({
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
  })
  const replaced = await runMountCommand(command, words)
  const stays = readMountinfo().filter(
    ({ mountpoint }) => mountpoint === target,
  )
  const isDone = stays.every(({ id }) => dead.every(one => one.id !== id))
  if (replaced.ok && isDone) return replaced
  // -c: a path through a dead mount cannot be canonicalised. busybox has no -c.
  const script = 'umount -c -l "$0" 2>/dev/null || umount -l "$0"'
  for (const _ of stays) await runMountCommand('sh', ['-c', script, target])
  return await runMountCommand('mount', [...args, target])
}
