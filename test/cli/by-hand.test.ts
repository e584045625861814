import t from 'tap'
import { cannotStart, capability } from '../helpers/capability.ts'
import {
  container,
  list,
  object,
  writer,
  type Json,
} from '../helpers/conformance-pod.ts'
import { kubectl, tcpTo } from '../helpers/kubectl.ts'
import {
  eventually,
  podfs,
  startPodfs,
  runtimeDirectory,
} from '../helpers/podfs.ts'
import { end, world } from '../helpers/served-world.ts'

/*
 * Pods that run are ended, started, changed and waited for by hand: podfs's own commands and
 * kubectl, on real Pods.
 */

t.setTimeout(240_000)

const goesOn = `trap 'exit 0' TERM; echo up; sleep 1000 & wait`
const spec = (script = goesOn, more: Json = {}): Json => ({
  restartPolicy: 'Always',
  automountServiceAccountToken: false,
  terminationGracePeriodSeconds: 20,
  containers: [container('main', script)],
  ...more,
})
const pod = (name: string, more: Json = {}, labels: Json = {}): Json =>
  object.pod({ name, labels }, { ...spec(), ...more })
const deployment: Json = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'dep' },
  spec: {
    selector: { matchLabels: { app: 'dep' } },
    template: { metadata: { labels: { app: 'dep' } }, spec: spec() },
  },
}
const stubborn = spec(`trap '' TERM; echo up; exec sleep 1000`)
const gate = 'example.com/ready'

