import type { Test } from 'tap'

import type { ConfigMap, Pod, Secret } from '../../src/api/types.ts'
import { createImageMap } from '../../src/runner/launch/images.ts'
import {
  PodRunner,
  type PodEvent,
  type PodRunnerOptions,
} from '../../src/runner/pod-runner.ts'
import type { PodStatus } from '../../src/runner/status/pod-status.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { FakeClock } from './fake-clock.ts'
import { FakeRuntime, settle, type FakeBehaviour } from './fake-runtime.ts'
import { makeNode, usualPolicy } from './make-objects.ts'

export interface HarnessOptions {
  readonly pod: Pod
  readonly behaviours?: Readonly<Record<string, FakeBehaviour>>
  readonly options?: Partial<PodRunnerOptions>
}

/** A PodRunner on a fake machine, and everything it says. */
export class PodRunnerHarness {
  readonly clock = new FakeClock()
  readonly runtime: FakeRuntime
  readonly runner: PodRunner
  readonly statuses: PodStatus[] = []
  readonly events: PodEvent[] = []
  readonly output: string[] = []
  readonly configMaps = new Map<string, ConfigMap>()
  readonly secrets = new Map<string, Secret>()
  readonly hostsFile: string

  constructor(t: Test, { pod, behaviours, options }: HarnessOptions) {
    this.runtime = new FakeRuntime(behaviours)
    this.hostsFile = `${t.testdir()}/hosts`
    this.runner = new PodRunner({
      pod,
      node: makeNode(),
      podIP: '127.1.2.3',
      runtime: this.runtime,
      clock: this.clock,
      logger: silentLogger,
      secret: name => this.secrets.get(name),
      configMap: name => this.configMaps.get(name),
      images: createImageMap(),
      policy: usualPolicy,
      volume: async name => ({
        path: `/volumes/${name}`,
        readOnly: true,
        recursive: false,
      }),
      hostsFile: this.hostsFile,
      passwdFile: `${this.hostsFile}-passwd`,
      emptyDirectories: `${t.testdirName}/empty`,
      terminationLogs: `${t.testdirName}/termination-logs`,
      hostHosts: () => '',
      onOutput: (name, stream, chunk) =>
        this.output.push(`${name} ${stream} ${chunk.toString()}`),
      onOutputEnd: name => this.output.push(`${name} end`),
      onStatus: status => this.statuses.push(status),
      onEvent: event => this.events.push(event),
      ...options,
    })
  }

  async start(): Promise<void> {
    this.runner.start()
    await settle()
  }

  async exit(name: string, exitCode: number): Promise<void> {
    this.runtime.exit(name, exitCode)
    await settle()
  }

  async advance(ms: number): Promise<void> {
    await this.clock.advance(ms)
    await settle()
  }

  get status(): PodStatus {
    const status = this.statuses.at(-1)
    if (status === undefined) throw new Error('no status yet')
    return status
  }

  /** What is said of one container now. */
  container(name: string) {
    const { initContainerStatuses = [], containerStatuses } = this.status
    const all = [...initContainerStatuses, ...containerStatuses]
    const status = all.find(candidate => candidate.name === name)
    if (status === undefined) throw new Error(`no status of ${name}`)
    return status
  }

  condition(type: string) {
    return this.status.conditions.find(condition => condition.type === type)
  }

  /** `REASON MESSAGE` of the events with these reasons. */
  told(...reasons: readonly string[]): readonly string[] {
    return this.events
      .filter(({ reason }) => reasons.includes(reason))
      .map(({ reason, message }) => `${reason} ${message}`)
  }

  /** What happened since the last call. */
  journal(): readonly string[] {
    return this.runtime.journal.splice(0)
  }
}
