import { Failure } from '../util/failure.ts'
import { loadLibc } from './libc.ts'

/** execve(2), which Node has from 22.15 on. It does not come back: what fails there aborts. */
type Execve = (file: string, args: readonly string[]) => never

/** As a shell writes it for `<(COMMAND)`. */
const descriptorPath = /^(?:\/dev\/fd|\/proc\/self\/fd)\/(\d+)$/

const F_SETFD = 2

/**
 * Becomes another program, with the same pid, parent, terminal and standard streams; descriptors
 * that `args` name (/dev/fd/N) stay open, and so do those that are `kept`. To be called before
 * anything has touched the standard streams: Node makes them non-blocking, for whoever else has
 * them, too.
 *
 * Throws a platform Failure where this Node cannot do it.
 */
export async function replaceProcess(
  args: readonly string[],
  kept: readonly number[] = [],
): Promise<never> {
  const [file = ''] = args
  const { execve } = process as { execve?: Execve }
  const named = args.flatMap(word => descriptorPath.exec(word)?.[1] ?? [])
  const descriptors = [...named.map(Number), ...kept]
  // Node has closed them to its successors, and has no call to open them.
  if (execve === undefined || descriptors.length > 0)
    await execByLibc(file, args, descriptors)
  return execve?.(file, args) as never
}

/** Whether other descriptors than the standard streams can stay open. */
export async function canKeepDescriptors(): Promise<boolean> {
  return await loadLibc().then(
    () => true,
    () => false,
  )
}

async function execByLibc(
  file: string,
  args: readonly string[],
  descriptors: readonly number[],
): Promise<never> {
  const { libc } = await loadLibc().catch((cause: unknown) => {
    throw new Failure(
      'platform',
      'podfs has to become another program here, for which Node before 22.15 needs the npm package koffi; it is not installed or not for this machine',
      { fix: 'npm install koffi; or Node 22.15', cause },
    )
  })
  const fcntl = libc.func('fcntl', 'int', ['int', 'int', 'int'])
  for (const fd of [0, 1, 2, ...descriptors]) fcntl(fd, F_SETFD, 0)
  libc.func('execv', 'int', ['str', 'str *'])(file, [...args, null])
  throw new Failure('platform', `cannot start ${file}`)
}
