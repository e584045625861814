/*
 * The start of an ordinary user's mount: fusermount3(1) mounts, and hands over what it has opened
 * at /dev/fuse; this process then becomes the keeper, which inherits it as its descriptor 3. The
 * daemon must never have it (docs/architecture.md), and sh cannot receive it. fusermount.py is the
 * same for a machine without koffi.
 *
 * Arguments: fusermount3; the options; the mount point; how many dead mounts of podfs are to go
 * from there first, so late that the directory beneath is seen as shortly as can be; then the
 * keeper's program and words. Descriptors: as the keeper's (keeper.sh); 3 is anything.
 */
import { spawnSync } from 'node:child_process'
import { writeSync } from 'node:fs'
import { loadDescriptorCalls } from '../../linux/descriptor-calls.ts'
import {
  DAEMON_PIPE,
  EXIT_NO_KOFFI,
  FUSE_FD,
  JOURNAL_FILES,
} from './descriptors.ts'

const [
  fusermount = '',
  options = '',
  mountpoint = '',
  stale = '0',
  keeper = '',
  ...words
] = process.argv.slice(2)

/** The directory beneath a dead mount is seen for no longer than it takes. */
const mountScript = `
stale=$3
while [ "$stale" -gt 0 ]; do
  "$0" -u -z -q -- "$2"
  stale=$((stale - 1))
done
exec "$0" -o "$1" -- "$2"`

start().catch(error => fail(`podfs: ${(error as Error).message}`, 1))

async function start(): Promise<void> {
  const calls = await loadDescriptorCalls().catch((error: unknown) =>
    fail(`koffi: ${(error as Error).message.split('\n')[0]}`, EXIT_NO_KOFFI),
  )
  const [own, theirs] = calls.socketPair()
  const { status, error } = spawnSync(
    '/bin/sh',
    ['-c', mountScript, fusermount, options, mountpoint, stale],
    {
      stdio: ['ignore', 'ignore', 'inherit', theirs],
      env: { ...process.env, _FUSE_COMMFD: '3' },
    },
  )
  if (error !== undefined) throw error
  // It has said why.
  // oxlint-disable-next-line unicorn/no-process-exit
  if (status !== 0) process.exit(1)
  const connection = calls.receive(own)
  if (connection === undefined)
    throw new Error('nothing has come from fusermount3')
  calls.become(
    keeper,
    [keeper, ...words],
    new Map([
      [FUSE_FD, connection],
      ...[...JOURNAL_FILES, DAEMON_PIPE].map(file => [file, file] as const),
    ]),
  )
}

function fail(message: string, status: number): never {
  writeSync(2, `${message}\n`)
  // oxlint-disable-next-line unicorn/no-process-exit
  process.exit(status)
}
