import { execFileSync } from 'node:child_process'
import { cp, mkdir, rename, writeFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { until } from '../helpers/fuse-mount.ts'
import {
  lacksOrdinaryUser,
  type OrdinaryUser,
  type OrdinaryUserOptions,
  ordinaryUser,
} from '../helpers/ordinary-user.ts'
import type { RunningPodfs } from '../helpers/podfs.ts'

t.setTimeout(240_000)
const skip = lacksOrdinaryUser('fusermount3')

const pod = `
apiVersion: v1
kind: Pod
metadata: { name: web }
spec:
  containers: [{ name: c, image: busybox }]
  volumes:
    - { name: one, configMap: { name: one } }
    - { name: two, configMap: { name: two } }
`
const configMap = (name: string): string => `---
apiVersion: v1
kind: ConfigMap
metadata: { name: ${name} }
data: { key: ${name} }
`

interface World extends OrdinaryUser {
  /** `podfs mount ARGS`, once it is ready. */
  mounted(...args: string[]): Promise<RunningPodfs>
  /** What a script of the user's prints. */
  says(script: string): Promise<string>
  /** What podfs has here: mounts, processes and what is in its run-time directory. */
  left(): Promise<string>
  /** Keeper and servers of the user's mount. Gives how many there were. */
  killServers(which?: RegExp): number
}

async function makeWorld(
  t: Test,
  options?: OrdinaryUserOptions,
): Promise<World> {
  const user = await ordinaryUser(t, options)
  const says = async (script: string): Promise<string> => {
    const { stdout, stderr } = await user.sh(script)
    return (stdout + stderr).trim()
  }
  await says('mkdir conf && echo one >conf/key')
  const ofMount = /\/(keeper\.sh|fuse-server\.cjs) /
  return {
    ...user,
    says,
    mounted: async (...args) => {
      const running = user.startPodfs(['mount', ...args])
      await running.saw(/ready/)
      return running
    },
    left: async () => {
      await until(
        () => user.processes().every(line => !/podfs\.cjs|dist\//.test(line)),
        'the end of all processes',
      )
      const mounts = `grep -c user_id=${user.uid} /proc/self/mountinfo`
      const files = `find "$XDG_RUNTIME_DIR/podfs" -mindepth 1 ! -name 'claim-*'`
      return await says(`${mounts}; ${files}`)
    },
    killServers: (which = ofMount) => {
      const found = user
        .processes()
        .filter(line => which.test(line) && ofMount.test(line))
      for (const line of found) kill(Number.parseInt(line, 10))
      return found.length
    },
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // A child of one that was killed just now.
  }
}

const untilIt = (file: string, text: string): string =>
  `until [ "$(cat ${file} 2>/dev/null)" = '${text}' ]; do sleep 0.05; done`

t.test(
  'all programs of the user see it, live, and no other',
  { skip },
  async t => {
    const user = await makeWorld(t)
    const podfs = await user.mounted('conf', 'mnt')
    t.equal(await user.says('cat mnt/key'), 'one')
    await user.says(`echo two >conf/key; ${untilIt('mnt/key', 'two')}`)
    t.match(await user.says('stat -c %F mnt/..data; ls -A mnt'), /^symbolic/)
    t.notMatch(await user.says('ls -A mnt'), /podfs|unpublished/)
    t.match(await user.says('stat mnt/..podfs'), /No such file/)
    for (const change of ['touch mnt/x', 'echo >mnt/key', 'rm mnt/key'])
      t.match(await user.says(change), /Read-only file system/, change)
    t.match(
      await user.podfs(['get', 'volumes']),
      { code: 0, stdout: new RegExp(`${user.home}/mnt`) },
      'its podfs is found',
    )
    podfs.child.kill('SIGINT')
    t.match(await podfs.ended, { code: 0, stderr: '' })
    t.equal(await user.left(), '0')
    t.match(await user.says('ls -d mnt'), /No such file/, 'podfs had made it')
  },
)

t.test('it is unmounted', { skip }, async t => {
  const user = await makeWorld(t)
  await user.says('mkdir mnt')
  await t.test('by podfs, when nobody is in there', async t => {
    const podfs = await user.mounted('conf', 'mnt')
    const { child } = user.startPodfs([], {
      wrapper: ['sh', '-c', 'exec 7<mnt/key; echo open; exec sleep 1000', 'sh'],
    })
    await new Promise(resolve => child.stdout?.once('data', resolve))
    t.match(await user.podfs(['unmount', 'mnt']), {
      code: 1,
      stderr: /is busy: sleep/,
    })
    t.match(await user.podfs(['unmount', '--lazy', 'mnt']), { code: 0 })
    t.match(await podfs.ended, { code: 0 })
    child.kill('SIGKILL')
    t.equal(await user.left(), '0')
  })
  await t.test('by fusermount3', async t => {
    const podfs = await user.mounted('conf', 'mnt')
    // podfs is in there for moments only.
    await user.says('until fusermount3 -u mnt 2>/dev/null; do sleep 0.05; done')
    t.match(await podfs.ended, {
      code: 1,
      stderr: /somebody else has unmounted it/,
    })
    t.equal(await user.left(), '0')
  })
  await t.test('by podfs, after a kill of its podfs', async t => {
    const { stdout } = await user.podfs(['mount', '-d', 'conf', 'mnt'])
    kill(Number(stdout))
    t.equal(await user.says('cat mnt/key'), 'one')
    t.match(await user.podfs(['unmount', 'mnt']), { code: 0 })
    t.equal((await user.left()).split('\n')[0], '0')
  })
  await t.test('by nobody, without fusermount3', async t => {
    const [, , holder = ''] = user.root.split('/')
    const machine = (script: string): void => {
      execFileSync('nsenter', [
        `--target=${holder}`,
        '--mount',
        'sh',
        '-euc',
        script,
      ])
    }
    const program = (
      await user.says('realpath "$(command -v fusermount3)"')
    ).trim()
    const told = {
      code: 3,
      stderr:
        /^(?:\S+ WARN .*\n)*error: only fusermount3 unmounts what it has mounted, and it is gone: \S+\/mnt\n {2}.*apt-get install fuse3; .* umount \S+\/mnt\n$/,
    }
    for (const end of [
      'a signal',
      'podfs unmount',
      'podfs unmount, detached',
    ]) {
      const isDetached = end.endsWith('detached')
      const podfs = isDetached
        ? await user.podfs(['mount', '-d', 'conf', 'mnt'])
        : await user.mounted('conf', 'mnt')
      machine(`mount --bind /dev/null ${program}`)
      if (end === 'a signal') (podfs as RunningPodfs).child.kill('SIGTERM')
      else t.match(await user.podfs(['unmount', 'mnt']), told, end)
      if (!isDetached) t.match(await (podfs as RunningPodfs).ended, told, end)
      t.match(await user.podfs(['unmount', 'mnt']), told, 'it is still there')
      machine(`umount ${program}`)
      t.match(await user.podfs(['unmount', 'mnt']), { code: 0 })
      t.equal((await user.left()).split('\n')[0], '0')
    }
  })
})

t.test('nothing of it is seen before all is there', { skip }, async t => {
  const user = await makeWorld(t)
  await user.says('mkdir in mnt')
  await writeFile(`${user.home}/in/pod.yaml`, pod + configMap('one'))
  const podfs = user.startPodfs(['mount', '-f', 'in', 'mnt'])
  // Its API is there when it has waited for a while.
  await until(
    async () => /one .* 1 /.test((await user.podfs(['get', 'volumes'])).stdout),
    'the first volume',
  )
  t.equal(await user.says('ls -A mnt'), '')
  t.match(await user.says('cat mnt/one/key'), /No such file/)
  await writeFile(`${user.home}/in/two.new`, configMap('two'))
  await rename(`${user.home}/in/two.new`, `${user.home}/in/two.yaml`)
  await podfs.saw(/ready \(2 volumes\)/)
  t.equal(await user.says('cat mnt/*/key; ls -A mnt'), 'onetwoone\ntwo')
})

t.test('it outlives its processes', { skip }, async t => {
  const user = await makeWorld(t)
  let podfs = await user.mounted('conf', 'mnt')
  const edit = async (text: string): Promise<void> => {
    await user.says(`echo ${text} >conf/key; ${untilIt('mnt/key', text)}`)
    t.equal(await user.says('cat mnt/key'), text)
  }
  for (const killed of [/ active \//, /keeper\.sh \//, / standby \//]) {
    await until(
      () => user.processes().some(line => line.includes(' standby /')),
      'a standby',
    )
    user.killServers(killed)
    await edit(`after${String(killed).replaceAll(/\W/g, '')}`)
  }
  user.killServers()
  await edit('after-all')

  kill(podfs.pid)
  await podfs.ended
  t.equal(await user.says('cat mnt/key'), 'after-all', 'it waits for the next')
  podfs = await user.mounted('conf', 'mnt')
  await edit('adopted')
  const next = user.startPodfs(['mount', '--takeover', 'conf', 'mnt'])
  await next.saw(/ready/)
  t.match(await podfs.ended, { code: 0 })
  await edit('taken-over')

  kill(next.pid)
  await next.ended
  // One that is killed later may have begun another.
  await until(() => user.killServers() === 0, 'the end of all servers')
  t.match(await user.says('stat -f mnt'), /not connected|connection abort/)
  // Nobody is left of it: the next one clears it away.
  podfs = await user.mounted('conf', 'mnt')
  t.equal(await user.says('cat mnt/key'), 'taken-over')
  podfs.child.kill('SIGTERM')
  t.match(await podfs.ended, { code: 0 })
  t.equal(await user.left(), '0')
})

t.test('a run-time directory of any name', { skip }, async t => {
  const user = await makeWorld(t)
  const runtime = `${user.runtime}/a #,b`
  await user.says(`mkdir -m 700 '${runtime}'`)
  const podfs = user.startPodfs(['mount', 'conf', 'mnt'], {
    wrapper: ['env', `XDG_RUNTIME_DIR=${runtime}`],
  })
  await podfs.saw(/ready/)
  podfs.child.kill('SIGTERM')
  t.match(await podfs.ended, { code: 0 })
  const mounts = `grep -c user_id=${user.uid} /proc/self/mountinfo`
  t.equal(
    await user.says(`${mounts}; ls '${runtime}/podfs' | grep -v claim-`),
    '0',
  )
})

t.test('without koffi, and without that', { skip }, async t => {
  const user = await makeWorld(t)
  await cp('dist', `${user.home}/dist`, { recursive: true })
  await user.says('chmod -R go+rX dist')
  const program = `${user.home}/dist/podfs.cjs`
  const podfs = user.startPodfs(['mount', 'conf', 'mnt'], { program })
  await podfs.saw(/ready/)
  t.equal(await user.says('cat mnt/key'), 'one', 'by Python')
  podfs.child.kill('SIGTERM')
  t.match(await podfs.ended, { code: 0 })
  const without = await makeWorld(t, {
    hidden: ['python3', '/usr/bin/python3'],
  })
  await cp('dist', `${without.home}/dist`, { recursive: true })
  t.match(
    await without.podfs(['mount', 'conf', 'mnt'], {
      program: `${without.home}/dist/podfs.cjs`,
    }),
    {
      code: 3,
      stderr: /npm package koffi or python3[^]*\n {2}npm install koffi/,
    },
  )
})

t.test('what keeps a user from it is one line', { skip }, async t => {
  const user = await makeWorld(t)
  await user.says('mkdir mnt')
  const refused = async (
    world: World,
    args: readonly string[],
    stderr: RegExp,
  ): Promise<void> => {
    t.match(await world.podfs(['mount', ...args]), { code: 3, stderr })
    t.equal(await world.left(), '0')
  }
  await refused(
    user,
    ['--allow-other', 'conf', 'mnt'],
    /^error: --allow-other .*user_allow_other\n {2}.*\/etc\/fuse\.conf\n$/,
  )
  await refused(
    user,
    ['--backend', 'fuse-native', 'conf', 'mnt'],
    /^error: fuse-native is for root.*\n.*--backend dir\n$/,
  )
  await mkdir(`${user.home}/roots`)
  await refused(
    user,
    ['conf', 'roots'],
    /^error: a mount point must belong to the user.*\n.*chown.*\n$/,
  )
  const lacking = await makeWorld(t, { hidden: ['fusermount3'] })
  await refused(
    lacking,
    ['conf', 'mnt'],
    /^error: .*fusermount3.*\n.*fuse3.*--backend dir\n$/,
  )
  const dir = lacking.startPodfs(['mount', '--backend', 'auto', 'conf', 'mnt'])
  await dir.saw(/ready/)
  await dir.saw(/fusermount3/, 'stderr')
  t.equal(await lacking.says('cat mnt/key'), 'one')
  dir.child.kill('SIGTERM')
  t.match(await dir.ended, { code: 0 })
  const closed = await makeWorld(t, { fuseMode: '0600' })
  await refused(
    closed,
    ['conf', 'mnt'],
    /^error: \/dev\/fuse is closed.*\n.*chmod 0666 \/dev\/fuse.*\n$/,
  )
})
