/*
 * Roots that are begun before the volumes are mounted: sandbox-runtime.ts, `buildAhead`.
 */
import { execFileSync } from 'node:child_process'
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
} from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { ContainerRoot } from '../../src/runner/sandbox/container-runtime.ts'
import { eventually } from '../helpers/podfs.ts'
import {
  defaultRights,
  isAlive,
  makeMount,
  makeSandbox,
  needsRoot,
} from './sandbox.ts'

const mountsOf = (pid: number | 'self'): string =>
  readlinkSync(`/proc/${pid}/ns/mnt`)

/** A file system of its own. */
const rootOf = (pid: number): number => statSync(`/proc/${pid}/root`).dev

/** '' when it has ended meanwhile. */
function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

/** The processes that hold a root which waits. */
function setups(): number[] {
  const pid = process.pid
  return (
    readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .split(' ')
      .filter(child => child !== '')
      .map(Number)
      .filter(child => commandLine(child).includes('pivot_root'))
      // Before that it is not in its namespace.
      .filter(child => mountsOf(child) !== mountsOf('self'))
  )
}

/** A volume that is not there yet, below a directory that nobody may look at. */
async function makeWorld(t: Test) {
  const sandbox = await makeSandbox(t)
  const volume = join(sandbox.directory, 'later')
  const gate = { resolve: () => {}, reject: () => {} } as {
    resolve: () => void
    reject: (error: Error) => void
  }
  const ready = new Promise<void>((resolve, reject) =>
    Object.assign(gate, { resolve, reject }),
  )
  const mounts = [
    makeMount(volume, '/vol', {
      readOnly: true,
      locate: () => Promise.resolve(volume),
    }),
  ]
  const root: ContainerRoot = {
    name: 'main',
    mounts: mounts.map(mount => ({ ...mount, isDirectory: true })),
    busybox: false,
    rights: defaultRights,
  }
  sandbox.runtime.buildAhead?.(root, ready)
  const [setup = 0] = await eventually(() => {
    const found = setups()
    return found.length > 0 && found
  })
  const mountVolume = async (): Promise<void> => {
    mkdirSync(volume)
    execFileSync('mount', ['-t', 'tmpfs', 'podfs-test', volume])
    t.teardown(() => execFileSync('umount', ['-l', volume]))
    await writeFile(join(volume, 'key'), 'value')
  }
  const device = await eventually(() => {
    const found = rootOf(setup)
    return found !== rootOf(process.pid) && found
  })
  return { ...sandbox, mounts, gate, setup, device, mountVolume }
}

t.test('a root that was begun ahead', { skip: needsRoot }, async t => {
  t.test('is the one of the container that asks for it', async t => {
    const { start, mounts, gate, device, mountVolume } = await makeWorld(t)
    await mountVolume()
    gate.resolve()
    const read = await start(['sh', '-c', 'cat /vol/key; exec sleep 1000'], {
      mounts,
    })
    await read.says('value')
    t.equal(rootOf(read.pid), device)
  })

  t.test('is not used for another one, and goes', async t => {
    const { start, mounts, gate, setup, mountVolume } = await makeWorld(t)
    await mountVolume()
    gate.resolve()
    const read = await start(['cat', '/elsewhere/key'], {
      mounts: mounts.map(mount => ({ ...mount, mountPath: '/elsewhere' })),
    })
    await read.container.exited
    t.equal(read.output, 'value')
    t.notOk(isAlive(setup))
  })

  t.test('is given up when its volumes are late', async t => {
    const { start, mounts, gate, setup, mountVolume } = await makeWorld(t)
    gate.reject(new Error('late'))
    await eventually(() => !isAlive(setup))
    await mountVolume()
    const read = await start(['cat', '/vol/key'], { mounts })
    await read.container.exited
    t.equal(read.output, 'value')
  })

  t.test('goes with its Pod while it waits', async t => {
    const { runtime, directory, setup } = await makeWorld(t)
    await runtime.close()
    t.notOk(isAlive(setup))
    t.strictSame(readdirSync(join(directory, 'scratch')), [])
  })
})
