import { withServiceAccountVolume } from '../api/automount.ts'
import { choosePodsToRun, type PodChoice } from '../pods/choose-pods.ts'
import { claimEmptyDirs } from '../pods/empty-dirs.ts'
import {
  refuseUnknownImages,
  tellLackingApplets,
  tellMissingBusybox,
} from '../pods/image-notices.ts'
import { logFileSettings } from '../pods/log-settings.ts'
import { nodePolicy } from '../pods/node-policy.ts'
import { thisNode } from '../pods/node-info.ts'
import { PodAddresses } from '../pods/pod-addresses.ts'
import { PodServices } from '../pods/pod-services.ts'
import {
  hostServiceNetwork,
  podServiceNetwork,
} from '../pods/service-network.ts'
import { PodFleet } from '../pods/pod-fleet.ts'
import type { PodNetworks, PodSessionContext } from '../pods/pod-session.ts'
import {
  publishedPorts,
  refuseUnusedPorts,
  type PublishedPort,
} from '../pods/published-ports.ts'
import { Replicas } from '../pods/replicas.ts'
import { runPolicy } from '../pods/run-policy.ts'
import { refuseUnmappedIds } from '../pods/unmapped-ids.ts'
import type { PodOutcome } from '../pods/pod-outcome.ts'
import { OutputLines } from '../runner/lifecycle/output-lines.ts'
import { SessionRecord } from '../server/session-record.ts'
import type { Cleanup } from '../session/cleanup.ts'
import type { SessionDirectory } from '../session/runtime-directory.ts'
import { startSessionServer } from '../session/session-server.ts'
import {
  lazyServiceAccounts,
  readManifests,
  type InputOptions,
  type SessionOptions,
} from '../session/session.ts'
import { Store } from '../store/store.ts'
import { allSettled } from '../util/all-settled.ts'
import { deferred } from '../util/deferred.ts'
import { inBackground } from '../util/in-background.ts'
import { HistoryBudget } from '../volumes/history-budget.ts'

export interface RunRequest extends SessionOptions {
  readonly choice: PodChoice
  /** CronJobs that are run besides what a choice of many has: `cronjob/NAME`. */
  readonly cronJobs: readonly string[]
  /** `PATTERN=COMMAND` of each --image. */
  readonly images: readonly string[]
  /** Ports of this machine that lead to one of a Pod. */
  readonly publish: readonly PublishedPort[]
  /** Whether a changed Pod is ended and started anew. */
  readonly recreate: boolean
  readonly hostRoot: boolean
  readonly onOutput: (stream: 'stdout' | 'stderr', lines: Uint8Array) => void
  /** A line for the person at the terminal that is neither output nor a mistake. */
  readonly notice: (text: string) => void
}

export interface RunSession {
  /** Resolves when every Pod has ended, each with its last run. */
  readonly finished: Promise<readonly PodOutcome[]>
  /** The longest of what runs. */
  readonly terminationSeconds: () => number
  /** Ends the Pods as their deletion does; the second call kills what is left at once. */
  terminate(): void
  /** Undoes everything; the Pods have finished. */
  close(): Promise<void>
}

/** What a run has before it knows its Pods. */
interface PreparedRun extends Pick<PodSessionContext, 'mount' | 'images'> {
  readonly session: SessionDirectory
  /** Absent: Pods use the machine's network. */
  readonly provider?: PodNetworks['provider']
}

