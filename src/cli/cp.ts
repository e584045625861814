import { statSync } from 'node:fs'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { ContainerStreams } from '../streams/container-streams.ts'
import { Failure } from '../util/failure.ts'
import type { Command } from './command.ts'
import type { Context } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import { lookOptions } from './look/look-options.ts'
import type { ParsedOptions } from './options.ts'

export const cpCommand: Command = {
  name: 'cp',
  summary: 'copy files into a container, or out of it, as kubectl cp',
  usage: [
    'cp PATH [NAMESPACE/]POD:PATH [-c CONTAINER]',
    'cp [NAMESPACE/]POD:PATH PATH [-c CONTAINER]',
  ],
  description: `A directory with all that is in it. The container needs tar. Links are not copied out of a container:
they would lead elsewhere here. A PATH with a colon begins with ./ or /.`,
  examples: [
    { comment: 'into a container', line: 'podfs cp dump.sql db:/tmp/dump.sql' },
    {
      comment: 'out of it',
      line: 'podfs cp shop/web:/var/log/app ./logs -c app',
    },
  ],
  options: {
    ...lookOptions,
    container: { short: 'c', value: 'NAME', help: 'of this container' },
    'no-preserve': {
      help: 'not with the owner and the mode that a file has here',
    },
  },
  run,
}

/** One end of a copy; `pod`: in a container. */
interface Place {
  readonly namespace?: string
  readonly pod?: string
  readonly file: string
}

/** Runs a command in the container, with what is wanted of its streams. */
type Exec = (
  command: readonly string[],
  wanted: { readonly stdin: boolean; readonly stdout: boolean },
) => Promise<ContainerStreams>

async function run(context: Context, options: ParsedOptions): Promise<number> {
  const [from, to] = endsOf(options)
  const remote = from.pod === undefined ? to : from
  const [{ ApiFailure }, { serverError }, pods, { defaultContainer }] =
    await Promise.all([
      import('../client/api-client.ts'),
      import('./look/look-options.ts'),
      import('./look/the-pod.ts'),
      import('./look/pod-containers.ts'),
    ])
  try {
    const pod = await pods.runningPod(context, options, {
      word: remote.pod ?? '',
      verb: 'copy to or from',
      ...(remote.namespace && { namespace: remote.namespace }),
    })
    const container =
      options.value('container') ?? defaultContainer(context, pod.object)
    const exec: Exec = async (command, { stdin, stdout }) =>
      await pods.podStreams(pod, 'exec', {
        container,
        command,
        stdin,
        stdout,
        stderr: true,
        tty: false,
      })
    return from.pod === undefined
      ? await copyIn(context, exec, { from, to, options })
      : await copyOut(context, exec, { from, to })
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error
    context.stderr.line(serverError(error))
    return exitCodes.failed
  }
}

function endsOf(options: ParsedOptions): readonly [Place, Place] {
  const [first, second, ...more] = options.positionals
  if (first === undefined || second === undefined || more.length > 0)
    throw new Failure('usage', 'source and destination are required', {
      fix: 'podfs cp --help',
    })
  const [from, to] = [placeOf(first), placeOf(second)]
  if ((from.pod === undefined) === (to.pod === undefined))
    throw new Failure(
      'usage',
      'one of src or dest must be a local file specification, and the other one POD:PATH',
      { fix: 'podfs cp --help' },
    )
  return [from, to]
}

function placeOf(word: string): Place {
  if (/^[./]/.test(word)) return { file: word }
  const [, namespace, pod, file] =
    /^(?:([^/:]+)\/)?([^/:]+):(.*)$/s.exec(word) ?? []
  if (pod === undefined || file === undefined) return { file: word }
  if (file === '') throw new Failure('usage', 'filepath can not be empty')
  return { ...(namespace && { namespace }), pod, file }
}

