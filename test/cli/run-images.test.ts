import path from 'node:path'
import t from 'tap'
import { podfs } from '../helpers/podfs.ts'
import '../helpers/needs-mounts.ts'

/* The image map, from podfs.yaml and --image to what a container is. */

const print = `echo "$0 $* A=$A B=$B $(pwd) $(id -u):$(id -g) $(echo "$PATH" | cut -d: -f1)"`

const pod = (containers: string, more = '') => `apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  restartPolicy: Never
${more}
  containers:
${containers}`

const config = `images:
- pattern: example.com/team/app
  entrypoint: [sh, -c, '${print}', app]
  args: [default]
  env: {A: image, B: image}
  workingDir: /usr/share
  user: nobody
  path: /opt/own/bin:/usr/bin:/bin
- pattern: example.com/team/
  entrypoint: [echo, prefix]
- pattern: '*/team/*'
  entrypoint: [echo, pattern]
- pattern: example.com/team/app:2
  entrypoint: [echo, tag]
- pattern: registry:5000/a/b
  entrypoint: [echo, port]
`

t.test('what an image stands for', async t => {
  const dir = t.testdir({ 'podfs.yaml': config })
  const nobody = '65534'
  const cases: readonly (readonly [string, string])[] = [
    [
      'image: example.com/team/app:1',
      `app default A=image B=image /usr/share ${nobody}:65534 /opt/own/bin`,
    ],
    [
      'image: "example.com/team/app:1@sha256:abc", args: [x], env: [{name: A, value: own}]',
      `app x A=own B=image /usr/share ${nobody}:65534 /opt/own/bin`,
    ],
    [
      'image: example.com/team/app, workingDir: /usr, securityContext: {runAsUser: 7, runAsGroup: 8}',
      'app default A=image B=image /usr 7:8 /opt/own/bin',
    ],
    [
      `image: example.com/team/app, command: [sh, -c, 'echo "command $A"']`,
      'command image',
    ],
    ['image: example.com/team/app:2', 'tag'],
    ['image: example.com/team/other', 'prefix'],
    ['image: quay.io/team/other', 'pattern'],
    ['image: "registry:5000/a/b:tag@sha256:abc"', 'port'],
    ['image: flag:1', 'by flag'],
    ['image: example.com/team/other:2', 'flag over prefix'],
  ]
  const { code, stdout, stderr } = await podfs(
    t,
    [
      'run',
      '-f',
      '-',
      '--config',
      path.join(dir, 'podfs.yaml'),
      '--image',
      'flag=echo by flag',
      '--image',
      'example.com/team/other:2=echo "flag over" prefix',
    ],
    {
      input: pod(
        cases.map(([fields], i) => `  - {name: c${i}, ${fields}}`).join('\n'),
      ),
    },
  )
  t.equal(code, 0, stderr)
  const group = /65534:(\d+)/.exec(stdout)?.[1] ?? ''
  for (const [i, [fields, expected]] of cases.entries())
    t.ok(
      stdout.includes(`c${i} | ${expected.replace(':65534', `:${group}`)}\n`),
      `${fields}\n${stdout}`,
    )
})

t.test('of the Pod, runAsUser wins over the image, too', async t => {
  const dir = t.testdir({ 'podfs.yaml': config })
  const { stdout } = await podfs(
    t,
    ['run', '-f', '-', '--config', path.join(dir, 'podfs.yaml')],
    {
      input: pod(
        '  - {name: c, image: example.com/team/app}',
        '  securityContext: {runAsUser: 9}',
      ),
    },
  )
  t.match(stdout, / 9:0 /)
})
