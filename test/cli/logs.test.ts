/*
 * `podfs logs` of a Pod that `podfs serve` runs: which lines, with what before them, and until
 * when. test/server/ has the API's own answers, look.test.ts what kubectl says of them.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import { eventually, podfs, startPodfs } from '../helpers/podfs.ts'
import { end, pod, world } from '../helpers/served-world.ts'

t.setTimeout(300_000)

/** It goes on, or ends, when a file appears in the control directory, and takes that away. */
const await_ = `trap exit TERM
await() { until [ -e /ctl/$1 ]; do sleep 0.02; done; rm /ctl/$1; }`
const command = `${await_}
echo one; printf 'two\\nhal'; await more; echo f; echo three; await end; echo last; exit 3`

t.test('podfs logs', { skip: cannotStart() }, async t => {
  const { dir, root, start, write } = world(t)
  const control = path.join(dir, 'control')
  mkdirSync(control)
  const tell = (name: string): void => {
    writeFileSync(path.join(control, name), '')
  }
  write(
    'web.yaml',
    pod('web', `{name: ctl, hostPath: {path: ${control}}}`, {
      run: 'true',
      mounts: '{name: ctl, mountPath: /ctl}',
      command,
    }),
  )
  write(
    'two.yaml',
    pod('two', `{name: ctl, hostPath: {path: ${control}}}`, {
      run: 'true',
      mounts: '{name: ctl, mountPath: /ctl}',
      command: `${await_}; echo first; await first; echo first again; await c`,
    }).replace(
      '  containers:',
      `$&
  - name: b
    image: debian
    command: [sh, -c, ${JSON.stringify(`${await_}; echo second; await second; echo second again; await b`)}]
    volumeMounts: [{name: ctl, mountPath: /ctl}]`,
    ),
  )
  const serving = await start()
  const args = (...more: string[]) => [
    'logs',
    'web',
    ...more,
    '--session',
    root,
  ]
  const logs = (...more: string[]) => podfs(t, args(...more))
  const text = async (...more: string[]) => (await logs(...more)).stdout
  await eventually(async () => (await text()).startsWith('one\ntwo\n'))

  t.match(await logs('--previous'), {
    code: 1,
    stdout: '',
    stderr:
      /^Error from server \(BadRequest\): .*"c" in pod "web" not found\n$/,
  })

  t.comment(
    '--since: what was written is older by now, and half a line is none',
  )
  // Of a machine on which everything takes long, too.
  const asked = performance.now()
  await text()
  const quiet = Math.max(3, Math.ceil((performance.now() - asked) / 200))
  await eventually(async () => (await text('--since', `${quiet}s`)) === '')
  const following = startPodfs(t, args('-f'))
  const ofLast = startPodfs(
    t,
    args(
      '-f',
      '--tail',
      '1',
      '--since',
      `${quiet}s`,
      '--timestamps',
      '--prefix',
    ),
  )
  const interrupted = startPodfs(t, args('--follow'))
  await following.saw(/^two$/m)
  await interrupted.saw(/^two$/m)
  const told = performance.now()
  tell('more')
  await following.saw(/^three$/m)
  await eventually(async () => {
    const since = Math.ceil((performance.now() - told) / 1000) + quiet - 1
    return (await text('--since', `${since}s`)) === 'half\nthree\n'
  })
  const all = await text()
  t.equal(all, 'one\ntwo\nhalf\nthree\n')
  t.equal(await text('--since', '1h'), all)

  await t.test('--timestamps, --since-time', async t => {
    const stamped = await text('--timestamps')
    const lines = [
      ...stamped.matchAll(
        /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(?:Z|[+-]\d\d:\d\d)) (.*)$/gm,
      ),
    ].map(([, time = '', line = '']) => ({ time, at: Date.parse(time), line }))
    t.equal(lines.map(({ line }) => `${line}\n`).join(''), all)
    const times = lines.map(({ at }) => at)
    t.strictSame(
      times,
      times.toSorted((a, b) => a - b),
      'in their order',
    )
    const three = lines.at(-1)
    const two = lines.find(({ line }) => line === 'two')
    if (three === undefined || two === undefined) throw new Error(stamped)
    t.ok(three.at - two.at > 1000 && three.at <= Date.now(), 'the real time')
    const since = (at: number) =>
      text('--since-time', new Date(at).toISOString())
    t.match(await text('--since-time', three.time), /^(half\n)?three\n$/)
    t.equal(await since(three.at + 1), '')
    t.equal(await since(0), all)
    t.equal(
      await text('--timestamps', '--tail', '1', '--prefix'),
      `[pod/web/c] ${three.time} three\n`,
    )
  })

  await t.test('wrong times', async t => {
    t.match(await logs('--since', 'yesterday'), {
      code: 2,
      stderr: 'error: --since: invalid duration "yesterday"\n',
    })
    t.match(await logs('--since-time', 'yesterday'), {
      code: 1,
      stderr: /^Error from server \(BadRequest\): .*yesterday.*\n$/,
    })
    t.match(
      await logs('--since', '5s', '--since-time', new Date().toISOString()),
      { code: 1, stderr: /at most one of `sinceTime` or `sinceSeconds`/ },
    )
  })

  await t.test('-f of all containers follows them side by side', async t => {
    const side = startPodfs(t, [
      'logs',
      'two',
      '-f',
      '--all-containers',
      '--prefix',
      '--session',
      root,
    ])
    await side.saw(/^\[pod\/two\/b\] second$/m)
    await side.saw(/^\[pod\/two\/c\] first$/m)
    tell('first')
    await side.saw(/^\[pod\/two\/c\] first again$/m)
    tell('second')
    await side.saw(/^\[pod\/two\/b\] second again$/m)
    tell('b')
    tell('c')
    t.match(await side.ended, { code: 0, stderr: '' })
  })

  await t.test('Ctrl-C ends -f', async t => {
    interrupted.child.kill('SIGINT')
    t.match(await interrupted.ended, { code: 130, stdout: all, stderr: '' })
    t.equal(following.child.exitCode, null, 'the others go on')
  })

  await t.test('-f ends with the container, not with its Pod', async t => {
    tell('end')
    t.match(await following.ended, {
      code: 0,
      stdout: `${all}last\n`,
      stderr: '',
    })
    const { code, stdout } = await ofLast.ended
    t.equal(code, 0)
    t.match(stdout, /^\[pod\/web\/c\] [-:.\dTZ]+ last\n$/m)
    t.notMatch(stdout, /two/)
  })

  await t.test('--previous has the one that ended', async t => {
    await eventually(async () => (await text('--previous')) === `${all}last\n`)
    await eventually(async () => (await text()).startsWith('one\ntwo\n'))
    t.notMatch(await text(), /three/, 'the new one has its own')
    t.equal(await text('--previous', '--tail', '1'), 'last\n')
    t.match(await text('-p', '--timestamps', '--tail', '1'), /^\d\S+Z last\n$/)
    t.notOk(existsSync(path.join(control, 'end')))
  })
  await end(t, serving)
})
