import path from 'node:path'
import { aborted } from '../util/aborted.ts'
import { count } from '../util/count.ts'
import { realPath } from '../linux/real-path.ts'
import { Failure } from '../util/failure.ts'
import type { Command } from './command.ts'
import type { Context } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import {
  backendOption,
  commonOptions,
  refuseEmpty,
  sourceOptions,
  verboseOption,
  type ParsedOptions,
} from './options.ts'
import { inputOf, type Input } from './input.ts'
import { selectedBy, selectorOption } from './selector-option.ts'
import { sessionOptions } from './session-options.ts'
import type { PodChoice } from '../pods/choose-pods.ts'
import type { MountTarget } from '../commands/mount-target.ts'
import type { MountSession } from '../commands/mounted-volumes.ts'

export const mountCommand: Command = {
  name: 'mount',
  summary: "serve a Pod's volumes, a ConfigMap, a Secret or a directory",
  usage: [
    'mount DIR MOUNTPOINT',
    'mount -f PATH.. --configmap NAME MOUNTPOINT',
    'mount -f PATH.. --secret NAME MOUNTPOINT',
    'mount -f PATH.. [--pod NAME | -l SELECTOR] [--volume NAME] MOUNTPOINT',
    'mount -k DIR | --helm CHART [--values FILE].. [as with -f] MOUNTPOINT',
  ],
  description: `Serves volumes with a kubelet's layout, modes and atomic updates until Ctrl-C or
'podfs unmount', and prints a line on stdout when the first byte can be read. Whatever changes
in the files named with -f, in DIR, or in what a kustomization or chart is made from, is published
at once.`,
  examples: [
    {
      comment: 'a directory as a ConfigMap volume',
      line: 'podfs mount ./conf /tmp/conf',
    },
    {
      comment: 'all volumes of the only Pod in a manifest, at /tmp/vols/VOLUME',
      line: 'podfs mount -f pod.yaml /tmp/vols',
    },
    {
      comment: 'one Secret, in the background',
      line: 'podfs mount -f k8s/ --secret db --detach /tmp/db',
    },
    {
      comment: 'the volumes of a Pod that kustomize makes',
      line: 'podfs mount -k overlays/dev --pod web /tmp/vols',
    },
  ],
  options: {
    ...sourceOptions,
    pod: { value: 'NAME', help: 'the Pod, when there are several' },
    ...selectorOption,
    volume: { value: 'NAME', help: 'only this volume, right at MOUNTPOINT' },
    configmap: {
      value: 'NAME',
      help: 'a ConfigMap as a volume, no Pod needed',
    },
    secret: { value: 'NAME', help: 'a Secret as a volume, no Pod needed' },
    detach: { short: 'd', help: 'return when ready, print the pid' },
    takeover: { help: 'take a live mount over from the podfs that serves it' },
    'allow-other': { help: 'let other users in, as far as the modes do' },
    ...backendOption,
    ...verboseOption,
    ...commonOptions,
  },
  run,
}

async function run(context: Context, options: ParsedOptions): Promise<number> {
  const { target, mountpoint, input } = whatToMount(context, options)
  if (options.flag('detach') && context.detachedReady === undefined)
    return await detach(context)

  const { mountVolumes } = await import('../commands/mount-session.ts')
  const { takeoverSignal } = await import('../session/public-mountpoint.ts')
  const { systemdOf } = await import('../session/systemd.ts')
  const stop = new AbortController()
  const stopListening = context.onSignal(() =>
    stop.abort(new Failure('failed', 'stopped before it was ready')),
  )
  const shared = await sessionOptions(context, options, input)
  const { clock, logger } = shared
  const systemd = systemdOf({ env: context.env, clock, logger })
  let session: MountSession
  try {
    session = await mountVolumes({
      settings: shared.settings,
      places: shared.places,
      clock,
      logger,
      report: shared.report,
      onMended: shared.onMended,
      paths: shared.paths,
      renderings: shared.renderings,
      namespace: shared.namespace,
      identities: shared.identities,
      target,
      mountpoint,
      allowOther: options.flag('allow-other'),
      takeover: options.flag('takeover'),
      detached: context.detachedReady !== undefined,
      abort: stop.signal,
    })
  } catch (error) {
    // Ctrl-C while a volume waits for a ConfigMap that does not come is a clean stop, too.
    if (error === stop.signal.reason) return exitCodes.done
    throw error
  }
  shared.started(input)
  // At once, whatever is under way: the podfs that takes over finishes or undoes it.
  // oxlint-disable-next-line unicorn/no-process-exit
  process.once(takeoverSignal, () => process.exit(exitCodes.done))
  const { lost } = session
  // umount(8) is how mount.podfs(8) is ended.
  const unmounted = session.unmounted.then(reason =>
    context.detachedReady === undefined ? reason : undefined,
  )
  const volumes = count(session.volumes, 'volume')
  context.stdout.line(`podfs: ${mountpoint} ready (${volumes})`)
  context.detachedReady?.()
  systemd.ready()
  systemd.status(`serving ${volumes} at ${mountpoint}`)
  systemd.feedWatchdog(() => session.isAlive())
  const reason = await Promise.race([lost, unmounted, aborted(stop.signal)])
  systemd.stopping()
  await session.close()
  stopListening()
  if (reason === undefined) return exitCodes.done
  throw new Failure('failed', `the mount at ${mountpoint} is lost: ${reason}`)
}

