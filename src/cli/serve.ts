import path from 'node:path'
import { renderingsOf } from '../session/renderings-of.ts'
import type { ServeSession } from '../commands/serve-session.ts'
import { layOver, type EffectiveSettings } from '../config/layers.ts'
import { aborted } from '../util/aborted.ts'
import { systemClock } from '../util/clock.ts'
import { count } from '../util/count.ts'
import { requireOwnNamespace } from '../session/own-namespace.ts'
import { ownNamespace } from '../session/user-namespace.ts'
import { Failure } from '../util/failure.ts'
import { shellWord } from '../util/shell-word.ts'
import { realPath } from '../linux/real-path.ts'
import type { Command } from './command.ts'
import type { Context } from './context.ts'
import { enterNetwork } from './enter-network.ts'
import { exitCodes } from './exit-codes.ts'
import type { Given } from './given.ts'
import { parseOptions, verboseOption, type ParsedOptions } from './options.ts'
import { outputTo } from './output.ts'
import {
  serveOptions,
  serveSettings,
  warnOfStrayVariables,
} from './serve-settings.ts'
import { sharedOptions } from './session-options.ts'
import { inBackground } from '../util/in-background.ts'
import { tellFailure } from './report.ts'

export const serveCommand: Command = {
  name: 'serve',
  summary: 'serve many Pods, ConfigMaps and Secrets at one mount, for weeks',
  usage: [
    'serve [--config FILE] [-f PATH..] [-k DIR..] [--helm CHART..] [--root DIR] [--access WHO]',
  ],
  description: `Serves everything that podfs.yaml (or -f, -k, --helm) names, in one tree at the setting 'root':

  ROOT/NAMESPACE/pods/POD/VOLUME
  ROOT/NAMESPACE/configmaps/NAME
  ROOT/NAMESPACE/secrets/NAME

What appears in the files appears there, what goes from them goes, and Pods with the annotation
podfs.io/run: "true" are run. SIGHUP, or 'podfs reload', reads podfs.yaml again. Stays in the
foreground; SIGTERM or Ctrl-C ends everything, a second one kills what still runs.`,
  examples: [
    {
      comment: 'what podfs.yaml says',
      line: 'podfs serve --config config/podfs.yaml',
    },
    {
      comment: 'a directory of manifests, at a place of your own',
      line: 'podfs serve -f k8s/ --root /tmp/podfs',
    },
    {
      comment: 'what kustomize makes of a directory, and of each edit in it',
      line: 'podfs serve -k overlays/dev --root /tmp/podfs',
    },
    {
      comment: 'with every Pod running, for the group of the developers',
      line: 'podfs serve -f k8s/ --run all --access group:developers',
    },
  ],
  options: { ...serveOptions, ...verboseOption },
  run,
}

async function run(context: Context, options: ParsedOptions): Promise<number> {
  const { positionals } = options
  // Told before it was started again.
  if (ownNamespace()?.gateway === undefined) warnOfStrayVariables(context)
  const load = async () =>
    withRealRoot(context, await serveSettings(context, options, positionals))
  const effective = await load()
  requireOwnNamespace()
  const { serve } = await import('../commands/serve-session.ts')
  const { takeoverSignal } = await import('../session/public-mountpoint.ts')
  const { systemdOf } = await import('../session/systemd.ts')
  const notice = (text: string): void => context.stderr.line(`podfs: ${text}`)

  let session: ServeSession | undefined
  let isStarted = false
  const stop = new AbortController()
  const stopListening = context.onSignal(signal => {
    if (signal === 'SIGHUP') {
      if (!stop.signal.aborted && session) inBackground(session.reload())
    } else if (stop.signal.aborted) {
      if (session) inBackground(session.terminate())
    } else stop.abort(new Failure('failed', 'stopped before it was ready'))
  })
  const shared = sharedOptions(context, options, effective.settings)
  const { places, clock, logger, report, onMended, identities } = shared
  const { settings } = effective
  const leaveNetwork = await enterNetwork('serve', { settings, places }, notice)
  const systemd = systemdOf({ env: context.env, clock, logger })
  try {
    session = await serve({
      places,
      clock,
      logger,
      report,
      onMended,
      identities,
      effective,
      load,
      notice,
      mistake: failure => tellFailure(context, failure),
      service: systemd,
      abort: stop.signal,
    })
    isStarted = true
  } catch (error) {
    if (error === stop.signal.reason) return exitCodes.done
    throw error
  } finally {
    if (!isStarted) stopListening()
  }
  const { root, sources } = effective.settings
  const { volumes, unpublished, mistakes } = session
  const { manifests, configMaps, secrets } = sources
  const renderings = renderingsOf(sources)
  shared.started({ paths: manifests, renderings })
  if ([manifests, renderings, configMaps, secrets].flat().length === 0)
    context.stderr.line(
      'warning: nothing to serve: podfs.yaml names no sources',
    )
  const facts = [
    count(volumes, 'volume'),
    ...(unpublished === 0 ? [] : [`${unpublished} not published`]),
    ...(mistakes === 0 ? [] : [count(mistakes, 'mistake')]),
  ]
  context.stdout.line(`podfs: ${root} ready (${facts.join(', ')})`)
  if (session.hidden !== undefined) {
    const { message, fix } = session.hidden
    notice(
      `${root} is seen in its namespaces only (${[message, fix].filter(Boolean).join('; ')}): nsenter --target=${process.pid} --user --mount --preserve-credentials -- ls ${shellWord(root)}`,
    )
  }
  const served = session
  systemd.feedWatchdog(() => served.isAlive())
  // The mount and the Pods stay for the next podfs.
  process.once(takeoverSignal, () => {
    // oxlint-disable-next-line unicorn/no-process-exit
    process.exit(exitCodes.done)
  })
  const reason = await Promise.race([session.lost, aborted(stop.signal)])
  const seconds = session.terminationSeconds()
  if (seconds > 0)
    notice(`ending the Pods, up to ${seconds} s; a second signal kills at once`)
  await session.terminate()
  try {
    await session.close()
  } finally {
    leaveNetwork()
    stopListening()
  }
  if (reason === undefined) return exitCodes.done
  throw new Failure('failed', `the mount at ${root} is lost: ${reason}`)
}

/**
 * The `root` of a `podfs serve` that has not begun; undefined where its arguments or podfs.yaml
 * have a mistake, which is told when it does.
 */
export async function rootOfServe(
  given: Given,
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  const nobody = outputTo({ write: () => undefined })
  const context: Context = {
    ...given,
    stdout: nobody,
    stderr: nobody,
    logFd: 2,
    stderrIsTerminal: false,
    colour: false,
    env,
    uid: process.getuid?.() ?? 0,
    clock: systemClock,
    onSignal: () => () => undefined,
  }
  try {
    const options = parseOptions(given.argv.slice(1), serveCommand.options)
    const { positionals } = options
    const effective = await serveSettings(context, options, positionals)
    return withRealRoot(context, effective).settings.root
  } catch {
    return undefined
  }
}

/** As the kernel names it, whoever types it how. */
function withRealRoot(
  { cwd }: Context,
  { given }: EffectiveSettings,
): EffectiveSettings {
  return layOver(
    given.map(setting =>
      setting.path.join('.') === 'root'
        ? {
            ...setting,
            value: realPath(path.resolve(cwd, String(setting.value))),
          }
        : setting,
    ),
  )
}
