import { readFileSync, readlinkSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { cannotStart, capability } from '../helpers/capability.ts'
import { kubectl, tcpTo, withoutAges } from '../helpers/kubectl.ts'
import { eventually, podfs, runtimeDirectory } from '../helpers/podfs.ts'
import { end, world } from '../helpers/served-world.ts'

/*
 * Workloads and Services of `podfs serve`, and kubectl's small habits; kubectl itself against
 * the same API is the judge.
 */

t.setTimeout(300_000)

const manifest = readFileSync('test/fixtures/look/workloads.yaml', 'utf8')

t.test('workloads', { skip: cannotStart() }, async t => {
  const { root, start, configure } = world(t, { 'all.yaml': manifest })
  // A DaemonSet asks for it.
  configure('node: {labels: {disk: ssd}}')
  const serving = await start()
  const look = (...args: string[]) => podfs(t, [...args, '--session', root])
  const text = async (...args: string[]) => (await look(...args)).stdout
  await eventually(async () => {
    const log = await text('logs', '-l', 'tier=back', '--tail=-1')
    const jobs = await text('get', 'jobs')
    const ready = await text('get', 'pods,deploy')
    return (
      /^agent$/m.test(log) &&
      /^line 20$/m.test(log) &&
      /bad +Failed/.test(jobs) &&
      /once +Complete/.test(jobs) &&
      /pod\/nightly +1\/1/.test(ready) &&
      /deployment.apps\/web +1\/3/.test(ready)
    )
  })

  t.equal(
    (await text('logs', '-l', 'tier=back', '--prefix', '--tail=1')).trim(),
    '[pod/agent/agent] agent\n[pod/db-0/db] line 20',
  )
  t.equal(await text('logs', 'cronjob/nightly'), 'nightly\n', 'has no selector')
  t.match(await look('logs', 'deploy/nope'), {
    code: 1,
    stderr: 'Error from server (NotFound): deployments.apps "nope" not found\n',
  })
  t.match(await look('logs', 'cm/settings'), {
    code: 2,
    stderr: 'error: a configmap has no Pods, and so no logs\n',
  })
  const fields = 'jsonpath={.status.containerStatuses[0].pid}'
  const pid = await text('get', 'pod', 'db-0', '-o', fields)
  t.match(pid, /^\d+$/)
  t.not(
    readlinkSync(`/proc/${pid}/ns/pid`),
    readlinkSync('/proc/self/ns/pid'),
    "it is the container's own process",
  )
  t.match(await look('top', 'node'), {
    code: 0,
    stdout:
      /^NAME +CPU\(cores\) +CPU\(%\) +MEMORY\(bytes\) +MEMORY\(%\)\n\S+ +\d+m +\d+% +\d+Mi +\d+%\n$/,
  })
  t.match(await look('get', 'pods', '--sort-by', '.nope'), { code: 1 })

  await t.test(
    'says what kubectl says of them',
    { skip: capability('kubectl') },
    async t => {
      const id = `serve-${serving.child.pid}`
      const server = await tcpTo(t, path.join(runtimeDirectory, id, 'api.sock'))
      for (const args of [
        ['get', 'deploy,sts,ds,rs,rc,job,cj,svc', '-o', 'wide'],
        ['get', 'all', '--show-labels'],
        ['get', 'deployment.apps/web', '-o', 'yaml'],
        ['get', 'job', 'once', '-o', 'json'],
        ['get', 'deploy,svc', '-o', 'name'],
        ['get', 'deployments', '-l', 'app=web'],
        ['describe', 'deploy'],
        ['describe', 'sts'],
        ['describe', 'ds'],
        ['describe', 'rs'],
        ['describe', 'rc'],
        ['describe', 'jobs'],
        ['describe', 'cronjobs'],
        ['describe', 'svc'],
        ['describe', 'pods', '-l', 'tier=back'],
        ['describe', 'cm', '-l', 'a=b'],
        ['logs', '-l', 'tier=back'],
        ['logs', '-l', 'tier=back', '--prefix', '--tail=-1'],
        ['logs', '-l', 'tier=back', '-f', '--max-log-requests=1'],
        ['logs', '-l', 'a=nope'],
        ['logs', 'deploy/web', '-c', 'side'],
        ['logs', 'svc/web', 'side'],
        ['logs', 'sts/db', '--tail', '2'],
        ['logs', 'job/once'],
        ['logs', 'rs/rs'],
        ['get', 'pods', '--sort-by=.metadata.name'],
        ['get', 'pods', '--sort-by={.spec.containers[0].image}', '-l', 'tier'],
        [
          'get',
          'pods,cm',
          '-o',
          'custom-columns=NAME:.metadata.name,L:.metadata.labels,I:.spec.containers[*].image,X:.nope',
        ],
        [
          'get',
          'pods',
          '-o',
          'custom-columns=NAME:.metadata.name',
          '--no-headers',
        ],
        [
          'get',
          'deploy,svc',
          '-o',
          'go-template={{range .items}}{{.kind}} {{.metadata.name}} {{.spec.replicas}} {{.spec}}{{"\\n"}}{{end}}',
        ],
        [
          'get',
          'secret',
          'db',
          '-o',
          'go-template={{range $k, $v := .data}}{{$k}}={{$v | base64decode}}{{println}}{{end}}',
        ],
      ]) {
        const [theirs, ours] = await Promise.all([
          kubectl(server, args),
          look(...args),
        ])
        // kubectl has the Pods in a Go map, and so in any order.
        const anyOrder = args[0] === 'logs' && args[1] === '-l'
        const said = (ended: typeof theirs) => ({
          code: ended.code,
          stdout: anyOrder
            ? ended.stdout.split('\n').sort()
            : withoutAges(ended.stdout),
          stderr: ended.stderr,
        })
        t.strictSame(
          said({ ...ours, code: ours.code ?? -1 }),
          said(theirs),
          args.join(' '),
        )
      }
      t.match(await kubectl(server, ['rollout', 'status', 'ds/agent']), {
        code: 0,
      })
      t.match(await kubectl(server, ['top', 'node']), {
        code: 0,
        stdout: /^NAME +CPU\(cores\)/,
      })
    },
  )
  // Shells as the first processes of containers take no SIGTERM, for 30 s.
  const ended = end(t, serving)
  await serving.saw(/ending the Pods/, 'stderr')
  serving.child.kill('SIGTERM')
  await ended
})
