import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { capability } from '../helpers/capability.ts'
import { freePort } from '../helpers/loopback-server.ts'
import '../helpers/needs-mounts.ts'
import { eventually, startPodfs, runtimeDirectory } from '../helpers/podfs.ts'

t.setTimeout(240_000)

t.test(
  'what README says of kubectl works as it stands',
  { skip: capability('kubectl') },
  async t => {
    const [, script = ''] =
      /^node -e '([^']*)' "\$\(ls "\$XDG_RUNTIME_DIR"\/podfs\/\*\/api\.sock\)" &$/m.exec(
        readFileSync('README.md', 'utf8'),
      ) ?? []
    const run = startPodfs(t, ['run', '-f', 'examples/quickstart'])
    await run.saw(/^web +\| greeting: hello/m)
    const port = await freePort()
    const home = t.testdir({})
    t.match(script, ', "127.0.0.1")', 'for this machine alone')
    const door = spawn(
      process.execPath,
      [
        '-e',
        script.replace('8001', String(port)),
        `${runtimeDirectory}/run-${run.pid}/api.sock`,
      ],
      { stdio: 'inherit' },
    )
    t.teardown(async () => {
      door.kill()
      await once(door, 'exit')
    })
    const kubectl = (...args: string[]) =>
      spawnSync('kubectl', ['-s', `http://127.0.0.1:${port}`, ...args], {
        encoding: 'utf8',
        env: { PATH: process.env['PATH'], HOME: home },
      }).stdout
    const pods = await eventually(() => {
      const said = kubectl('get', 'pods,events')
      return said.includes('Started') && said
    })
    t.match(pods, /^pod\/quickstart +2\/2 +Running +0 /m)
    t.match(kubectl('logs', 'quickstart', '-c', 'web'), 'greeting: hello')
    run.child.kill('SIGINT')
    await run.ended
  },
)