async function detach(context: Context): Promise<number> {
  const { startDetached } = await import('../session/detach.ts')
  const stop = new AbortController()
  const stopListening = context.onSignal(() => stop.abort())
  const outcome = await startDetached(
    context.argv,
    // Which has made it visible.
    text => context.stderr.raw(text),
    stop.signal,
  )
  stopListening()
  if (!outcome.ok) return outcome.exitCode
  context.stdout.line(`${outcome.pid}`)
  return exitCodes.done
}

interface Wanted {
  readonly target: MountTarget
  readonly mountpoint: string
  readonly input: Input
}

function whatToMount(context: Context, options: ParsedOptions): Wanted {
  const given = [...options.positionals]
  const last = given.pop()
  if (last === undefined)
    throw new Failure('usage', 'no MOUNTPOINT was given', {
      fix: 'podfs mount --help',
    })
  refuseEmpty(options.positionals, 'path')
  const mountpoint = realPath(path.resolve(context.cwd, last))
  const configMap = options.value('configmap')
  const secret = options.value('secret')
  const pod = options.value('pod')
  const selector = options.value('selector')
  const volume = options.value('volume')
  const chosen = Object.entries({ configmap: configMap, secret, pod, selector })
    .filter(([, value]) => value !== undefined)
    .map(([name]) => `--${name}`)
  if (chosen.length > 1)
    throw new Failure('usage', `${chosen.join(' and ')} exclude each other`)
  if (volume !== undefined && (configMap ?? secret) !== undefined)
    throw new Failure(
      'usage',
      `--volume goes with a Pod, not with ${chosen[0]}`,
    )

  const isRead = (['filename', 'kustomize', 'helm'] as const).some(
    name => options.values(name).length > 0,
  )
  if (!isRead) {
    const [directory, ...more] = given
    if (
      directory === undefined ||
      more.length > 0 ||
      chosen.length > 0 ||
      volume !== undefined
    )
      throw new Failure(
        'usage',
        directory === undefined
          ? 'what is to be mounted?'
          : more.length > 0
            ? `too much: ${given.join(', ')} and ${last}`
            : 'a Pod, volume, ConfigMap or Secret is read from a file: -f PATH',
        {
          fix: 'podfs mount DIR MOUNTPOINT, or podfs mount -f PATH MOUNTPOINT',
        },
      )
    return {
      target: {
        kind: 'directory',
        directory: path.resolve(context.cwd, directory),
      },
      mountpoint,
      input: { paths: [], renderings: [] },
    }
  }
  const target: MountTarget =
    configMap !== undefined
      ? { kind: 'configMap', name: configMap }
      : secret !== undefined
        ? { kind: 'secret', name: secret }
        : { kind: 'pod', choice: podChoice(pod, selector), volume }
  // `-f *.yaml` reaches us as one -f and further paths.
  return { target, mountpoint, input: inputOf(options, given, 'mount') }
}

function podChoice(
  name: string | undefined,
  selector: string | undefined,
): PodChoice {
  if (selector !== undefined) return selectedBy(selector)
  return name === undefined
    ? { kind: 'only' }
    : { kind: 'named', names: [name] }
}
