/*
 * Begins a mount that another process goes on with (mount-outside.ts), and ends: that one is in a
 * user namespace, where fusermount3(1) has no rights. Argument: the mount's options, as JSON. Says
 * what went wrong as JSON, too.
 */
import { writeSync } from 'node:fs'
import type { Logger } from '../../util/logger.ts'
import type { MountError } from '../../linux/mount-error.ts'
import { type FuseMountOptions, mountFuse } from './mount.ts'

const nothing = (): void => {}
/** Whoever goes on tells of what happens from then on. */
const logger = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
} as unknown as Logger

const options = JSON.parse(process.argv[2] ?? '{}') as FuseMountOptions
mountFuse({ ...options, logger }).then(
  // oxlint-disable-next-line unicorn/no-process-exit
  () => process.exit(0),
  (error: unknown) => {
    const { code, message, fix } = error as MountError
    writeSync(1, JSON.stringify({ code, message, fix }))
    // oxlint-disable-next-line unicorn/no-process-exit
    process.exit(1)
  },
)