t.test('by hand', { skip: cannotStart() }, async t => {
  const directory = t.testdir()
  await writer(directory)(
    'all.json',
    list([
      deployment,
      pod('web', { readinessGates: [{ conditionType: gate }] }),
      pod('one', {}, { app: 'shop' }),
      pod('two', {}, { app: 'shop' }),
      pod('stubborn', stubborn),
      pod('other'),
      object.configMap('config', { key: 'value' }),
    ]),
  )
  const run = startPodfs(t, ['run', '-f', directory, '--all'])
  for (const name of ['dep', 'web', 'one', 'two', 'stubborn', 'other'])
    await run.saw(new RegExp(`^${name}/main +\\| up$`, 'm'))
  const session = `run-${run.pid}`
  const says = async (...args: string[]) => {
    const said = await podfs(t, [...args, '--session', session])
    return [said.code, said.stdout + said.stderr] as const
  }
  const uidOf = async (name: string): Promise<string> =>
    (await says('get', 'pod', name, '-o', 'jsonpath={.metadata.uid}'))[1]

  await t.test('wait', async t => {
    const ready = '--for=condition=Ready'
    t.strictSame(await says('wait', 'pod/one', 'pod/two', ready), [
      0,
      'pod/one condition met\npod/two condition met\n',
    ])
    t.strictSame(await says('wait', 'pods', '-l', 'app=shop', ready), [
      0,
      'pod/one condition met\npod/two condition met\n',
    ])
    t.strictSame(await says('wait', 'pod/web', ready, '--timeout=10ms'), [
      1,
      'error: timed out waiting for the condition on pods/web\n',
    ])
    t.strictSame(await says('wait', 'pod/web', '--for=condition=Ready=false'), [
      0,
      'pod/web condition met\n',
    ])
    t.strictSame(
      await says('wait', 'pod/one', `--for=jsonpath={.status.phase}=Running`),
      [0, 'pod/one condition met\n'],
    )
    t.strictSame(
      await says(
        'wait',
        'pod',
        'one',
        '--for=jsonpath={.status.conditions[?(@.type=="Ready")].status}=True',
      ),
      [0, 'pod/one condition met\n'],
    )
    t.strictSame(
      await says('wait', 'pod/one', '--for=jsonpath={.status.podIP}'),
      [0, 'pod/one condition met\n'],
    )
    t.strictSame(await says('wait', 'pod/nope', ready), [
      1,
      'Error from server (NotFound): pods "nope" not found\n',
    ])
    t.strictSame(await says('wait', 'pod/nope', '--for=delete'), [0, ''])
    t.strictSame(await says('wait', 'pods', '-l', 'a=b', ready), [
      1,
      'error: no matching resources found\n',
    ])
    for (const [code, ...args] of [
      [2, 'pod/one'],
      [2, 'pod/one', '--for=nothing'],
      [2, 'pod/one', ready, '--timeout=long'],
      [2, 'pods', ready],
    ] as const)
      t.equal((await says('wait', ...args))[0], code, args.join(' '))
  })

  await t.test('patch: a readiness gate is opened', async t => {
    const waiting = says('wait', 'pod/web', '--for=condition=Ready')
    const patch = `{status: {conditions: [{type: ${gate}, status: "True"}]}}`
    t.strictSame(
      await says('patch', 'pod', 'web', '--subresource=status', '-p', patch),
      [0, 'pod/web patched\n'],
    )
    t.strictSame(await waiting, [0, 'pod/web condition met\n'])
    t.match(await says('get', 'pod', 'web', '-o', 'wide'), [0, / 1\/1\n$/])
    t.match(await says('describe', 'pod', 'web'), [
      0,
      /^Readiness Gates:\n  Type +Status\n  example\.com\/ready +True \nConditions:\n  Type +Status\n  example\.com\/ready +True \n/m,
    ])
    const label = ['-p', '{"metadata": {"labels": {"a": "b"}}}']
    t.strictSame(await says('patch', 'pod/web', ...label), [
      0,
      'pod/web patched\n',
    ])
    t.strictSame(await says('patch', 'pod/web', ...label, '--type', 'merge'), [
      0,
      'pod/web patched (no change)\n',
    ])
    t.match(
      await says('patch', 'pod/web', '-p', '{"spec": {"hostname": "x"}}'),
      [1, /^Error from server \(Invalid\): Pod "web" is invalid: spec: Forb/],
    )
    t.match(await says('patch', 'cm/config', '-p', '{"data": {}}'), [
      1,
      /^Error from server \(MethodNotAllowed\): configmaps "config" is what .*all\.json:\d+:\d+ says, and is changed there\n$/,
    ])
  })

  await t.test('delete: a Pod of its own stays away', async t => {
    t.strictSame(await says('delete', 'pod', 'one'), [
      0,
      'pod "one" deleted from default namespace\n',
    ])
    t.match(await says('get', 'pod', 'one'), [1, /"one" not found/])
    t.strictSame(await says('delete', 'pod', 'one'), [
      1,
      'Error from server (NotFound): pods "one" not found\n',
    ])
    t.strictSame(await says('delete', 'pod', 'one', '--ignore-not-found'), [
      0,
      '',
    ])
    t.strictSame(await says('start', 'one'), [0, 'pod/one started\n'])
    t.equal((await says('wait', 'pod/one', '--for=condition=Ready'))[0], 0)
    t.match(await says('delete', 'pods', '-l', 'app=shop'), [
      0,
      'pod "one" deleted from default namespace\npod "two" deleted from default namespace\n',
    ])
    t.match(await says('delete', 'cm', 'config'), [1, /MethodNotAllowed/])
    for (const args of [
      ['pods'],
      ['pod', 'web', '--all'],
      ['pod', 'web', '--now', '--grace-period=1'],
      ['pod', 'web', '--force', '--grace-period=1'],
      ['pod', 'web', '--grace-period=x'],
      ['pod', 'web', '--wait=perhaps'],
    ])
      t.equal((await says('delete', ...args))[0], 2, args.join(' '))
  })

  await t.test('restart: the old Pod is waited for', async t => {
    const before = await uidOf('stubborn')
    const grace = '--grace-period=1'
    t.strictSame(await says('restart', 'stubborn', grace), [
      0,
      'pod/stubborn restarted\n',
    ])
    t.equal((await says('wait', 'pod/stubborn', '--for=condition=Ready'))[0], 0)
    t.not(await uidOf('stubborn'), before)
  })

  await t.test('delete: grace, force, and no more waiting', async t => {
    const name = 'stubborn'
    t.strictSame(await says('delete', 'pod', name, '--timeout=10ms'), [
      1,
      'pod "stubborn" deleted from default namespace\nerror: timed out waiting for the condition on pods/stubborn\n',
    ])
    t.match(await says('get', 'pod', name), [0, / 1\/1 +Terminating +0 /])
    t.match(await says('delete', 'pod', name, '--force'), [
      0,
      /^pod "stubborn" force deleted from default namespace\nWarning: Immediate deletion does not wait/,
    ])
    t.equal((await says('wait', 'pod/stubborn', '--for=delete'))[0], 0)
  })

  await t.test('a workload’s Pod comes again', async t => {
    const first = await uidOf('dep')
    t.equal((await says('delete', 'pod', 'dep'))[0], 0)
    const ready = ['wait', 'pod/dep', '--for=condition=Ready']
    t.equal((await says(...ready))[0], 0)
    const second = await uidOf('dep')
    t.not(second, first)
    t.strictSame(await says('rollout', 'restart', 'deploy/dep'), [
      0,
      'deployment.apps/dep restarted\n',
    ])
    await eventually(async () => (await uidOf('dep')) !== second)
    t.equal((await says(...ready))[0], 0)
    t.equal((await says('rollout', 'restart', 'pod/web'))[0], 2)
  })

  await t.test('stop, start, restart', async t => {
    t.strictSame(await says('stop', 'deploy/dep'), [
      0,
      'deployment.apps/dep stopped\n',
    ])
    const stopped = [
      'wait',
      'pod/dep',
      '--for=jsonpath={.status.reason}=NotRun',
    ]
    t.equal((await says(...stopped))[0], 0)
    t.match(await says('get', 'pod', 'dep'), [0, / 0\/1 +NotRun /])
    t.strictSame(await says('start', 'dep'), [0, 'pod/dep started\n'])
    t.equal((await says('wait', 'pod/dep', '--for=condition=Ready'))[0], 0)
    const before = await uidOf('other')
    t.strictSame(await says('restart', 'pod/other'), [
      0,
      'pod/other restarted\n',
    ])
    await eventually(async () => (await uidOf('other')) !== before)
    t.equal((await says('stop', 'other'))[0], 0)
    const notRun = '--for=jsonpath={.status.reason}=NotRun'
    t.equal((await says('wait', 'pod/other', notRun))[0], 0)
    t.equal((await says('delete', 'pod', 'other'))[0], 0)
    t.match(await says('get', 'pod', 'other'), [1, /not found/])
    t.equal((await says('start', 'other'))[0], 0)
    t.match(await says('stop', 'nope'), [1, /pods "nope" not found/])
    t.equal((await says('stop'))[0], 2)
  })

  await t.test('kubectl', { skip: capability('kubectl') }, async t => {
    const server = await tcpTo(t, `${runtimeDirectory}/${session}/api.sock`)
    const ask = async (...args: string[]) => {
      const said = await kubectl(server, args)
      return [said.code, said.stdout + said.stderr] as const
    }
    t.equal((await says('wait', 'pod/other', '--for=condition=Ready'))[0], 0)
    t.strictSame(await ask('label', 'pod', 'other', 'colour=blue'), [
      0,
      'pod/other labeled\n',
    ])
    t.strictSame(await ask('annotate', 'pod', 'other', 'a=b'), [
      0,
      'pod/other annotated\n',
    ])
    const add = [{ op: 'add', path: '/spec/activeDeadlineSeconds', value: 900 }]
    t.strictSame(
      await ask('patch', 'pod/other', '--type=json', '-p', JSON.stringify(add)),
      [0, 'pod/other patched\n'],
    )
    const both =
      'jsonpath={.items[*].metadata.generation} {.items[*].status.observedGeneration}'
    t.strictSame(await ask('get', 'pods', '-l', 'colour=blue', '-o', both), [
      0,
      '2 2',
    ])
    t.match(await ask('delete', 'pod', 'other', '--grace-period=3'), [
      0,
      /^pod "other" deleted/,
    ])
    t.match(await ask('get', 'pod', 'other'), [1, /NotFound/])
    t.match(await ask('delete', 'deploy', 'dep'), [1, /is changed there/])
  })

  // What is left goes: then podfs ends, and well.
  t.equal((await says('stop', 'dep'))[0], 0)
  t.match(await podfs(t, ['delete', 'pods', '--all', '--session', session]), {
    code: 0,
  })
  t.match(await run.ended, { code: 0, stderr: /every Pod has ended/ })
})