/** Reads the manifests and starts the Pods. What it has made is undone by `cleanup`. */
export async function runPods(
  given: RunRequest,
  { session, mount, images, provider }: PreparedRun,
  cleanup: Cleanup,
): Promise<RunSession> {
  const { settings, places, clock, logger, namespace } = given
  const { choice, cronJobs, recreate, hostRoot } = given
  const lines = new OutputLines(given.onOutput, clock)
  const interrupting =
    <T>(tell: (what: T) => void) =>
    (what: T): void => {
      lines.interrupt()
      tell(what)
    }
  const notice = interrupting(given.notice)
  const report = interrupting(given.report)
  const onMended = interrupting(given.onMended)
  const { paths, renderings, identities } = given
  const input: InputOptions = {
    clock,
    report,
    onMended,
    paths,
    renderings,
    namespace,
    identities,
  }
  const replicas = new Replicas()
  const store = new Store({
    admit: withServiceAccountVolume,
    expand: first => replicas.expand(first),
  })
  const accounts = lazyServiceAccounts(given)
  const underWay = deferred<void>()
  const [toRun, node, emptyDirs] = await allSettled([
    readManifests(input, store, underWay.promise).then(source => {
      cleanup.add('source', () => source.close())
      const toRun = choosePodsToRun(store, namespace, choice, cronJobs)
      refuseUnusedPorts(given.publish, toRun.pods)
      refuseUnknownImages(toRun.pods, images, report)
      refuseUnmappedIds(toRun.pods, report)
      tellMissingBusybox(toRun.pods, images, notice)
      return toRun
    }),
    thisNode(settings.node),
    claimEmptyDirs(places, session.directory).then(emptyDirs => {
      cleanup.add('emptyDirs', () => emptyDirs.remove())
      return emptyDirs
    }),
  ])
  const record = new SessionRecord(clock)
  const addresses = new PodAddresses(places.runtime, session)
  const services = new PodServices({
    store,
    record,
    network:
      provider === undefined
        ? hostServiceNetwork(addresses)
        : podServiceNetwork(places.runtime, session, settings.serviceSubnet),
    clusterDomain: settings.clusterDomain,
    clock,
    logger,
    notice,
    startProxy: async tell => {
      // Only where the input has a Service.
      const { ServiceProxy } = await import('../services/service-proxy.ts')
      return new ServiceProxy({ clock, tell, resolvConf: '/etc/resolv.conf' })
    },
  })
  services.start()
  cleanup.add('Services', () => services.close())
  const context: PodSessionContext = {
    clock,
    logger,
    places,
    clusterDomain: settings.clusterDomain,
    backoffScale: settings.backoffScale,
    backend: settings.backend,
    report,
    notice,
    store,
    session,
    record,
    historyBudget: new HistoryBudget(),
    mount,
    node,
    addresses,
    services,
    images,
    policy: nodePolicy(settings, places.state, process.cwd(), [
      ...paths,
      ...renderings.map(each =>
        each.kind === 'helm' ? each.chart : each.directory,
      ),
    ]),
    tokens: accounts.tokens,
    rootCertificate: accounts.rootCertificate,
    emptyDirs: emptyDirs.directory,
    logFiles: logFileSettings(settings, places, emptyDirs),
    lines,
    hostRoot,
    ...(provider && {
      network: { provider, publish: pod => publishedPorts(given.publish, pod) },
    }),
  }
  const end = deferred<readonly PodOutcome[]>()
  // Nobody waits for it when the start fails meanwhile, and tells why.
  end.promise.catch(() => undefined)
  const fleet = new PodFleet({
    context: () => context,
    policy: runPolicy(choice, recreate, context, end.reject),
    onIdle: () => {
      if (fleet.running > 0) return
      if (fleet.size > 1) notice('every Pod has ended')
      end.resolve(fleet.outcomes)
    },
  })
  cleanup.add('Pods', () => fleet.kill())
  inBackground(tellLackingApplets(toRun.pods, images, notice))
  for (const pod of toRun.leftOut) fleet.leaveOut(pod)
  for (const pod of toRun.pods) fleet.add(pod)
  cleanup.add(
    'API',
    startSessionServer({
      clock,
      logger,
      issuer: accounts.issuer,
      session,
      store,
      record,
      node,
      mount: await mount,
      startsPods: true,
      control: fleet,
      scaling: replicas,
      onUnderWay: underWay.resolve,
    }),
  )
  fleet.follow()
  cleanup.add(
    'replicas',
    replicas.follow({
      store,
      record,
      isToRun: () => true,
      notice,
      report,
      // The Pods end with this podfs.
      save: () => undefined,
    }),
  )
  return {
    finished: end.promise,
    terminationSeconds: () => fleet.terminationSeconds(),
    terminate: () => {
      // A countdown may be drawn at the end of the output.
      lines.keepInterrupted()
      inBackground(mount.then(mount => mount.endIfHung()))
      inBackground(fleet.terminate())
    },
    close: async () => {
      await (await mount).endIfHung()
      await cleanup.run()
    },
  }
}
