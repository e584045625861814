/**
 * The keeper of an ordinary user's mount, which fusermount3(1) makes and hands over to a program
 * that becomes the keeper: one of Node, where koffi can be loaded, else one of Python
 * (keeper/fusermount-main.ts).
 */
import type { ChildProcess } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { findOnHost } from '../../linux/machine-tools.ts'
import { MountError } from '../../linux/mount-error.ts'
import { PODFS_TYPE, readMountinfo } from '../../linux/mountinfo.ts'
import { errorCode } from '../../util/error-code.ts'
import { shellWord } from '../../util/shell-word.ts'
import { entryPoint } from './entry-points.ts'
import {
  type KeeperEvents,
  keeperEvents,
  type KeeperOptions,
  type PublicPlace,
  startKeeper,
} from './keeper-process.ts'
import { EXIT_NO_KOFFI } from '../keeper/descriptors.ts'
import type { Logger } from '../../util/logger.ts'

type UserKeeperOptions = KeeperOptions & {
  readonly publicAt: PublicPlace
  readonly logger: Logger
}

export interface StartedKeeper {
  readonly keeper: ChildProcess
  readonly events: KeeperEvents
}

/** Rejects with a MountError that says what to do. */
export async function startUserKeeper(
  options: UserKeeperOptions,
): Promise<StartedKeeper> {
  const fusermount = findOnHost('fusermount3')
  refuseWithoutFuse(fusermount)
  const { target } = options.publicAt
  const dead = deadMountsAt(target)
  const words = [
    fusermount,
    fusermountOptions(options.directory, options.allowOther),
    target,
    String(dead),
  ]
  const python = findOnHost('python3')
  const starters = [
    [process.execPath, entryPoint('fusermount.cjs')],
    ...(python === undefined
      ? []
      : [[python, '-I', entryPoint('fusermount.py')]]),
  ]
  for (const starter of starters) {
    const keeper = await startKeeper({ ...options, again: dead > 0 }, [
      ...starter,
      ...words,
    ])
    const events = keeperEvents(keeper, options.logger)
    if ((await events.mounted) !== undefined) return { keeper, events }
    await events.reason
    events.close()
    if (keeper.exitCode !== EXIT_NO_KOFFI)
      throw refusalOf(events.said() ?? '', options)
  }
  throw new MountError(
    'MOUNT_NO_BACKEND',
    '',
    "an ordinary user's mount needs the npm package koffi or python3, and neither is there",
    { fix: 'npm install koffi, or: apt-get install python3' },
  )
}

function refuseWithoutFuse(
  fusermount: string | undefined,
): asserts fusermount is string {
  if (fusermount === undefined)
    throw new MountError(
      'MOUNT_NO_BACKEND',
      '',
      'an ordinary user mounts with fusermount3, which is not on this machine',
      { fix: 'sudo apt-get install fuse3; or --backend dir' },
    )
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK)
  } catch (error) {
    const isThere = errorCode(error) === 'EACCES'
    throw new MountError(
      'MOUNT_FAILED',
      '',
      isThere ? '/dev/fuse is closed to this user' : 'there is no /dev/fuse',
      {
        cause: error,
        fix: isThere
          ? 'sudo chmod 0666 /dev/fuse; or --backend dir'
          : 'sudo modprobe fuse; or --backend dir',
      },
    )
  }
}

/**
 * Not noexec: scripts in a ConfigMap are executed. The runtime directory is the name by which the
 * mount is found: numbers of devices are given away again.
 */
export function fusermountOptions(
  directory: string,
  allowOther: boolean,
): string {
  const name = directory.replaceAll(/[\\,]/g, '\\$&')
  const access = allowOther ? ',allow_other' : ''
  return `rw,nosuid,nodev,default_permissions${access},subtype=podfs,fsname=${name}`
}

/** How many mounts of podfs of this user are stacked there: all dead, else this one would not begin. */
function deadMountsAt(target: string): number {
  return readMountinfo().filter(
    ({ mountpoint, type, superOptions }) =>
      mountpoint === target &&
      type === PODFS_TYPE &&
      superOptions.includes(`user_id=${process.getuid?.()}`),
  ).length
}

/** What fusermount3 has said (libfuse, util/fusermount.c), with what to type. */
export function refusalOf(
  said: string,
  { publicAt: { target } }: Pick<UserKeeperOptions, 'publicAt'>,
): MountError {
  const word = shellWord(target)
  const refusal = (message: string, fix: string): MountError =>
    new MountError('MOUNT_FAILED', '', message, { fix })
  if (said.includes('user_allow_other'))
    return refusal(
      '--allow-other is for root only, unless /etc/fuse.conf has the line user_allow_other',
      'echo user_allow_other | sudo tee -a /etc/fuse.conf',
    )
  if (/no write access|not owned by user/.test(said))
    return refusal(
      `a mount point must belong to the user who mounts, and be writable: ${target}`,
      `sudo chown ${process.getuid?.()} ${word}; or another directory`,
    )
  if (said.includes('too many FUSE'))
    return refusal(
      said,
      'unmount some, or set mount_max in /etc/fuse.conf to more',
    )
  if (said.includes('could not determine username'))
    return refusal(
      `fusermount3 finds no name of uid ${process.getuid?.()}`,
      'add the uid to /etc/passwd; or --backend dir',
    )
  if (said.includes('mounting over filesystem type'))
    return refusal(said, 'take a directory in your home')
  return new MountError(
    'MOUNT_FAILED',
    target,
    said || 'no word of fusermount3',
  )
}
