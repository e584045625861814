/*
 * Nothing happens, and nothing wakes: none of podfs's processes looks at anything by a timer.
 * In a mount namespace of its own, where nobody else mounts, and with its files on a tmpfs there:
 * what happens beside a source is looked at.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { cannotStart, needsRoot } from '../helpers/capability.ts'
import { eventually, isRunning, startPodfs } from '../helpers/podfs.ts'
import { processesBelow } from '../../bench/memory.ts'
import { wakeupsOf } from '../../bench/wakeups.ts'

t.setTimeout(180_000)
const skip = cannotStart() || needsRoot('machine')

const windowMs = 4000
/** Of all processes together, in that time: a look once a second, of one of them, is more. */
const fewWakeups = 3

const manifests = `apiVersion: v1
kind: ConfigMap
metadata: {name: config}
data: {colour: blue}
---
apiVersion: v1
kind: Service
metadata: {name: s}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: p, annotations: {podfs.io/run: "true"}}
spec:
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 1
  volumes: [{name: v, configMap: {name: config}}]
  containers:
  - {name: c, image: debian, command: [sleep, '100000'], volumeMounts: [{name: v, mountPath: /v}]}
`

/** Waits for a while in which they sleep; without one the test's time-out is reached. */
async function untilQuiet(pids: () => readonly number[]): Promise<void> {
  let before
  do {
    before = wakeupsOf(pids())
    await delay(windowMs)
  } while (wakeupsOf(pids()) - before > fewWakeups)
}

t.test(
  'podfs serve with a Pod and a Service: its own mount, without a daemon, an adopted one',
  { skip },
  async t => {
    const { enter, root } = await startNamespace(t)
    mkdirSync(path.join(root, 'mnt/k8s'))
    writeFileSync(path.join(root, 'mnt/k8s/all.yaml'), manifests)
    const args = ['serve', '-f', '/mnt/k8s', '--root', '/mnt/root']
    const first = startPodfs(t, args, { wrapper: enter })
    await first.saw(/ready/)
    const all = (): number[] => processesBelow(first.pid)
    // The last one to be started is the container's, or findmnt.
    await eventually(() => ['sleep', 'findmnt'].every(has(all)))
    await untilQuiet(all)
    t.pass('its own mount')

    const left = all().filter(pid => pid !== first.pid)
    t.equal(left.filter(isProxy).length, 1)
    first.child.kill('SIGKILL')
    await first.ended
    await untilQuiet(() => left.filter(isRunning))
    t.pass('without a daemon')

    const second = startPodfs(t, args, { wrapper: enter })
    await second.saw(/ready/)
    const both = (): number[] => [
      ...processesBelow(second.pid),
      ...left.filter(isRunning),
    ]
    await eventually(() => has(both)('findmnt'))
    await untilQuiet(both)
    t.pass('an adopted one')

    const mountpoint = path.join(root, 'mnt/root')
    execFileSync(enter[0] as string, [...enter.slice(1), 'umount', '/mnt/root'])
    t.match(await second.ended, {
      code: 1,
      stderr: /somebody else has unmounted it/,
    })
    t.notOk(existsSync(path.join(mountpoint, 'default')))
  },
)

function isProxy(pid: number): boolean {
  const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0')
  return words[1]?.endsWith('/service-proxy.cjs') === true
}

function has(pids: () => readonly number[]): (name: string) => boolean {
  return name =>
    pids().some(pid => {
      try {
        return readFileSync(`/proc/${pid}/comm`, 'latin1') === `${name}\n`
      } catch {
        return false
      }
    })
}

async function startNamespace(t: Test) {
  const child = spawn(
    'unshare',
    [
      '--mount',
      '--propagation=private',
      'sh',
      '-c',
      'mkdir -p /run/podfs && for each in /run/podfs /mnt; do mount -t tmpfs -o mode=0700 tmpfs $each || exit; done && echo made && exec sleep 1000',
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return {
    enter: ['nsenter', `--mount=/proc/${child.pid}/ns/mnt`, '--'],
    root: `/proc/${child.pid}/root`,
  }
}
