import { once } from 'node:events'
import t from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import {
  container,
  list,
  lookFromPod,
  object,
  volume,
  writer,
  type Json,
} from '../helpers/conformance-pod.ts'
import { startPodfs } from '../helpers/podfs.ts'

/* subPath and subPathExpr (C128 to C151) as the processes of a real Pod see them. */

const config = object.configMap('config', {
  'configmap-key': 'configmap-value',
})
const podNameItem = (path: string): Json => ({
  path,
  fieldRef: { fieldPath: 'metadata.name' },
})

t.test('of managed volumes', { skip: cannotStart() }, async t => {
  await lookFromPod(t, {
    metadata: { name: 'sub-path' },
    objects: [
      config,
      object.secret('secret', { 'secret-key': 'secret-value' }),
    ],
    looks: [
      {
        ids: 'C128',
        what: 'a key of a Secret is a file at the mountPath',
        volumes: [volume.secret('secret')],
        mount: { subPath: 'secret-key' },
        see: 'stat -c %F $V; cat $V',
        expect: 'regular file\nsecret-value',
      },
      {
        ids: 'C129',
        what: 'a key of a ConfigMap',
        volumes: [volume.configMap('config')],
        mount: { subPath: 'configmap-key' },
        see: 'cat $V; { echo x > $V; } 2>/dev/null || printf " refused"',
        expect: 'configmap-value refused',
      },
      {
        ids: 'C130',
        what: 'at the path of a file that exists',
        volumes: [volume.configMap('config')],
        mount: { subPath: 'configmap-key', mountPath: '/etc/resolv.conf' },
        see: 'cat /etc/resolv.conf',
        expect: 'configmap-value',
      },
      {
        ids: 'C131',
        what: 'a file of a downward API volume, in a directory',
        volumes: [volume.downwardAPI([podNameItem('downward/podname')])],
        mount: { subPath: 'downward/podname' },
        see: 'cat $V',
        expect: 'sub-path',
      },
      {
        ids: 'C132',
        what: 'a file of a projected volume, in a directory',
        volumes: [
          volume.projected([
            {
              configMap: {
                name: 'config',
                items: [
                  { key: 'configmap-key', path: 'projected/configmap-key' },
                ],
              },
            },
          ]),
        ],
        mount: { subPath: 'projected/configmap-key' },
        see: 'cat $V',
        expect: 'configmap-value',
      },
      {
        what: 'a directory of a managed volume',
        volumes: [
          volume.configMap('config', {
            items: [{ key: 'configmap-key', path: 'a/b/key' }],
          }),
        ],
        mount: { subPath: 'a/b' },
        see: 'ls $V; cat $V/key',
        expect: 'key\nconfigmap-value',
      },
    ],
  })
})

t.test(
  'nothing is at it: an empty directory',
  { skip: cannotStart() },
  async t => {
    const see =
      'stat -c %F-%a $V; ls -A $V; touch $V/x 2>/dev/null || echo refused'
    const expect = (mode: string) => `directory-${mode}\nrefused\n`
    const item = [{ key: 'mistyped', path: 'a/b' }]
    const run = await lookFromPod(t, {
      metadata: { name: 'sub-path' },
      objects: [config],
      looks: [
        {
          what: 'a mistyped key',
          volumes: [volume.configMap('config')],
          mount: { subPath: 'my.file' },
          see,
          expect: expect('777'),
        },
        {
          what: 'an optional ConfigMap that is absent',
          volumes: [volume.configMap('absent', { optional: true })],
          mount: { subPath: 'my.file' },
          see,
          expect: expect('777'),
        },
        {
          what: 'an optional item',
          volumes: [
            volume.projected([
              { configMap: { name: 'config', items: item, optional: true } },
            ]),
          ],
          mount: { subPath: 'a/b' },
          see,
          expect: expect('1777'),
        },
      ],
    })
    const { stderr } = await run.ended
    // A log line has the event's message as JSON.
    const told = stderr.replaceAll(String.raw`\"`, '"')
    for (const why of [
      'ConfigMap default/config has no key "my.file"',
      'ConfigMap default/absent has no key "my.file"',
      'ConfigMap default/config has no key "mistyped"',
    ])
      t.equal(told.split(`is an empty directory: ${why}`).length, 2, why)
  },
)

