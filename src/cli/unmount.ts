import path from 'node:path'
import { placesOf } from '../session/places.ts'
import { realPath } from '../linux/real-path.ts'
import { Failure } from '../util/failure.ts'
import type { Command } from './command.ts'
import { exitCodes } from './exit-codes.ts'
import { commonOptions, refuseEmpty } from './options.ts'

export const unmountCommand: Command = {
  name: 'unmount',
  summary: 'end what podfs serves at a mount point',
  usage: ['unmount [--lazy] MOUNTPOINT'],
  examples: [
    { comment: 'the end of podfs mount', line: 'podfs unmount /tmp/conf' },
    {
      comment: 'also when programs still have files open there',
      line: 'podfs unmount --lazy /tmp/conf',
    },
  ],
  options: {
    lazy: { help: 'detach the mount even when processes hold it' },
    help: commonOptions.help,
  },
  run: async (context, options) => {
    const [mountpoint, ...more] = options.positionals
    if (mountpoint === undefined || more.length > 0)
      throw new Failure('usage', 'one MOUNTPOINT is needed', {
        fix: 'podfs unmount --help',
      })
    refuseEmpty([mountpoint], 'MOUNTPOINT')
    const { unmount } = await import('../commands/unmount.ts')
    await unmount({
      mountpoint: realPath(path.resolve(context.cwd, mountpoint)),
      runtime: placesOf(context.env, context.uid).runtime,
      lazy: options.flag('lazy'),
      clock: context.clock,
    })
    return exitCodes.done
  },
}
