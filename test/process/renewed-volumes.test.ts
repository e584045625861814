/*
 * Volumes that are mounted anew under running containers: live-mounts.ts, on real mounts. Two
 * tmpfs stand for the mount that is lost and the one that replaces it.
 */
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type {
  ContainerLaunch,
  ContainerMount,
} from '../../src/runner/sandbox/container-runtime.ts'
import { mayMount, makeMount, makeSandbox, needsRoot } from './sandbox.ts'

const never = new AbortController().signal

/** A volume with `key` and a directory `inner`, on a tmpfs of its own for each generation. */
function makeVolume(t: Test, parent: string) {
  const generations: string[] = []
  const next = (): string => {
    const directory = join(parent, `generation-${generations.length}`)
    mkdirSync(directory)
    execFileSync('mount', ['-t', 'tmpfs', 'podfs-test', directory])
    writeFileSync(join(directory, 'key'), `value ${generations.length}`)
    mkdirSync(join(directory, 'inner'))
    generations.push(directory)
    return directory
  }
  t.teardown(() => {
    for (const directory of generations)
      execFileSync('umount', ['-l', directory])
  })
  let current = next()
  return {
    renew: () => {
      current = next()
    },
    /** The kernel has no name for it any more; its bytes can be read where it is mounted. */
    lose: (file: string) => rmSync(join(current, file)),
    mount: (
      mountPath: string,
      subPath = '',
      more: Partial<ContainerMount> = {},
    ): ContainerMount =>
      makeMount(join(current, subPath), mountPath, {
        readOnly: true,
        locate: () => Promise.resolve(join(current, subPath)),
        ...more,
      }),
  }
}

/** But what all sandboxes in a user namespace share, and a session's end takes away. */
function mountpoints(pid: number | 'self'): string[] {
  return readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
    .split('\n')
    .map(line => line.split(' ')[4] ?? '')
    .filter(point => !point.includes('/scratch/skeleton-'))
}

t.test('volumes that are mounted anew', { skip: needsRoot }, async t => {
  const appear = async (t: Test, more: Partial<ContainerLaunch>) => {
    const { start, runtime, directory } = await makeSandbox(t)
    const { mount, renew } = makeVolume(t, directory)
    const look = [
      'echo up; last=',
      'while :; do',
      '  for file in /vol/key /etc/app.conf; do',
      '    read -r line <$file; [ "$line" ] || line="gap at $file"',
      '    case $seen in *"|$line|"*) ;; *) seen="$seen|$line|"; echo "$line";; esac',
      '  done',
      '  sleep 0.005',
      'done',
    ]
    const mounts = [mount('/etc/app.conf', 'key'), mount('/vol')]
    const read = await start(['sh', '-c', `seen=; ${look.join('\n')}`], {
      mounts,
      ...more,
    })
    await read.says('value 0')
    for (const round of [1, 2, 3, 4, 5, 6]) {
      renew()
      await runtime.renewVolumes()
      await read.says(`value ${round}`)
    }
    t.equal(
      read.output,
      'up\n' + [0, 1, 2, 3, 4, 5, 6].map(n => `value ${n}\n`).join(''),
    )
    const { output } = await read.container.exec(
      ['sh', '-c', 'cat /vol/key /etc/app.conf; echo; (echo x >/vol/key) 2>&1'],
      never,
    )
    t.match(output, /^value 6value 6\n.*Read-only file system/)
    const points = mountpoints(read.pid)
    // The place and the volume.
    t.equal(points.filter(point => point === '/vol').length, 2)
    t.equal(points.filter(point => point === '/etc/app.conf').length, 2)
    read.container.signal('SIGKILL')
    await read.exited
    await runtime.close()
    t.strictSame(
      mountpoints('self').filter(point => point.startsWith(`${directory}/s`)),
      [],
    )
  }
  t.test('appear in running containers, without a gap', t => appear(t, {}))
  t.test('in the place of what nothing can be mounted over, too', async t => {
    const { start, runtime, directory } = await makeSandbox(t)
    const { mount, renew, lose } = makeVolume(t, directory)
    const look = [
      'read -r line </etc/app.conf; line=${line:-gap}',
      '[ "$line" = "$last" ] || echo "$line"; last=$line',
    ]
    const script = `last=; while :; do ${look.join('; ')}; sleep 0.005; done`
    const read = await start(['sh', '-c', script], {
      mounts: [mount('/etc/app.conf', 'key')],
    })
    await read.says('value 0')
    for (const round of [1, 2]) {
      lose('key')
      renew()
      await runtime.renewVolumes()
      await read.says(`value ${round}`)
    }
    t.equal(read.output, 'value 0\nvalue 1\nvalue 2\n')
    t.equal(
      mountpoints(read.pid).filter(at => at === '/etc/app.conf').length,
      2,
    )
  })
  t.test('and in those that may mount', t => appear(t, { rights: mayMount }))

  const within = async (t: Test, more: Partial<ContainerLaunch>) => {
    const { start, runtime, directory } = await makeSandbox(t)
    const { mount, renew } = makeVolume(t, directory)
    mkdirSync(join(directory, 'scratch-volume'))
    const read = await start(['sleep', '1000'], {
      mounts: [
        mount('/vol'),
        makeMount(join(directory, 'scratch-volume'), '/vol/inner'),
      ],
      ...more,
    })
    const sh = async (script: string) =>
      (await read.container.exec(['sh', '-c', script], never)).output
    t.equal(await sh('cat /vol/key; echo mine >/vol/inner/file'), 'value 0')
    for (const round of [1, 2]) {
      renew()
      await runtime.renewVolumes()
      t.equal(await sh('cat /vol/key /vol/inner/file'), `value ${round}mine\n`)
    }
    t.match(await sh('echo x >/vol/x'), /Read-only/)
    const points = mountpoints(read.pid)
    t.equal(points.filter(point => point === '/vol').length, 2)
    t.equal(points.filter(point => point === '/vol/inner').length, 1)
  }
  t.test('with what is mounted within them', t => within(t, {}))
  t.test('and that in those that may mount', t =>
    within(t, { rights: mayMount }),
  )

  t.test('in containers that are being started', async t => {
    const { runtime, start, directory } = await makeSandbox(t)
    const { mount, renew } = makeVolume(t, directory)
    const mounts = [mount('/vol')]
    for (let round = 1; round <= 5; round++) {
      const starting = start(['sleep', '1000'], { mounts })
      await new Promise(resolve => setTimeout(resolve, 15 * round))
      renew()
      await runtime.renewVolumes()
      const { container } = await starting
      const { output } = await container.exec(['cat', '/vol/key'], never)
      t.equal(output, `value ${round}`)
    }
  })

  t.test('a start that fails leaves no place behind', async t => {
    const { runtime, start, directory } = await makeSandbox(t)
    const { mount } = makeVolume(t, directory)
    await t.rejects(start(['no-such-program'], { mounts: [mount('/vol')] }))
    await t.rejects(
      start(['sleep', '1'], {
        mounts: [mount('/vol', 'missing')],
      }),
      { message: /does not exist/ },
    )
    const left = mountpoints('self').filter(point =>
      point.startsWith(join(directory, 'scratch/live/')),
    )
    t.strictSame(left, [])
    await runtime.close()
  })

  t.test('a place that is made ahead goes unused, too', async t => {
    const { runtime, directory } = await makeSandbox(t, {
      expectsLiveVolumes: true,
    })
    await runtime.close()
    t.notOk(existsSync(join(directory, 'scratch/live')))
    t.strictSame(
      mountpoints('self').filter(point => point.startsWith(directory)),
      [],
    )
  })
})
