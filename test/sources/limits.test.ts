import { execFile } from 'node:child_process'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import t from 'tap'
import '../helpers/needs-mounts.ts'
import {
  eventually,
  startPodfs,
  type RunningPodfs,
  runtimeDirectory,
} from '../helpers/podfs.ts'
import { configMapYaml } from './live.ts'

/*
 * The built program where the machine has nothing left to give, and where a source gives more
 * than anybody can take: through to what a program reads in the volume.
 */

const run = promisify(execFile)

/** Reads in podfs's own mount namespace. */
function readIn(podfs: RunningPodfs, path: string): string | undefined {
  try {
    return readFileSync(`/proc/${podfs.pid}/root${path}`, 'utf8')
  } catch {
    return undefined
  }
}

const limits = {
  max_inotify_instances:
    /warning: .+: looked at only once a second: the limit of inotify instances .*\n {2}(?:sudo |doas |as root: )?sysctl fs\.inotify\.max_user_instances=1024\n/,
  max_inotify_watches:
    /warning: .+: looked at only once a second: the limit of inotify watches .*\n {2}(?:sudo |doas |as root: )?sysctl fs\.inotify\.max_user_watches=524288\n/,
}

for (const [limit, warning] of Object.entries(limits)) {
  for (const kind of ['a directory', 'manifests']) {
    t.test(
      `${limit} is reached, ${kind}: told once, and still followed`,
      async t => {
        const directory = t.testdir({ source: {}, mnt: {} })
        const [source, mountPoint] = [
          join(directory, 'source'),
          join(directory, 'mnt'),
        ]
        const isManifest = kind === 'manifests'
        const save = (value: string) =>
          isManifest
            ? writeFileSync(
                join(source, 'cm.yaml'),
                configMapYaml('cm', { k: value }),
              )
            : writeFileSync(join(source, 'k'), value)
        save('v0')
        // The limits of a user namespace of one's own are one's own to lower.
        const podfs = startPodfs(
          t,
          [
            'mount',
            '--backend=dir',
            ...(isManifest ? ['-f', source, '--configmap=cm'] : [source]),
            mountPoint,
          ],
          {
            wrapper: [
              'unshare',
              '-Urm',
              'sh',
              '-c',
              `echo 0 > /proc/sys/user/${limit}; exec "$@"`,
              'sh',
            ],
          },
        )
        await podfs.saw(/ready/)
        for (let i = 1; i <= 3; i++) {
          save(`v${i}`)
          await eventually(
            () => readIn(podfs, join(mountPoint, 'k')) === `v${i}`,
          )
        }
        t.match(podfs.stderr(), warning)
        t.equal(podfs.stderr().split('warning:').length, 2, 'told once')
        podfs.child.kill('SIGINT')
        t.equal((await podfs.ended).code, 0)
      },
    )
  }
}

t.test(
  'no descriptor is left: told once, the last state stays, it heals',
  async t => {
    const directory = t.testdir({ source: { k: 'v', l: 'v' }, mnt: {} })
    const [source, mountPoint] = [
      join(directory, 'source'),
      join(directory, 'mnt'),
    ]
    const podfs = startPodfs(t, ['mount', source, mountPoint])
    await podfs.saw(/ready/)
    // It comes up a moment later, and wants a descriptor, too.
    const socket = `${runtimeDirectory}/mount-${podfs.pid}/api.sock`
    await eventually(() => existsSync(socket))
    const setLimit = (soft: number) =>
      run('prlimit', ['--pid', String(podfs.pid), `--nofile=${soft}:`])
    await setLimit(3)
    writeFileSync(join(source, 'k'), 'w')
    writeFileSync(join(source, 'l'), 'w')
    await podfs.saw(
      /error: .+source:1:1: podfs has too many open files; what was read before stays\n/,
      'stderr',
    )
    // It is tried again, and told no more.
    await delay(2500)
    t.equal(readFileSync(join(mountPoint, 'k'), 'utf8'), 'v')
    t.equal(
      podfs.stderr().split('too many open files').length,
      2,
      podfs.stderr(),
    )
    await setLimit(1024)
    for (const key of ['k', 'l'])
      await eventually(
        () => readFileSync(join(mountPoint, key), 'utf8') === 'w',
      )
    podfs.child.kill('SIGINT')
    t.equal((await podfs.ended).code, 0)
  },
)

/** Of all that podfs is: a server may be elsewhere. In bytes. */
function memoryOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) * 1024
}

const floods: Readonly<Record<string, (path: string, text: string) => void>> = {
  'in place': (path, text) => writeFileSync(path, text),
  'by rename': (path, text) => {
    writeFileSync(`${path}.new~`, text)
    renameSync(`${path}.new~`, path)
  },
}

/** A look-up that has followed `..data` finds nothing when that generation goes meanwhile. */
function readAcrossSwaps(path: string): string {
  for (let tries = 1; ; tries++)
    try {
      return readFileSync(path, 'utf8')
    } catch (error) {
      const isGone = (error as NodeJS.ErrnoException).code === 'ENOENT'
      if (!isGone || tries === 5) throw error
    }
}

for (const [how, save] of Object.entries(floods)) {
  t.test(
    `a flood of saves ${how}: the last one wins, nothing is torn`,
    async t => {
      const directory = t.testdir({
        source: {},
        manifests: {},
        keys: {},
        values: {},
      })
      const at = (...names: string[]) => join(directory, ...names)
      const padding = 'x'.repeat(20_000)
      const value = (i: number) => `<${i} ${padding} ${i}>`
      const saveBoth = (i: number) => {
        save(at('source', 'k'), value(i))
        save(at('manifests', 'cm.yaml'), configMapYaml('cm', { k: value(i) }))
      }
      saveBoth(0)
      const keys = startPodfs(t, ['mount', at('source'), at('keys')])
      const manifests = startPodfs(t, [
        'mount',
        '-f',
        at('manifests'),
        '--configmap=cm',
        at('values'),
      ])
      await keys.saw(/ready/)
      await manifests.saw(/ready/)
      const readBoth = () =>
        [at('keys', 'k'), at('values', 'k')].map(readAcrossSwaps)
      const memory = [keys, manifests].map(({ pid }) => memoryOf(pid))
      const most = [...memory]
      const saves = Number(process.env['PODFS_TEST_FLOOD'] ?? 1500)
      const seen = [new Set<string>(), new Set<string>()]
      for (let i = 1; i <= saves; i++) {
        saveBoth(i)
        if (i % 20 === 0) {
          await delay(10)
          for (const [n, text] of readBoth().entries()) seen[n]?.add(text)
          for (const [n, { pid }] of [keys, manifests].entries())
            most[n] = Math.max(most[n] ?? 0, memoryOf(pid))
        }
      }
      await eventually(() => readBoth().every(text => text === value(saves)))
      for (const [n, which] of ['directory', 'manifests'].entries()) {
        const grown = ((most[n] ?? 0) - (memory[n] ?? 0)) / 2 ** 20
        t.ok(
          grown < 200,
          `${which}: ${grown.toFixed(0)} MiB more memory at most`,
        )
        const torn = [...(seen[n] ?? [])].filter(
          text => !/^<(\d+) x{20000} \1>$/.test(text),
        )
        t.same(
          torn.map(text => text.length),
          [],
          `${which}: whole each time, ${seen[n]?.size} versions seen`,
        )
      }
      for (const podfs of [keys, manifests]) {
        t.equal(podfs.stderr(), '')
        podfs.child.kill('SIGINT')
        t.equal((await podfs.ended).code, 0)
      }
    },
  )
}
