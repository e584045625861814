import { items, part, text, type JsonObject } from '../api/json.ts'
import { Failure } from '../util/failure.ts'
import type { Command } from './command.ts'
import type { Context } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import { lookOptions } from './look/look-options.ts'
import type { ParsedOptions } from './options.ts'

export const attachCommand: Command = {
  name: 'attach',
  summary: 'see and type what a container prints and reads, as kubectl attach',
  usage: ['attach [-i] [-t] POD [-c CONTAINER]'],
  description: `Everything from now on; what came before, podfs logs has. To type, the container needs stdin: true.`,
  examples: [
    { comment: 'what it prints', line: 'podfs attach web' },
    { comment: 'a container with a terminal', line: 'podfs attach -it shell' },
  ],
  options: {
    ...lookOptions,
    container: { short: 'c', value: 'NAME', help: 'to this container' },
    stdin: { short: 'i', help: 'pass standard input to the container' },
    tty: { short: 't', help: "as the container's terminal" },
    quiet: { short: 'q', help: 'say nothing but what the container says' },
  },
  run,
}

async function run(context: Context, options: ParsedOptions): Promise<number> {
  const [word, ...more] = options.positionals
  if (word === undefined || more.length > 0)
    throw new Failure('usage', 'one POD or TYPE/NAME is needed', {
      fix: 'podfs attach --help',
    })
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
      verb: 'attach to',
    })
    const name =
      options.value('container') ?? defaultContainer(context, pod.object)
    const container = containerOf(pod.object, name)
    const isQuiet = options.flag('quiet')
    const hasTerminal = container['tty'] === true
    if (options.flag('tty') && !hasTerminal && !isQuiet)
      context.stderr.line(
        `error: Unable to use a TTY - container ${name} did not allocate one`,
      )
    const wanted = streaming.wantedOf(context, {
      stdin: options.flag('stdin'),
      tty: hasTerminal && options.flag('tty'),
    })
    if (wanted.stdin && container['stdin'] !== true)
      throw new Failure(
        'failed',
        `container ${name} reads from /dev/null: nothing can be typed`,
        { fix: 'stdin: true in its manifest' },
      )
    const streams = await pods.podStreams(pod, 'attach', {
      container: name,
      stdin: wanted.stdin,
      stdout: true,
      // A terminal has one output, whoever looks.
      stderr: !hasTerminal,
      tty: hasTerminal,
    })
    if (wanted.stdin && wanted.tty && !isQuiet)
      context.stderr.line(
        "If you don't see a command prompt, try pressing enter.",
      )
    return await streaming.runStreams(context, streams, wanted)
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error
    context.stderr.line(serverError(error))
    return exitCodes.failed
  }
}

function containerOf(pod: JsonObject, name: string): JsonObject {
  const spec = part(pod, 'spec')
  return (
    (['containers', 'initContainers', 'ephemeralContainers'] as const)
      .flatMap(key => items(spec, key))
      .find(each => text(each['name']) === name) ?? {}
  )
}
