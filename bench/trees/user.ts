import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, realpathSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { untilPrinted, type Bench } from '../bench.ts'

/** Somebody who starts podfs; root and the user do it from the same place. */
export interface Person {
  /** Put before a program. */
  readonly wrapper: readonly [string, ...string[]]
  /** podfs.cjs, where this person can read it. */
  readonly podfs: string
  /** A directory of this person's own. */
  readonly home: string
}

export interface People {
  readonly root: Person
  readonly user: Person & { readonly uid: number }
}

/**
 * An ordinary user beside root, in a mount namespace in which /dev/fuse is everybody's:
 * test/ordinary-user.sh. Ends with the row. Throws with the reason where nobody else can run podfs.
 */
export async function meetUser(bench: Bench): Promise<People> {
  // Its standard input is its life: it ends with the benchmark, however that ends.
  const holder = spawn('bash', ['test/ordinary-user.sh'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const over = once(holder, 'close')
  bench.defer(async () => {
    holder.stdin.end()
    await over
  })
  const said = await untilPrinted(holder, text => text.endsWith('\n'))
  const [uid = 0, pid = 0] = said.split(' ').map(Number)
  const home = `/home/podfs-${uid}`
  const runtime = `/run/user/${uid}`
  const as = (id: number, groups: string, home: string): Person['wrapper'] => [
    'nsenter',
    ...`--target=${pid} --mount -- setpriv --reuid=${id} --regid=${id} ${groups} --inh-caps=-all --`.split(
      ' ',
    ),
    // Every start of Node would parse all certificates of the machine.
    ...`env -u NODE_EXTRA_CA_CERTS -u XDG_STATE_HOME -u XDG_CONFIG_HOME -u SUDO_USER --chdir=${home} HOME=${home}`.split(
      ' ',
    ),
    ...(id === 0 ? [] : [`USER=podfs-${uid}`, `XDG_RUNTIME_DIR=${runtime}`]),
  ]
  const podfs = path.join(home, 'dist', path.basename(bench.podfs))
  cpSync(path.dirname(bench.podfs), path.dirname(podfs), { recursive: true })
  const packages = path.resolve('node_modules')
  if (existsSync(packages))
    symlinkSync(realpathSync(packages), path.join(home, 'node_modules'))
  const user = { uid, home, podfs, wrapper: as(uid, '--init-groups', home) }
  const root = bench.directory('root')
  const [program, ...words] = user.wrapper
  const { status, stderr } = spawnSync(
    program,
    [...words, bench.node, podfs, '--version'],
    { encoding: 'utf8' },
  )
  if (status !== 0)
    throw new Error(`no ordinary user can run podfs here: ${stderr.trim()}`)
  return {
    user,
    root: {
      home: root,
      podfs: bench.podfs,
      wrapper: as(0, '--clear-groups', root),
    },
  }
}