t.test('of an emptyDir', { skip: cannotStart() }, async t => {
  const mounts = (...more: Json[]): Json => ({
    volumeMounts: [{ name: 'shared', mountPath: '/all' }, ...more],
  })
  const at = (mountPath: string, more: Json): Json => ({
    name: 'shared',
    mountPath,
    ...more,
  })
  const containers = [
    {
      id: 'C134',
      what: 'subPathExpr: the directory is made and mounted',
      name: 'expr',
      script: 'test -d /all/foo; touch /logs/here && ls /all/foo',
      mounts: [at('/logs', { subPathExpr: '$(POD_NAME)' })],
      sees: 'here',
    },
    {
      id: 'C138',
      what: 'what is written through the root is seen at the subPath',
      name: 'write',
      script: 'echo written > /all/mypath/foo/test.log; cat /sub/test.log',
      mounts: [at('/sub', { subPathExpr: 'mypath/$(POD_NAME)' })],
      sees: 'written',
    },
    {
      id: 'C139',
      what: 'a missing directory is made with the mode of the root',
      name: 'missing',
      script: 'stat -c %a /sub /all/none /all/none/deep | tr "\\n" " "',
      mounts: [at('/sub', { subPath: 'none/deep' })],
      sees: '777 777 777 ',
    },
    {
      id: 'C140',
      what: 'a directory that exists',
      name: 'existing',
      script: 'stat -c "%a %u" /sub; ls /sub',
      mounts: [at('/sub', { subPath: 'existing' })],
      sees: '700 1234',
    },
    {
      id: 'C141',
      what: 'a file in a directory that exists',
      name: 'file-in',
      script: 'cat /sub/file',
      mounts: [at('/sub', { subPath: 'existing' })],
      sees: 'content',
    },
    {
      id: 'C142',
      what: 'a file as the subPath',
      name: 'file',
      script: 'test -f /sub && cat /sub',
      mounts: [at('/sub', { subPath: 'existing/file' })],
      sees: 'content',
    },
    {
      id: 'C147',
      what: 'two subPaths of one volume, each its own',
      name: 'two',
      script:
        'echo 1 > /one/n; echo 2 > /two/n; cat /all/one/n /all/two/n | tr "\\n" " "',
      mounts: [at('/one', { subPath: 'one' }), at('/two', { subPath: 'two' })],
      sees: '1 2 ',
    },
    {
      id: 'C150',
      what: 'a read-only directory is read',
      name: 'read',
      script: 'cat /sub/file',
      mounts: [at('/sub', { subPath: 'existing', readOnly: true })],
      sees: 'content',
    },
    {
      id: 'C151',
      what: 'and not written',
      name: 'write-ro',
      script:
        '{ echo x > /sub/new; } 2>&1 | grep -o "Read-only.*"; ls /all/existing',
      mounts: [at('/sub', { subPath: 'existing', readOnly: true })],
      sees: 'Read-only file system',
    },
    {
      id: 'C140',
      what: 'a link that stays inside is followed',
      name: 'inside',
      script: 'cat /sub/file',
      mounts: [at('/sub', { subPath: 'link-inside' })],
      sees: 'content',
    },
  ] as const
  const dir = t.testdir()
  await writer(dir)(
    'pod.json',
    object.pod(
      { name: 'foo' },
      {
        initContainers: [
          container(
            'init',
            'cd /all; mkdir existing; echo content > existing/file; chmod 700 existing; chown 1234 existing; ln -s existing link-inside',
            mounts(),
          ),
        ],
        containers: containers.map(({ name, script, mounts: own }) =>
          container(name, script, {
            ...mounts(...own),
            env: [
              {
                name: 'POD_NAME',
                valueFrom: { fieldRef: { fieldPath: 'metadata.name' } },
              },
            ],
          }),
        ),
        volumes: [{ name: 'shared', ...volume.emptyDir() }],
      },
    ),
  )
  const { code, stdout, stderr } = await startPodfs(t, ['run', '-f', dir]).ended
  t.equal(code, 0, stderr)
  for (const { id, what, name, sees } of containers)
    await t.test(`${id}: ${what}`, async t => {
      const line = new RegExp(`^${name} +\\| (.*)$`, 'm').exec(stdout)
      t.equal(line?.[1], sees)
    })
})

