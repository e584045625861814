import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import { container, object, writer } from '../helpers/conformance-pod.ts'
import { podfs, startPodfs } from '../helpers/podfs.ts'

const lines = (...said: string[]): string =>
  said.map(line => `c | ${line}\n`).join('')

t.test('what a Pod sees of this machine', { skip: cannotStart() }, async t => {
  const dir = await mkdtemp('/tmp/podfs-directories-')
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const k8s = path.join(dir, 'k8s')
  const elsewhere = path.join(dir, 'elsewhere')
  for (const each of [k8s, elsewhere]) await mkdir(each)
  await writeFile(path.join(dir, 'beside'), 'x')
  const config = path.join(dir, 'podfs.yaml')
  const write = writer(k8s)
  const run = async (script: string, cwd: string, settings: object) => {
    await writeFile(config, JSON.stringify(settings))
    await write(
      'pod.json',
      object.pod({}, { containers: [container('c', script)] }),
    )
    const file = path.join(k8s, 'pod.json')
    const args = ['run', '--config', config, '-f', file]
    return await podfs(t, args, { cwd })
  }
  const look = `ls -A /tmp ${dir}; ls -A /home | wc -l`

  t.match(
    await run(look, elsewhere, { hostDirectories: [] }),
    {
      code: 0,
      stdout: lines(
        '/tmp:',
        path.basename(dir),
        '',
        `${dir}:`,
        'elsewhere',
        'k8s',
        '0',
      ),
    },
    'where it was started, and where its manifests are',
  )
  t.match(await run(look, '/', { hostDirectories: ['/*', '/tmp'] }), {
    code: 0,
    stdout: /^c \| beside$/m,
  })

  await t.test('a privileged one may be refused', async t => {
    await writeFile(config, JSON.stringify({ privileged: 'refuse' }))
    await write(
      'pod.json',
      object.pod(
        {},
        {
          containers: [
            container('c', 'echo runs', {
              securityContext: { privileged: true },
            }),
          ],
        },
      ),
    )
    const run = startPodfs(t, [
      'run',
      '--config',
      config,
      '-f',
      path.join(k8s, 'pod.json'),
    ])
    await run.saw(
      /"reason":"Failed","message":"Error: securityContext\.privileged: .*privileged: refuse/,
      'stderr',
    )
    run.child.kill('SIGTERM')
    t.notMatch((await run.ended).stdout, 'runs')
  })
})
