/* As built: what is loaded only when somebody asks for it. test/server/ has what it says. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import { askSocket } from '../helpers/ask-socket.ts'
import { eventually, startPodfs, runtimeDirectory } from '../helpers/podfs.ts'
import { configMap, end, pod, secret, world } from '../helpers/served-world.ts'

t.test('/metrics of a podfs mount', { skip: cannotStart() }, async t => {
  const directory = t.testdir({ conf: { colour: 'blue' } })
  const mount = startPodfs(t, [
    'mount',
    path.join(directory, 'conf'),
    path.join(directory, 'mnt'),
  ])
  await mount.saw(/ready/)
  const socket = `${runtimeDirectory}/mount-${mount.pid}/api.sock`
  await eventually(() => existsSync(socket))
  // The file server may take a while to answer the first scrape.
  const metrics = await eventually(async () => {
    const text = await askSocket(socket, '/metrics')
    return (
      /^podfs_fuse_operations_total\{operation="LOOKUP"\} \d/m.test(text) &&
      text
    )
  })
  t.match(metrics, /^podfs_volume_published_total\{.*volume="volume"\} 1$/m)
  t.match(metrics, /^process_resident_memory_bytes \d/m)
  mount.child.kill('SIGTERM')
  t.equal((await mount.ended).code, 0)
})

t.test(
  '/metrics of a podfs serve',
  { skip: cannotStart(), timeout: 120_000 },
  async t => {
    const { dir, start, write, text } = world(t, {
      'settings.yaml': configMap('settings', '{colour: blue}'),
      'waits.yaml': pod('waits', '{name: key, secret: {secretName: db}}'),
    })
    const control = path.join(dir, 'control')
    mkdirSync(control)
    write(
      'dies.yaml',
      pod('dies', `{name: ctl, hostPath: {path: ${control}}}`, {
        run: 'true',
        mounts: '{name: ctl, mountPath: /ctl}',
        command:
          'echo born >/ctl/born; until [ -e /ctl/die ]; do sleep 0.02; done; rm /ctl/die; exit 3',
      }),
    )
    const serving = await start()
    const directory = `${runtimeDirectory}/serve-${serving.pid}`
    const socket = `${directory}/api.sock`
    await eventually(() => existsSync(socket))
    /** Of the only line of this metric that has these labels. */
    const value = async (name: string, labels = ''): Promise<number> => {
      const lines = (await askSocket(socket, '/metrics'))
        .split('\n')
        .filter(line => new RegExp(`^${name}(\\{.*\\})? `).test(line))
        .filter(line => line.includes(labels))
      t.ok(lines.length <= 1, `${name} is there once`)
      return Number(lines[0]?.split(' ').at(-1))
    }

    await t.test('podfs_container_restarts_total', async () => {
      const restarts = () =>
        value(
          'podfs_container_restarts_total',
          '{namespace="default",pod="dies",container="c"}',
        )
      const born = path.join(control, 'born')
      await eventually(() => existsSync(born))
      await eventually(async () => (await restarts()) === 0)
      // The first restart comes at once, the next ones after a back-off.
      writeFileSync(path.join(control, 'die'), '')
      await eventually(async () => (await restarts()) === 1)
    })

    await t.test('podfs_volume_error', async t => {
      const error = (labels: string) => value('podfs_volume_error', labels)
      const waits = '{namespace="default",pod="waits",volume="key"}'
      const published = () => value('podfs_volume_published_total', waits)
      t.equal(await error(waits), 1, 'its Secret is missing')
      t.equal(await published(), 0)
      t.equal(await error('volume="configmap:settings"'), 0)
      write('db.yaml', secret('db', '{password: hunter2}'))
      await eventually(async () => (await error(waits)) === 0)
      t.equal(await published(), 1)
    })

    await t.test('podfs_fuse_nodes', async () => {
      const before = await eventually(async () => {
        const nodes = await value('podfs_fuse_nodes')
        return nodes > 5 && nodes
      })
      write('more.yaml', configMap('more', '{a: "1", b: "2", c: "3"}'))
      await eventually(() => text('default/configmaps/more/c') === '3')
      // At least its directory, its generation, ..data, and a link and a file of each key.
      await eventually(
        async () => (await value('podfs_fuse_nodes')) >= before + 9,
      )
    })

    await t.test('podfs_fuse_server_restarts_total', async t => {
      const restarts = () => value('podfs_fuse_server_restarts_total')
      const keeper = readFileSync(`${directory}/keeper.pid`, 'utf8').trim()
      const servers = () =>
        readFileSync(`/proc/${keeper}/task/${keeper}/children`, 'utf8')
          .trim()
          .split(' ')
          .map(Number)
      for (const count of [0, 1]) {
        await eventually(async () => (await restarts()) === count)
        await eventually(() => servers().length === 2)
        // The older one serves, the other one stands by.
        process.kill(Math.min(...servers()), 'SIGKILL')
        await eventually(async () => (await restarts()) === count + 1)
        t.equal(text('default/configmaps/settings/colour'), 'blue')
      }
    })
    await end(t, serving)
  },
)