t.test('under podfs serve', { skip: cannotStart() }, async t => {
  const manifest = (colour: string): string =>
    JSON.stringify(
      object.pod(
        {
          name: 'web',
          annotations: { 'podfs.io/run': 'true' },
          labels: { colour },
        },
        spec(goesOn, { readinessGates: [{ conditionType: gate }] }),
      ),
    )
  const { root, start, write } = world(t, { 'web.json': manifest('blue') })
  const first = await start()
  const says = async (...args: string[]) => {
    const said = await podfs(t, [...args, '--session', root])
    return [said.code, said.stdout + said.stderr] as const
  }
  const isReady = () =>
    says('wait', 'pod/web', '--for=condition=ContainersReady')
  t.equal((await isReady())[0], 0)
  const patch = `{status: {conditions: [{type: ${gate}, status: "True"}]}}`
  const at = ['patch', 'pod', 'web', '--subresource=status']
  t.equal((await says(...at, '-p', patch))[0], 0)
  const passed = ['wait', 'pod/web', '--for=condition=Ready']
  t.equal((await says(...passed))[0], 0)
  first.child.kill('SIGKILL')
  await first.ended
  const serving = await start()
  t.equal((await says(...passed))[0], 0, 'the Pod and its shim go on')
  t.equal((await says('delete', 'pod', 'web'))[0], 0)
  t.equal((await podfs(t, ['reload', '--session', root])).code, 0)
  t.match(await says('get', 'pod', 'web'), [1, /not found/], 'nothing is new')
  write('web.json', manifest('green'))
  await eventually(async () => (await says('get', 'pod', 'web'))[0] === 0)
  t.equal((await isReady())[0], 0)
  t.equal((await says('stop', 'web'))[0], 0)
  await eventually(async () =>
    / NotRun /.test((await says('get', 'pod', 'web'))[1]),
  )
  write('web.json', manifest('red'))
  t.equal((await says('start', 'web'))[0], 0)
  t.equal((await isReady())[0], 0)
  t.match(await says('get', 'pod', 'web', '--show-labels'), [0, /colour=red/])
  await end(t, serving)
})
