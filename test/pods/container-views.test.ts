import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { mountsBelow } from '../../src/linux/mountinfo.ts'
import { unmountPath } from '../../src/linux/unmount-path.ts'
import { ContainerViews } from '../../src/pods/container-views.ts'
import { SessionRecord } from '../../src/server/session-record.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { podAroundObject } from '../../src/volumes/pod-volumes.ts'
import type { VolumeState } from '../../src/volumes/published-volume.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import {
  cannotMount,
  deadMount,
  makeTemporaryDirectory,
} from '../helpers/fuse-mount.ts'

const skip = await cannotMount()

const pod = podAroundObject({
  name: 'p',
  namespace: 'default',
  source: {
    path: 'p.yaml',
    line: 1,
    column: 1,
    positionOf: () => ({ path: 'p.yaml', line: 1, column: 1 }),
  },
  volume: 'v',
  object: { kind: 'ConfigMap', name: 'c' },
})

function world(t: Test) {
  const clock = new FakeClock()
  const record = new SessionRecord(clock)
  let failure: string | undefined
  let renewed = 0
  const directory = makeTemporaryDirectory(t)
  for (const name of ['first/rw', 'next/rw', 'run'])
    mkdirSync(path.join(directory, name), { recursive: true })
  const views = new ContainerViews({
    pod,
    directory: path.join(directory, 'run'),
    renew: () => {
      renewed += 1
      return failure === undefined
        ? Promise.resolve()
        : Promise.reject(new Error(failure))
    },
    record,
    clock,
    logger: silentLogger,
  })
  const publish = (error?: string): void =>
    record.volume({
      namespace: 'default',
      pod: 'p',
      volume: 'v',
      type: 'configMap',
      mountpoints: [],
      generation: 1,
      keys: 1,
      objects: [],
      control: {} as never,
      ...(error === undefined ? {} : { error }),
    })
  publish()
  return {
    clock,
    record,
    directory,
    views,
    renewed: () => renewed,
    publish,
    fails: (message: string | undefined) => (failure = message),
    line: () => record.findVolume('default', 'p', 'v')?.containersError,
    state: (error?: string): VolumeState => ({
      volume: pod.spec.volumes[0] as VolumeState['volume'],
      generation: 1,
      keys: 1,
      ...(error === undefined ? {} : { error }),
    }),
  }
}

t.test('a container that keeps a lost volume is told of', async t => {
  const { clock, record, views, publish, fails, line } = world(t)
  fails('no such mount')
  await views.show()
  t.equal(line(), undefined, 'another try may mend it')
  await clock.advance(2000)
  t.match(line(), 'the containers do not see it as it is: no such mount')
  t.match(record.events, [
    {
      type: 'Warning',
      reason: 'FailedMount',
      message: /^Volume "v": the containers do not see it as it is/,
      involvedObject: { kind: 'Pod', name: 'p' },
    },
  ])
  publish()
  t.match(line(), 'no such mount', 'also when it is published anew')
  fails(undefined)
  await clock.advance(2000)
  await clock.advance(2000)
  t.equal(line(), undefined, 'it has been tried again')
  views.close()
})

t.test('so is one that shows an old generation', async t => {
  const { clock, record, views, publish, line, state } = world(t)
  views.published(state('EROFS'))
  await clock.advance(2000)
  t.match(line(), 'EROFS')
  t.equal(record.events.length, 1)
  views.published(state())
  await clock.advance(2000)
  t.equal(line(), undefined)

  publish('references non-existent secret')
  views.published(state('references non-existent secret'))
  await clock.advance(2000)
  t.equal(line(), undefined, 'what is told of the volume is told once')
  views.published(state('EIO'))
  await clock.advance(2000)
  t.match(line(), 'EIO')
  views.close()
  t.equal(line(), undefined)
})

t.test('what a podfs before has left them', { skip }, async t => {
  const { directory, views, renewed } = world(t)
  t.teardown(async () => {
    views.close()
    for (const { mountpoint } of (await mountsBelow(directory)).toReversed())
      await unmountPath(mountpoint, { lazy: true })
  })
  const at = (name: string): string => path.join(directory, name)
  for (const name of ['first', 'next']) await deadMount(at(`${name}/rw`))
  const current = (name: string) => ({
    directory: at(name),
    backend: {} as never,
  })
  await views.showIfOther(current('first'))
  t.equal(renewed(), 1, 'nothing of podfs’s')
  mkdirSync(at('run/v'))
  execFileSync('mount', ['-n', '--bind', at('first/rw'), at('run/v')])
  await views.showIfOther(current('first'))
  t.equal(renewed(), 1, 'the same mount')
  await views.showIfOther(current('next'))
  t.equal(renewed(), 2, 'another mount')
})
