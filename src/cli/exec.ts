import { Failure } from '../util/failure.ts'
import type { Command } from './command.ts'
import type { Context } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import { lookOptions } from './look/look-options.ts'
import type { ParsedOptions } from './options.ts'

export const execCommand: Command = {
  name: 'exec',
  summary: 'run a command in a container, as kubectl exec',
  usage: [
    'exec [-i] [-t] POD [-c CONTAINER] -- COMMAND [ARGS...]',
    'exec [-i] [-t] TYPE/NAME [-c CONTAINER] -- COMMAND [ARGS...]',
  ],
  description: `The command has the container's environment, user, working directory and files. podfs exits with
its exit code. When podfs is ended before, the command is hung up, and killed two seconds later.`,
  examples: [
    { comment: 'what is in a volume', line: 'podfs exec web -- ls -l /config' },
    { comment: 'a shell', line: 'podfs exec -it web -c app -- sh' },
    {
      comment: 'a file of this machine as its standard input',
      line: 'podfs exec -i statefulset/db -- psql < dump.sql',
    },
  ],
  options: {
    ...lookOptions,
    container: { short: 'c', value: 'NAME', help: 'in this container' },
    stdin: { short: 'i', help: 'pass standard input to the command' },
    tty: { short: 't', help: 'give the command a terminal' },
    quiet: { short: 'q', help: 'say nothing but what the command says' },
  },
  run,
}

async function run(context: Context, options: ParsedOptions): Promise<number> {
  const [word, ...command] = options.positionals
  if (word === undefined)
    throw new Failure('usage', 'one POD or TYPE/NAME is needed', {
      fix: 'podfs exec --help',
    })
  if (command.length === 0)
    throw new Failure(
      'usage',
      'you must specify at least one command for the container',
      { fix: `podfs exec ${word} -- COMMAND` },
    )
  const [{ ApiFailure }, { serverError }, pods, streaming] = await Promise.all([
    import('../client/api-client.ts'),
    import('./look/look-options.ts'),
    import('./look/the-pod.ts'),
    import('./look/run-streams.ts'),
  ])
  const { defaultContainer } = await import('./look/pod-containers.ts')
  try {
    const pod = await pods.runningPod(context, options, {
      word,
      verb: 'exec into',
    })
    const container =
      options.value('container') ?? defaultContainer(context, pod.object)
    const wanted = streaming.wantedOf(context, {
      stdin: options.flag('stdin'),
      tty: options.flag('tty'),
    })
    const streams = await pods.podStreams(pod, 'exec', {
      container,
      command,
      stdin: wanted.stdin,
      stdout: true,
      stderr: !wanted.tty,
      tty: wanted.tty,
    })
    return await streaming.runStreams(context, streams, {
      ...wanted,
      tellsCode: !options.flag('quiet'),
    })
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error
    context.stderr.line(serverError(error))
    return exitCodes.failed
  }
}
