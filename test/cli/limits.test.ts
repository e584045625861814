/* Limits of Pods in the built program; what they do to processes is in test/process/limits.test.ts. */
import path from 'node:path'
import t from 'tap'
import { cannotStart, needsRoot } from '../helpers/capability.ts'
import { container, list, object, writer } from '../helpers/conformance-pod.ts'
import { needsLimits } from '../helpers/cgroups.ts'
import { podfs, startPodfs } from '../helpers/podfs.ts'

const skip = cannotStart() || needsRoot('limits') || needsLimits

const limits = (amounts: Readonly<Record<string, string>>) => ({
  resources: { limits: amounts },
})
const once = {
  restartPolicy: 'Never',
  automountServiceAccountToken: false,
  terminationGracePeriodSeconds: 1,
}

t.test('without cgroups', { skip }, async t => {
  const file = path.join(t.testdir(), 'pods.json')
  await writer(path.dirname(file))(
    'pods.json',
    list(
      ['one', 'two'].map(name =>
        object.pod(
          { name },
          {
            ...once,
            containers: [
              container('c', 'grep -c podfs /proc/self/cgroup', {
                ...limits({ memory: '64Mi' }),
              }),
            ],
          },
        ),
      ),
    ),
  )
  // In a mount namespace in which they are read-only, as in many a container.
  const readOnly = `grep -o ' /sys/fs/cgroup[^ ]*' /proc/self/mountinfo | while read -r point; do
    mount -o remount,bind,ro "$point"; done; exec "$@"`
  const wrapper = ['unshare', '--mount', 'sh', '-c', readOnly, 'sh']
  const { stdout, stderr } = await podfs(t, ['run', '--all', '-f', file], {
    wrapper,
  })
  t.match(stdout, /^one\/c +\| 0$/m)
  const told = stderr.match(/^.*only emulated.*$/gm) ?? []
  t.equal(told.length, 1, 'once for all Pods')
  t.match(
    told[0],
    /^podfs: limits and requests are only emulated: no cgroup can be made below \/sys\/fs\/cgroup; mount -o remount,rw/,
  )
})

t.test('who writes too much is evicted', { skip }, async t => {
  const file = path.join(t.testdir(), 'pods.json')
  const volume = { volumeMounts: [{ name: 'data', mountPath: '/data' }] }
  const emptyDir = (sizeLimit?: string) => ({
    volumes: [{ name: 'data', emptyDir: { ...(sizeLimit && { sizeLimit }) } }],
  })
  const writes = (file: string): string =>
    `head -c 3m /dev/zero >${file}; echo up; exec sleep 1000`
  await writer(path.dirname(file))(
    'pods.json',
    list([
      object.pod(
        { name: 'volume' },
        {
          ...once,
          restartPolicy: 'Always',
          ...emptyDir('2Mi'),
          containers: [container('c', writes('/data/file'), volume)],
        },
      ),
      object.pod(
        { name: 'layer' },
        {
          ...once,
          containers: [
            container('c', writes('/etc/file'), {
              ...limits({ 'ephemeral-storage': '2Mi' }),
            }),
          ],
        },
      ),
      object.pod(
        { name: 'within' },
        {
          ...once,
          ...emptyDir('4Mi'),
          containers: [
            container('c', writes('/data/file'), {
              ...volume,
              ...limits({ 'ephemeral-storage': '4Mi' }),
            }),
          ],
        },
      ),
    ]),
  )
  const args = ['run', '--all', '-f', file, '--log-level', 'info']
  const run = startPodfs(t, args)
  await run.saw(/Pod default\/volume has failed/, 'stderr')
  await run.saw(/Pod default\/layer has failed/, 'stderr')
  const get = async (name: string): Promise<string> => {
    const words = ['phase', 'reason', 'message']
    const template = words.map(word => `{.status.${word}}`).join(';')
    const args = ['get', 'pod', name, '-o', `jsonpath=${template}`]
    const { stdout } = await podfs(t, [...args, '--session', `run-${run.pid}`])
    return stdout
  }
  t.match(
    await get('volume'),
    'Failed;Evicted;Usage of EmptyDir volume "data" exceeds the limit "2Mi". ',
  )
  t.match(
    await get('layer'),
    'Failed;Evicted;Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. ',
  )
  t.match(await get('within'), 'Running;;')
  t.match(run.stderr(), /"pod":"volume","reason":"Evicted"/)
})