t.test('what must not start', { skip: cannotStart() }, async t => {
  const cases = [
    {
      id: 'C135',
      name: 'backsteps',
      mount: { subPathExpr: '$(UP)' },
      told: "unable to provision SubPath `..`: must not contain '..'",
    },
    {
      id: 'C136',
      name: 'absolute',
      mount: { subPathExpr: '$(ABSOLUTE)' },
      told: 'error SubPath `/tmp` must not be an absolute path',
    },
    {
      id: 'C143',
      name: 'directory',
      mount: { subPath: 'to-bin' },
      told: 'subPath to-bin leads outside of its volume',
    },
    {
      id: 'C144',
      name: 'file',
      mount: { subPath: 'to-sh' },
      told: 'subPath to-sh leads outside of its volume',
    },
    {
      id: 'C145',
      name: 'dangling',
      mount: { subPath: 'to-nothing' },
      told: 'subPath to-nothing: cannot be resolved',
    },
    {
      id: 'C146',
      name: 'back',
      mount: { subPath: 'to-parent' },
      told: 'subPath to-parent leads outside of its volume',
    },
  ] as const
  const dir = t.testdir()
  const write = writer(dir)
  const annotation = { path: 'annotation', name: 'ANNOTATION' }
  const pod = (annotations: Json): Json =>
    object.pod(
      { annotations },
      {
        initContainers: [
          container(
            'init',
            'cd /v; ln -s /bin to-bin; ln -s /bin/sh to-sh; ln -s /no/such to-nothing; ln -s ../ to-parent',
            { volumeMounts: [{ name: 'v', mountPath: '/v' }] },
          ),
        ],
        containers: [
          ...cases.map(({ name, mount }) =>
            container(name, 'echo started', {
              env: [
                { name: 'UP', value: '..' },
                { name: 'ABSOLUTE', value: '/tmp' },
              ],
              volumeMounts: [{ name: 'v', mountPath: '/sub', ...mount }],
            }),
          ),
          container('waits', 'ls -d /v/mypath && echo started', {
            env: [
              {
                name: annotation.name,
                valueFrom: {
                  fieldRef: { fieldPath: "metadata.annotations['mysubpath']" },
                },
              },
            ],
            volumeMounts: [
              { name: 'v', mountPath: '/v' },
              {
                name: 'v',
                mountPath: '/sub',
                subPathExpr: '$(ANNOTATION)',
              },
            ],
          }),
        ],
        volumes: [{ name: 'v', ...volume.emptyDir() }],
      },
    )
  await write('pod.json', pod({ other: 'x' }))
  const run = startPodfs(t, ['run', '-f', dir])
  for (const { id, name, told } of cases)
    await t.test(`${id}: ${name}: CreateContainerConfigError`, async () => {
      await run.saw(
        new RegExp(
          `"message":"Error: ${told.replaceAll(/[.$()]/g, '\\$&')}","fieldPath":"spec.containers{${name}}"`,
        ),
        'stderr',
      )
    })
  await t.test(
    'C137: an expansion that fails is mended by an annotation, in the running Pod',
    async t => {
      await run.saw(/"fieldPath":"spec.containers{waits}"/, 'stderr')
      t.equal(run.stdout(), '')
      await write('pod.json', pod({ mysubpath: 'mypath' }))
      await run.saw(/^waits +\| \/v\/mypath\nwaits +\| started$/m)
    },
  )
  run.child.kill('SIGTERM')
  await once(run.child, 'close')
  t.match(run.stdout(), /^waits/)
  t.notMatch(run.stdout(), /^(?!waits)./m, 'no other one has started')
  t.notMatch(run.stderr(), /restarting it/)
})

t.test('a container that starts again', { skip: cannotStart() }, async t => {
  const dir = t.testdir()
  const write = writer(dir)
  await write('config.json', list([config]))
  const trap = `trap 'exit 0' TERM`
  await write(
    'pod.json',
    object.pod(
      {},
      {
        restartPolicy: 'Always',
        containers: [
          container(
            'frozen',
            `${trap}
echo "sees $(cat /key)"; [ -e /state/once ] && { sleep 1000 & wait; }
until [ "$(cat /live/configmap-key)" = modified ]; do sleep 0.02; done
echo "still $(cat /key)"; touch /state/once; exit 1`,
            {
              volumeMounts: [
                {
                  name: 'config',
                  mountPath: '/key',
                  subPath: 'configmap-key',
                },
                { name: 'config', mountPath: '/live' },
                { name: 'state', mountPath: '/state' },
              ],
            },
          ),
          container(
            'again',
            `${trap}
[ -e /dir/once ] && { echo "again $(cat /dir/once) $(cat /file)"; sleep 1000 & wait; }
echo kept > /dir/once; echo too > /file; exit 1`,
            {
              volumeMounts: [
                { name: 'state', mountPath: '/dir', subPath: 'dir' },
                { name: 'made', mountPath: '/file', subPath: 'file' },
              ],
            },
          ),
        ],
        initContainers: [
          container('init', 'echo > /made/file', {
            volumeMounts: [{ name: 'made', mountPath: '/made' }],
          }),
        ],
        volumes: [
          { name: 'config', ...volume.configMap('config') },
          { name: 'state', ...volume.emptyDir() },
          { name: 'made', ...volume.emptyDir() },
        ],
      },
    ),
  )
  const run = startPodfs(t, ['run', '-f', dir])
  await t.test(
    'C133: a subPath is frozen until its container starts again',
    async () => {
      await run.saw(/^frozen +\| sees configmap-value$/m)
      await write(
        'config.json',
        list([object.configMap('config', { 'configmap-key': 'modified' })]),
      )
      await run.saw(/^frozen +\| still configmap-value$/m)
      await run.saw(/^frozen +\| sees modified$/m)
    },
  )
  await t.test(
    'C148 C149: a directory and a file as subPath are the same after a restart',
    async () => {
      await run.saw(/^again +\| again kept too$/m)
    },
  )
  run.child.kill('SIGTERM')
  await run.ended
})