async function copyIn(
  context: Context,
  exec: Exec,
  {
    from,
    to,
    options,
  }: {
    readonly from: Place
    readonly to: Place
    readonly options: ParsedOptions
  },
): Promise<number> {
  const source = path.resolve(context.cwd, from.file)
  if (statSync(source, { throwIfNoEntry: false }) === undefined)
    throw new Failure(
      'failed',
      `${from.file} doesn't exist in local filesystem`,
    )
  const name = path.basename(source)
  const there = trimmed(to.file)
  const test = await exec(['test', '-d', there], {
    stdin: false,
    stdout: false,
  })
  const isDirectory = isDone(await test.ended)
  const destination = isDirectory ? path.posix.join(there, name) : there
  const { create } = await import('tar')
  const archive = create(
    {
      cwd: path.dirname(source),
      onWriteEntry: entry => {
        entry.path = renamed(entry.path, name, path.basename(destination))
      },
    },
    [`./${name}`],
  )
  const streams = await exec(
    [
      'tar',
      ...(options.flag('no-preserve')
        ? ['--no-same-permissions', '--no-same-owner']
        : []),
      '-xmf',
      '-',
      '-C',
      path.posix.dirname(destination),
    ],
    { stdin: true, stdout: false },
  )
  const { stdin } = streams
  if (stdin === undefined) throw new Error('no way in')
  // A tar that has ended reads no more, and says why.
  const copied = pipeline(archive, stdin).catch(() => undefined)
  const [code] = await Promise.all([
    toldEnd(context, streams),
    Promise.race([copied, streams.ended]),
  ])
  return code
}

async function copyOut(
  context: Context,
  exec: Exec,
  { from, to }: { readonly from: Place; readonly to: Place },
): Promise<number> {
  const there = trimmed(from.file)
  const name = path.posix.basename(there)
  const here = path.resolve(context.cwd, to.file)
  const isDirectory = statSync(here, { throwIfNoEntry: false })?.isDirectory()
  const destination = isDirectory === true ? path.join(here, name) : here
  const cwd = path.dirname(destination)
  if (statSync(cwd, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new Failure('failed', `${cwd} is not a directory`)
  const { extract } = await import('tar')
  const streams = await exec(
    ['tar', 'cf', '-', '-C', path.posix.dirname(there), `./${name}`],
    { stdin: false, stdout: true },
  )
  const { stdout } = streams
  if (stdout === undefined) throw new Error('no way out')
  const unpack = extract({
    cwd,
    // What it does not take (a path that leads elsewhere) it says.
    onwarn: (_, message) => context.stderr.line(`warning: ${message}`),
    onReadEntry: entry => {
      entry.path = renamed(entry.path, name, path.basename(destination))
    },
    filter: (file, entry) => {
      const isLink =
        'type' in entry && ['SymbolicLink', 'Link'].includes(entry.type)
      if (isLink)
        context.stderr.line(
          `warning: skipping symlink: ${JSON.stringify(file)} -> ${JSON.stringify('linkpath' in entry ? entry.linkpath : '')}`,
        )
      return !isLink
    },
  })
  const unpacked = pipeline(stdout, unpack).then(
    () => undefined,
    (cause: Error) => cause,
  )
  const code = await toldEnd(context, streams)
  const cause = await unpacked
  // What a tar that has failed has written is none.
  if (cause === undefined || code !== exitCodes.done) return code
  throw new Failure('failed', `cannot copy: ${cause.message}`, { cause })
}

/** What it has to say, and what podfs exits with. */
async function toldEnd(
  context: Context,
  { stderr, ended }: ContainerStreams,
): Promise<number> {
  stderr?.on('data', (text: Buffer) =>
    context.stderr.text(text.toString('utf8')),
  )
  const end = await ended
  if (isDone(end)) return exitCodes.done
  context.stderr.line(
    'error' in end
      ? `error: Internal error occurred: ${end.error}`
      : `command terminated with exit code ${end.exitCode}`,
  )
  return exitCodes.failed
}

function isDone(end: Awaited<ContainerStreams['ended']>): boolean {
  return 'exitCode' in end && end.exitCode === 0
}

function trimmed(file: string): string {
  return file.replace(/(.)\/+$/, '$1')
}

/** `./FROM/a/b` is `TO/a/b`. */
function renamed(file: string, from: string, to: string): string {
  const plain = file.replace(/^\.\//, '')
  return plain === from || plain.startsWith(`${from}/`)
    ? to + plain.slice(from.length)
    : plain
}
